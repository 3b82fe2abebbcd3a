import type { Identity } from './identity.js';
import type { IdentityCache } from './identity-cache.js';
import type { Rule } from './rules.js';

/** All that a client gives to show which user it is. The transport reads it from its packet or its request. */
export interface Credentials {
  readonly transport: 'http' | 'mqtt' | 'api';
  /** Text form of the peer's address. */
  readonly address: string;
  readonly clientId?: string;
  readonly userName?: string;
  readonly password?: Buffer;
  /** The token of `Authorization: Bearer`, or of a cookie. */
  readonly token?: string;
  /** The token is from a cookie, which a browser also sends with requests of foreign pages. */
  readonly tokenIsCookie?: true;
  /** The token is from the query of the URL, which may have been written down on its way. */
  readonly tokenIsInUrl?: true;
  /** Names in the client certificate. */
  readonly certificateNames?: readonly string[];
}

/** The client says nothing of who it is. A client id is not looked at: each client of MQTT has one. */
export function givesNothing({ userName, password, token, certificateNames }: Credentials): boolean {
  return (
    userName === undefined && password === undefined && token === undefined && certificateNames === undefined
  );
}

/** About the bytes that credentials take while they are kept; the names may be in keys of caches and servers as well. */
export function bytesOfCredentials({
  userName = '',
  clientId = '',
  token = '',
  password,
}: Credentials): number {
  return 3 * (userName.length + clientId.length) + token.length + (password?.length ?? 0);
}

export type RefusedBecause =
  | 'no-credentials'
  | 'bad-credentials'
  | 'expired'
  | 'not-allowed'
  | 'too-many-attempts';

export type AuthenticationResult =
  | { readonly outcome: 'accepted'; readonly identity: Identity }
  /** This authenticator does not know the user: the next one in the chain is asked. */
  | { readonly outcome: 'unknown' }
  /**
   * @param sentence for the client; it tells nothing that helps to guess
   * @param retryAfterSec where it is known when it makes sense to try again
   */
  | {
      readonly outcome: 'refused';
      readonly reason: RefusedBecause;
      readonly sentence: string;
      readonly retryAfterSec?: number;
    }
  /** Redis, a hook or a key set cannot be reached. */
  | { readonly outcome: 'unavailable'; readonly sentence: string };

/** The decision once all authenticators have been asked. */
export type AuthenticationDecision = Exclude<AuthenticationResult, { readonly outcome: 'unknown' }>;

export type RefusedAuthentication = Exclude<AuthenticationDecision, { readonly outcome: 'accepted' }>;

export const unknownUser: AuthenticationResult = { outcome: 'unknown' };

/** This result is the same whether the user or the password is wrong. */
export const badCredentials: AuthenticationDecision = {
  outcome: 'refused',
  reason: 'bad-credentials',
  sentence: 'The user name, the password or the token is wrong.',
};

/** So many credentials are being checked that more would only wait. */
export const tooManyChecks: AuthenticationDecision = {
  outcome: 'unavailable',
  sentence: 'Too many credentials are being checked: try again later.',
};

/** Decides which user a client is. */
export interface Authenticator {
  /** Log lines and counters have this name. */
  readonly name: string;
  /** It wants a user name and a password, so browsers may ask a person for them. */
  readonly takesPasswords?: true;
  /**
   * Answers at once where it can: only what really waits is a promise. It never throws and its promise never rejects.
   * The caller has a deadline of its own.
   */
  authenticate(credentials: Credentials): AuthenticationResult | Promise<AuthenticationResult>;
  /** The identities whose credentials were good. The cache is shared with the other authenticators. */
  readonly cache?: IdentityCache;
  /** Rules for all users that it brings along. They may be others after each change. */
  readonly commonRules?: readonly Rule[];
  /** @param onChange called when users, or rules for all, have changed: all connections are looked at then */
  watch?(onChange: () => void): void;
  /** Two names that are one user to it, such as `Alice` and `alice`, have the same. Undefined: each name is its own. */
  canonicalNameOf?(userName: string): string;
  /** Finds the user of an identity that another node has given out: see `Identity.reference`. */
  recall?(reference: string): Identity | undefined;
  /**
   * The identity that a user has now, for one that was given out before: undefined where the user is gone or has another
   * password. Those of other authenticators come back as they are.
   */
  renew?(identity: Identity): Identity | undefined;
  /** Nothing that it keeps of this user besides the cache counts any more. @param userName undefined: of all without a name */
  revoke?(userName: string | undefined): void;
  stop?(): Promise<void>;
}
