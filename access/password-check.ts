import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { compare } from 'bcrypt';

/** Compares a password with what is stored of it. Slow ones work in threads of their own, never on the event loop. */
export interface PasswordCheck {
  readonly isSlow: boolean;
  /** @param salt '' where none is stored */
  matches(given: Buffer, stored: string, salt: string): boolean | Promise<boolean>;
}

/** @param hash of the shape `passwordHashShape` */
export function passwordCheckOf(hash: string): PasswordCheck {
  if (hash === 'plain') return fast((given, stored) => equals(given, Buffer.from(stored)));
  if (hash === 'bcrypt') return bcryptCheck;
  const parts = hash.split(',');
  if (parts[0] === 'pbkdf2') return pbkdf2Check(parts[1]!, Number(parts[2]), Number(parts[3]));
  const digest = parts.find((part) => part !== 'salt')!;
  const isBefore = parts[0] === 'salt';
  const isBehind = parts[1] === 'salt';
  return fast((given, stored, salt) => {
    const made = createHash(digest)
      .update(isBefore ? salt : '')
      .update(given)
      .update(isBehind ? salt : '')
      .digest();
    return equals(made, Buffer.from(stored, 'hex'));
  });
}

function fast(matches: (given: Buffer, stored: string, salt: string) => boolean): PasswordCheck {
  return { isSlow: false, matches };
}

/** htpasswd and PHP write 2y for what is 2b elsewhere. A password ends at 72 bytes, as in every bcrypt. */
const bcryptCheck: PasswordCheck = {
  isSlow: true,
  matches: (given, stored) => compare(given, stored.replace(/^\$2y\$/, '$2b$')),
};

function pbkdf2Check(digest: string, iterations: number, bytes: number): PasswordCheck {
  return {
    isSlow: true,
    matches: async (given, stored, salt) =>
      equals(await derive(given, salt, iterations, bytes, digest), Buffer.from(stored, 'hex')),
  };
}

const derive = promisify(pbkdf2);
const secret = randomBytes(32);

/** In a time that says nothing of the two, not even their lengths. */
function equals(one: Buffer, other: Buffer): boolean {
  return timingSafeEqual(digestOf(one), digestOf(other));
}

function digestOf(bytes: Buffer): Buffer {
  return createHmac('sha256', secret).update(bytes).digest();
}
