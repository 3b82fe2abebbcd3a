import type { KeyObject } from 'node:crypto';
import { errors, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose';
import {
  type AuthenticationResult,
  type Authenticator,
  type Credentials,
  unknownUser,
} from './authenticator.js';
import { ExpiringIdentity, type Identity, UserIdentity } from './identity.js';
import type { IdentityCache } from './identity-cache.js';
import { KeysUnavailable } from './jwt-keys.js';
import { type AccessAction, problemOfRuleFilter, type Rule, rulesMax } from './rules.js';
import { SharedRules } from './shared-rules.js';

export interface JwtOptions {
  /** Its signature is checked with this. */
  readonly key: KeyObject | JWTVerifyGetKey;
  /** Others are refused, whatever the token says: else a public key could be taken for a shared secret. */
  readonly algorithms: readonly string[];
  /** The claim `iss` of a token is one of these; none: any issuer will do. */
  readonly issuers: readonly string[];
  readonly audiences: readonly string[];
  /** Clocks may differ by so much. */
  readonly leewaySec: number;
  /** The claim that has the user name. */
  readonly userClaim: string;
  readonly cache: IdentityCache;
}

/** Tokens are read before anybody has proved anything. */
const tokenLengthMax = 8_192;
/** Most keys of a set that are tried for a token without a key id: each costs a check, 0.1 to 1 ms of a thread. */
const keysTriedMax = 8;

/**
 * JSON Web Tokens (RFC 7519), as a token or in the place of an MQTT password. Claims say what the user may: `subs` and
 * `pubs` are lists of topic filters, with `%u` and `%c`.
 */
export class JwtAuthenticator implements Authenticator {
  readonly name = 'jwt';
  readonly #key: KeyObject | JWTVerifyGetKey;
  readonly #verifyOptions: JWTVerifyOptions;
  readonly #leewaySec: number;
  readonly #userClaim: string;
  readonly #cache: IdentityCache;
  readonly #rules = new SharedRules();

  constructor({ key, algorithms, issuers, audiences, leewaySec, userClaim, cache }: JwtOptions) {
    this.#key = key;
    this.#verifyOptions = {
      algorithms: [...algorithms],
      clockTolerance: leewaySec,
      ...(issuers.length > 0 && { issuer: [...issuers] }),
      ...(audiences.length > 0 && { audience: [...audiences] }),
    };
    this.#leewaySec = leewaySec;
    this.#userClaim = userClaim;
    this.#cache = cache;
  }

  get cache(): IdentityCache {
    return this.#cache;
  }

  authenticate({ token, password }: Credentials): AuthenticationResult | Promise<AuthenticationResult> {
    const text = token ?? password?.toString('latin1');
    if (text === undefined || !text.includes('.')) return unknownUser;
    if (text.length > tokenLengthMax) return isToken(text, token) ? tokenTooLong : unknownUser;
    // First, as all that costs more has been done for one that is known.
    const cacheKey = this.#cache.keyOf('jwt', text);
    const known = this.#cache.get(cacheKey);
    if (known !== undefined) return { outcome: 'accepted', identity: known };
    return isToken(text, token) ? this.#verify(text, cacheKey) : unknownUser;
  }

  async #verify(text: string, cacheKey: string): Promise<AuthenticationResult> {
    const askedMs = performance.now();
    try {
      const payload = await this.#payloadOf(text);
      const identity = this.#identityOf(payload);
      if (typeof identity === 'string') return refused('bad-credentials', identity);
      this.#cache.set(cacheKey, identity, undefined, askedMs);
      return { outcome: 'accepted', identity };
    } catch (error) {
      return resultOf(error);
    }
  }

  async #payloadOf(text: string): Promise<JWTPayload> {
    try {
      // The two overloads of the library are one function.
      return (await jwtVerify(text, this.#key as JWTVerifyGetKey, this.#verifyOptions)).payload;
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys) return this.#payloadByAnyOf(text, error);
      throw error;
    }
  }

  /** A token need not say which key it is signed with (RFC 7515 4.1.4): each that fits is tried. */
  async #payloadByAnyOf(text: string, keys: errors.JWKSMultipleMatchingKeys): Promise<JWTPayload> {
    let tried = 0;
    for await (const key of keys) {
      if (++tried > keysTriedMax) break;
      try {
        return (await jwtVerify(text, key, this.#verifyOptions)).payload;
      } catch (error) {
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }

  /** @returns what is wrong with a claim, as a sentence, where something is */
  #identityOf(payload: JWTPayload): Identity | string {
    const { exp, subs = [], pubs = [] } = payload;
    const userName = payload[this.#userClaim];
    if (userName !== undefined && typeof userName !== 'string')
      return `The claim ${this.#userClaim} of the token is a text.`;
    const problem = problemOfFilters('subs', subs) ?? problemOfFilters('pubs', pubs);
    if (problem !== undefined) return problem;
    const rules = this.#rules.of([
      ...(subs as string[]).map((filter) => allow('subscribe', filter)),
      ...(pubs as string[]).map((filter) => allow('publish', filter)),
    ]);
    if (exp === undefined) return new UserIdentity(userName, rules);
    return new ExpiringIdentity(userName, rules, Math.floor(exp + this.#leewaySec));
  }
}

/** Three parts in base64url; the last is empty where it is not signed, which is for the check to refuse. */
const compactShape = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** @param token the text, where it was given as a token and not as a password */
function isToken(text: string, token: string | undefined): boolean {
  return compactShape.test(text) && (token !== undefined || hasAlgorithm(text));
}

/** A password may have two dots in it; a token begins with a JSON object that names its algorithm (RFC 7515 4.1.1). */
function hasAlgorithm(text: string): boolean {
  try {
    const header = JSON.parse(Buffer.from(text.slice(0, text.indexOf('.')), 'base64url').toString());
    return typeof header === 'object' && header !== null && 'alg' in header;
  } catch {
    return false;
  }
}

function allow(action: AccessAction, filter: string): Rule {
  return { permission: 'allow', action, filter };
}

function problemOfFilters(claim: string, filters: unknown): string | undefined {
  if (!Array.isArray(filters)) return `The claim ${claim} of the token is a list of topic filters.`;
  if (filters.length > rulesMax) return `The claim ${claim} of the token has at most ${rulesMax} filters.`;
  for (const filter of filters) {
    const problem = typeof filter === 'string' ? problemOfRuleFilter(filter) : 'It is a text.';
    if (problem !== undefined) return `A filter in the claim ${claim} of the token is wrong. ${problem}`;
  }
  return undefined;
}

function refused(reason: 'bad-credentials' | 'expired', sentence: string): AuthenticationResult {
  return { outcome: 'refused', reason, sentence };
}

const tokenTooLong = refused('bad-credentials', `A token has at most ${tokenLengthMax} characters.`);

/** Claims are looked at when the signature was found good, so what is said of them helps nobody to guess. */
function resultOf(error: unknown): AuthenticationResult {
  if (error instanceof KeysUnavailable)
    return { outcome: 'unavailable', sentence: 'The keys of tokens cannot be fetched now: try again later.' };
  if (error instanceof errors.JWTExpired) return refused('expired', 'The token has expired: get a new one.');
  if (error instanceof errors.JWTClaimValidationFailed)
    return refused('bad-credentials', claimSentences[error.claim] ?? 'A claim of the token is wrong.');
  if (error instanceof errors.JOSEError) return refused('bad-credentials', 'The token is not valid.');
  throw error;
}

const claimSentences: Readonly<Record<string, string>> = {
  aud: 'The token is for somebody else (claim aud).',
  iss: 'The token is from somebody who is not trusted here (claim iss).',
  nbf: 'The token is not valid yet (claim nbf): look at the clocks.',
};
