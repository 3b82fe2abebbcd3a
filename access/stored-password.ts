import { randomBytes } from 'node:crypto';
import { hash as bcryptHash } from 'bcrypt';
import { derive, digestWithSalt } from './password-check.js';

/** A password in the form in which users are stored: what `passwordCheckOf` compares with. */
export interface StoredPassword {
  readonly password: string;
  /** '' = it has none. */
  readonly salt: string;
}

/** Longest password of MQTT [MQTT-3.1.3.5]. */
export const passwordBytesMax = 65_535;
/** bcrypt leaves out what is behind them, so that two passwords would be one. */
const bcryptBytesMax = 72;
/** A check takes 50 ms; htpasswd and most libraries take between 10 and 12 rounds. */
const bcryptRounds = 10;
const saltBytes = 16;

/** Says what keeps this text from being a password, or undefined. */
export function problemOfPassword(hash: string, password: string): string | undefined {
  const bytes = Buffer.byteLength(password);
  if (bytes === 0) return 'A password has at least one character.';
  if (bytes > passwordBytesMax) return `A password has at most ${passwordBytesMax} bytes.`;
  if (hash !== 'bcrypt') return undefined;
  if (bytes > bcryptBytesMax)
    return `With bcrypt a password has at most ${bcryptBytesMax} bytes, and this one has ${bytes}.`;
  return password.includes('\0') ? 'With bcrypt a password has no NUL character.' : undefined;
}

/** @param hash of the shape `passwordHashShape` */
export async function storedPasswordOf(hash: string, password: string): Promise<StoredPassword> {
  if (hash === 'plain') return { password, salt: '' };
  if (hash === 'bcrypt') return { password: await bcryptHash(password, bcryptRounds), salt: '' };
  const given = Buffer.from(password);
  const parts = hash.split(',');
  if (parts[0] === 'pbkdf2') {
    const salt = randomSalt();
    const made = await derive(given, salt, Number(parts[2]), Number(parts[3]), parts[1]!);
    return { password: made.toString('hex'), salt };
  }
  const salt = parts.includes('salt') ? randomSalt() : '';
  return { password: digestWithSalt(hash, given, salt).toString('hex'), salt };
}

function randomSalt(): string {
  return randomBytes(saltBytes).toString('hex');
}
