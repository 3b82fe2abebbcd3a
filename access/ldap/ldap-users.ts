import { isUtf8 } from 'node:buffer';
import {
  InappropriateAuthError,
  InvalidCredentialsError,
  InvalidDNSyntaxError,
  NoSuchObjectError,
  ResultCodeError,
} from 'ldapts';
import {
  type AuthenticationResult,
  type Authenticator,
  badCredentials,
  type Credentials,
  tooManyChecks,
  unknownUser,
} from '../authenticator.js';
import { CircuitBreaker } from '../circuit-breaker.js';
import { UserIdentity } from '../identity.js';
import type { IdentityCache } from '../identity-cache.js';
import { Rules } from '../rules.js';
import { type Accept, ServiceChecks } from '../service-checks.js';
import { LdapConnections, type LdapConnectionsOptions, NoFreeConnectionError } from './ldap-connections.js';
import { bindNameOf, ldapUserNameOf } from './ldap-name.js';

export interface LdapUsersOptions extends LdapConnectionsOptions {
  /** The name of a user in the directory, with `%u` for the user name. */
  readonly bindName: string;
  readonly cache: IdentityCache;
  /** The part of the users that are checked at once that one address may have. */
  readonly sharePerAddress?: number;
  /** The server cannot be reached, or refuses for a reason that is not the password. */
  readonly onTrouble: (error: unknown) => void;
  /** For tests. */
  readonly breaker?: CircuitBreaker;
}

/** Most users that are checked at once, or wait for a connection: more would only wait. */
const underWayMax = 1_024;
const underWayBytesMax = 4 * 1024 * 1024;

/**
 * Users of an LDAP server or an Active Directory: a user is one whose name and password the server lets bind. What they may
 * do is in the rules for all. A user that there is not is refused like a wrong password, as the server says the same of both.
 */
export class LdapUsers implements Authenticator {
  readonly name = 'ldap';
  readonly takesPasswords = true;
  readonly #options: LdapUsersOptions;
  readonly #connections: LdapConnections;
  readonly #checks: ServiceChecks;

  constructor(options: LdapUsersOptions) {
    this.#options = options;
    this.#connections = new LdapConnections(options);
    this.#checks = new ServiceChecks({
      cache: options.cache,
      max: underWayMax,
      bytesMax: underWayBytesMax,
      sharePerAddress: options.sharePerAddress,
      outage: {
        breaker: options.breaker ?? new CircuitBreaker(),
        onTrouble: options.onTrouble,
        result: away,
      },
    });
  }

  get cache(): IdentityCache {
    return this.#options.cache;
  }

  authenticate(credentials: Credentials): AuthenticationResult | Promise<AuthenticationResult> {
    const { userName: given, password } = credentials;
    if (given === undefined || password === undefined) return unknownUser;
    const userName = ldapUserNameOf(given);
    const name = userName === undefined ? undefined : bindNameOf(this.#options.bindName, userName);
    // A bind without a password is anonymous, and good (RFC 4513 5.1.2).
    if (userName === undefined || name === undefined || password.length === 0 || !isText(password))
      return badCredentials;
    const cacheKey = this.cache.keyOf('ldap', userName, password);
    return (
      this.#checks.known(cacheKey) ??
      this.#checks.ask(cacheKey, credentials, (accept) =>
        this.#bind(name, password.toString(), credentials.address, userName, accept),
      )
    );
  }

  canonicalNameOf(userName: string): string {
    return ldapUserNameOf(userName) ?? userName;
  }

  stop(): Promise<void> {
    return this.#connections.close();
  }

  /** Rejects where the server cannot answer. */
  async #bind(
    name: string,
    password: string,
    address: string,
    userName: string,
    accept: Accept,
  ): Promise<AuthenticationResult> {
    try {
      await this.#connections.bind(name, password, address);
    } catch (error) {
      if (error instanceof NoFreeConnectionError) return tooManyChecks;
      if (!(error instanceof ResultCodeError) || serverTrouble.has(error.code)) throw error;
      if (!isRefusal(error)) this.#options.onTrouble(error);
      return badCredentials;
    }
    return accept(new UserIdentity(userName, Rules.none));
  }
}

/** A NUL would end the password in a server written in C, and what is before it would be enough. */
function isText(password: Buffer): boolean {
  return isUtf8(password) && !password.includes(0);
}

/**
 * The directory cannot answer (RFC 4511 A.1): operationsError, timeLimitExceeded, adminLimitExceeded, busy, unavailable,
 * other. All other codes are about the one user, as 19 of a locked account or 53 of a disabled one: counted as an outage,
 * they would let a stranger shut everybody out.
 */
const serverTrouble = new Set([1, 3, 11, 51, 52, 80]);

function isRefusal(error: unknown): boolean {
  return (
    error instanceof InvalidCredentialsError ||
    error instanceof NoSuchObjectError ||
    error instanceof InvalidDNSyntaxError ||
    error instanceof InappropriateAuthError
  );
}

const away: AuthenticationResult = {
  outcome: 'unavailable',
  sentence: 'The directory with the users cannot be reached: try again later.',
};
