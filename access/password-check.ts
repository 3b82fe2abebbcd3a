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
  return fast((given, stored, salt) => equals(digestWithSalt(hash, given, salt), Buffer.from(stored, 'hex')));
}

/** @param hash `sha256`, or with the salt where it stands: `salt,sha256`, `sha256,salt` */
export function digestWithSalt(hash: string, given: Uint8Array, salt: string): Buffer {
  const parts = hash.split(',');
  const digest = createHash(parts.find((part) => part !== 'salt')!);
  for (const part of parts) digest.update(part === 'salt' ? salt : given);
  return digest.digest();
}

function fast(matches: (given: Buffer, stored: string, salt: string) => boolean): PasswordCheck {
  return { isSlow: false, matches };
}

/** htpasswd and PHP write 2y for what is 2b elsewhere. A password ends at 72 bytes, as in every bcrypt. */
const bcryptCheck: PasswordCheck = {
  isSlow: true,
  matches: (given, stored) => compare(given, stored.replace(/^\$2y\$/, '$2b$')),
};

/** The form `$6$<salt>$<hash>` of mosquitto_passwd, both in base64: the salt stands behind the password. */
export const mosquittoSha512: PasswordCheck = fast((given, stored) => {
  const [, , salt, hash] = stored.split('$');
  const made = createHash('sha512').update(given).update(Buffer.from(salt!, 'base64')).digest();
  return equals(made, Buffer.from(hash!, 'base64'));
});

/** The form `$7$<iterations>$<salt>$<hash>` of mosquitto_passwd since 2.0. */
export const mosquittoPbkdf2: PasswordCheck = {
  isSlow: true,
  matches: async (given, stored) => {
    const [, , iterations, salt, hash] = stored.split('$');
    const wanted = Buffer.from(hash!, 'base64');
    const made = await derive(
      given,
      Buffer.from(salt!, 'base64'),
      Number(iterations),
      wanted.length,
      'sha512',
    );
    return equals(made, wanted);
  },
};

function pbkdf2Check(digest: string, iterations: number, bytes: number): PasswordCheck {
  return {
    isSlow: true,
    matches: async (given, stored, salt) =>
      equals(await derive(given, salt, iterations, bytes, digest), Buffer.from(stored, 'hex')),
  };
}

export const derive = promisify(pbkdf2);
const secret = randomBytes(32);

/** Compares the two in a time that says nothing of them, not even their lengths. */
function equals(one: Buffer, other: Buffer): boolean {
  return timingSafeEqual(digestOf(one), digestOf(other));
}

function digestOf(bytes: Buffer): Buffer {
  return createHmac('sha256', secret).update(bytes).digest();
}
