import { createPrivateKey, createSecretKey, type KeyObject } from 'node:crypto';
import { type JWTPayload, SignJWT } from 'jose';
import { algorithmsOf, keysOfSecret } from './jwt-keys.js';

/** The key that tokens are signed with, and the algorithms that go with it, the usual one first. */
export interface SigningKey {
  readonly key: KeyObject;
  readonly algorithms: readonly string[];
  /** For the header of the token, where a key set has several. */
  readonly keyId?: string;
}

/** A secret has at least as many bytes as a hash of HS256 (RFC 7518 3.2). */
const secretBytesMin = 32;

/** @throws Error which says why it cannot be used */
export function signingKeyOfSecret(secret: string): SigningKey {
  const { algorithms } = keysOfSecret(secret);
  if (algorithms.length === 0)
    throw new Error(`it has ${Buffer.byteLength(secret)} bytes, and HS256 wants at least ${secretBytesMin}`);
  return { key: createSecretKey(Buffer.from(secret)), algorithms };
}

/** @param text a private key in PEM, or as JSON (JWK) @throws Error which says why it cannot be used */
export function signingKeyOfFile(text: string): SigningKey {
  if (text.trimStart().startsWith('{')) {
    const jwk = JSON.parse(text) as { d?: unknown; kid?: unknown };
    if (typeof jwk.d !== 'string') throw new Error('it holds no private key');
    const key = createPrivateKey({ key: jwk as never, format: 'jwk' });
    return { key, algorithms: algorithmsOf(key), ...(typeof jwk.kid === 'string' ? { keyId: jwk.kid } : {}) };
  }
  if (!/PRIVATE KEY/.test(text))
    throw new Error('it holds no private key, which is what tokens are signed with');
  const key = createPrivateKey(text);
  return { key, algorithms: algorithmsOf(key) };
}

export function signToken(
  payload: JWTPayload,
  { key, keyId }: SigningKey,
  algorithm: string,
): Promise<string> {
  const header = { alg: algorithm, typ: 'JWT', ...(keyId === undefined ? {} : { kid: keyId }) };
  return new SignJWT(payload).setProtectedHeader(header).sign(key);
}
