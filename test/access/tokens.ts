import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type JWK, type JWTPayload, SignJWT } from 'jose';

/** Tokens, good ones and others, and a server of their keys. */

export const secret = 'a secret that is long enough for HS512, as it has more than 64 characters'.replaceAll(
  ' ',
  '-',
);

export const nowSec = () => Math.floor(Date.now() / 1000);

export interface KeyPair {
  readonly algorithm: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** One of each kind that tokens are signed with. */
export function keyPairs(): KeyPair[] {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return [
    { algorithm: 'RS256', ...rsa },
    { algorithm: 'RS512', ...rsa },
    { algorithm: 'PS384', ...rsa },
    { algorithm: 'ES256', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
    { algorithm: 'ES384', ...generateKeyPairSync('ec', { namedCurve: 'P-384' }) },
    { algorithm: 'ES512', ...generateKeyPairSync('ec', { namedCurve: 'P-521' }) },
    { algorithm: 'EdDSA', ...generateKeyPairSync('ed25519') },
  ];
}

/** A token with this payload; `exp` is in an hour unless it says otherwise. */
export function sign(
  payload: JWTPayload,
  key: KeyObject | Uint8Array = Buffer.from(secret),
  algorithm = 'HS256',
  header: { kid?: string } = {},
): Promise<string> {
  const claims = { exp: nowSec() + 3600, ...payload };
  if (payload.exp === null) delete (claims as JWTPayload).exp;
  return new SignJWT(claims).setProtectedHeader({ alg: algorithm, ...header }).sign(key);
}

/** A token that no library would make. @param signature of header and payload, in base64url */
export function forge(header: object, payload: object, signature: (signed: string) => string): string {
  const signed = `${encoded(header)}.${encoded(payload)}`;
  return `${signed}.${signature(signed)}`;
}

export function hmac(key: string | Buffer, digest = 'sha256'): (signed: string) => string {
  return (signed) => createHmac(digest, key).update(signed).digest('base64url');
}

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

/** A real server of a key set, whose keys and moods are the test's. */
export class KeyServer {
  readonly #server: Server;
  keys: JWK[] = [];
  requests = 0;
  mood: 'good' | 'hangs' | 'fails' | 'nonsense' | 'huge' = 'good';

  private constructor() {
    this.#server = createServer((_request, response) => {
      this.requests++;
      if (this.mood === 'hangs') return;
      if (this.mood === 'fails') response.writeHead(500);
      else response.setHeader('Content-Type', 'application/json');
      if (this.mood === 'huge') response.write(' '.repeat(1024 * 1024));
      response.end(this.mood === 'nonsense' ? '{"keys": 7}' : JSON.stringify({ keys: this.keys }));
    });
  }

  static async start(): Promise<KeyServer> {
    const keyServer = new KeyServer();
    await new Promise<void>((resolve) => keyServer.#server.listen(0, '127.0.0.1', resolve));
    return keyServer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/jwks.json`;
  }

  /** Adds a public key. */
  add({ publicKey, algorithm }: KeyPair, kid: string): void {
    this.keys.push({ ...publicKey.export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' } as JWK);
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
