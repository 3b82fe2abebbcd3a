import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type FetchImplementation,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
} from 'jose';

/** The key that signatures of tokens are checked with, and the algorithms that go with it. */
export interface JwtKeys {
  readonly key: KeyObject | JWTVerifyGetKey;
  readonly algorithms: readonly string[];
}

/** The server of a key set cannot be reached, and the key is not known from before. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

/** A key set never has a shared secret: it would lie open on its server. */
const publicAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

const curves: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

/** @param secret at least 32 bytes: as many as the hash has (RFC 7518 3.2) */
export function keysOfSecret(secret: string): JwtKeys {
  const bytes = Buffer.from(secret);
  const algorithms = ['HS256', 'HS384', 'HS512'].filter((name) => bytes.length >= Number(name.slice(2)) / 8);
  return { key: createSecretKey(bytes), algorithms };
}

/** @param text a public key or certificate in PEM, or a key set in JSON @throws Error which says why it cannot be used */
export function keysOfFile(text: string): JwtKeys {
  if (text.trimStart().startsWith('{')) {
    const set = JSON.parse(text) as JSONWebKeySet;
    return { key: createLocalJWKSet(set), algorithms: publicAlgorithms };
  }
  if (/PRIVATE KEY/.test(text)) throw new Error('it holds a private key, and the public one is enough');
  const key = createPublicKey(text);
  return { key, algorithms: algorithmsOf(key) };
}

/** The algorithms that go with this kind of key, the usual one first. */
export function algorithmsOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string[] {
  if (asymmetricKeyType === 'rsa') return publicAlgorithms.filter((name) => /^[RP]S/.test(name));
  if (asymmetricKeyType === 'rsa-pss') return publicAlgorithms.filter((name) => name.startsWith('PS'));
  if (asymmetricKeyType === 'ed25519') return ['EdDSA', 'Ed25519'];
  const curve = asymmetricKeyType === 'ec' ? curves[asymmetricKeyDetails?.namedCurve ?? ''] : undefined;
  if (curve !== undefined) return [curve];
  throw new Error(`its kind of key (${asymmetricKeyType}) is not used for tokens`);
}

/** The key set is fetched again after this time. */
const freshMs = 600_000;
/** Shortest time between two fetches for keys that are not in the set, and after a fetch that failed. */
const cooldownMs = 2_000;
const timeoutMs = 3_000;
/** A hundred keys, each with its chain of certificates, are 600 KB. */
const keySetBytesMax = 1024 * 1024;

/**
 * The key set of a server (RFC 7517), fetched when it is needed. While the server cannot be reached, the keys that are
 * known go on: else its outage would be one here.
 * @param onTrouble called when it cannot be fetched
 */
export function keysOfServer(url: string, onTrouble: (error: unknown) => void): JwtKeys {
  const remote = createRemoteJWKSet(new URL(url), {
    cacheMaxAge: freshMs,
    cooldownDuration: cooldownMs,
    timeoutDuration: timeoutMs,
    [customFetch]: fetchWithLimit,
  });
  let troubleUntilMs = 0;
  /** The keys that go on during an outage. Made once: the library copies and reads the whole set. */
  let known: ReturnType<typeof createLocalJWKSet> | undefined;
  const key: JWTVerifyGetKey = async (header, token) => {
    if (performance.now() >= troubleUntilMs) {
      try {
        const found = await remote(header, token);
        known = undefined; // its server is back
        return found;
      } catch (error) {
        if (isNoMatch(error)) throw error;
        troubleUntilMs = performance.now() + cooldownMs;
        onTrouble(error);
      }
    }
    if (known === undefined) {
      const set = remote.jwks();
      if (set === undefined) throw new KeysUnavailable('the key set has never been fetched');
      known = createLocalJWKSet(set);
    }
    try {
      return await known(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey)
        throw new KeysUnavailable('the key may be a new one', { cause: error });
      throw error;
    }
  };
  return { key, algorithms: publicAlgorithms };
}

/** The library reads an answer of any size. */
const fetchWithLimit: FetchImplementation = async (url, options) => {
  const response = await fetch(url, options);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > keySetBytesMax) throw new RangeError(`its answer has more than ${keySetBytesMax} bytes`);
    chunks.push(chunk);
  }
  return new Response(bytes === 0 ? null : Buffer.concat(chunks), { status: response.status });
};

function isNoMatch(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys;
}
