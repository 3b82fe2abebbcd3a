import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { customerOf, siteOf } from './address-share.js';
import type { AuthenticationDecision, Credentials } from './authenticator.js';
import { type Identity, unrestricted } from './identity.js';
import { KnownPairs } from './known-pairs.js';

export interface FailedLoginsOptions {
  /** Failures of one address within the window; 0 = no limit. */
  readonly perAddressMax: number;
  /** Failures for one user name within the window; 0 = no limit. */
  readonly perNameMax: number;
  readonly windowSec: number;
  readonly bytesMax: number;
  /** An address or a name has reached its limit. */
  readonly onLimit?: (limit: 'address' | 'name', address: string) => void;
  /** Gives the spellings of a user one name, as `Authenticator.canonicalNameOf`: else each would have failures of its own. */
  readonly canonicalNameOf?: ((userName: string) => string) | undefined;
  /** A clock that never goes back. */
  readonly nowMs?: () => number;
}

/** Failures that have not run out yet: as many as the limit run out in a window. */
interface Failures {
  /** When the last failure came. */
  lastMs: number;
  /** How many had not run out at that time, with the last one. */
  level: number;
}

/** Cost of an entry, measured: a key of 22 characters, the object, and its place in the cache. */
const entryBytes = 250;

/** A failure adds up to three entries, so that more are forgotten than are added. */
const forgottenAtOnce = 8;

/** However many attempts were under way at once, nobody is held off for longer than so many windows. */
const heldWindowsMax = 10;

/**
 * Logins that have failed, by address and by user name. Past a limit, further attempts are refused before anybody is asked
 * whether they are right. Limits run out evenly: at 10 a minute, the next attempt is looked at 6 s later.
 *
 * An attacker must not lock out the user whose name it tries. So, as with the "device cookies" of OWASP:
 *
 *     from where the user was let in before    its own failures count, and nobody else's
 *     from a new place, name at its limit      one attempt a window and place
 *     from an address at its limit             none, but for users who were let in from there
 *
 * A place is an IPv4 address or an IPv6 /48. Nothing is stored for a login that succeeds but 4 bytes in a table of fixed
 * size, and only for one that had to wait for its authenticator, or while other logins fail.
 */
export class FailedLogins {
  readonly #options: FailedLoginsOptions;
  readonly #windowMs: number;
  readonly #nowMs: () => number;
  /** Failures by address, by name, and by place and name. The ones that were tried longest ago go first. */
  readonly #entries: LRUCache<string, Failures>;
  /** Users that were let in, and tokens, each with the place that they came from. */
  readonly #known = new KnownPairs();
  /** Only this process has it, so that nobody can choose names that share a key. */
  readonly #secret = randomBytes(32);
  #lastFailureMs = Number.NEGATIVE_INFINITY;
  /** Nobody is at a limit after this time. */
  #limitedUntilMs = 0;
  /** The login that was let in last; undefined: one has failed since. */
  #lastKnown: { address: string; login: string } | undefined;
  /** Since the start. */
  readonly counters = { failed: 0, refused: 0 };

  constructor(options: FailedLoginsOptions) {
    this.#options = options;
    this.#windowMs = options.windowSec * 1000;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#entries = new LRUCache({ maxSize: options.bytesMax, sizeCalculation: () => entryBytes });
  }

  /** Failures that are kept now: addresses, names, and pairs of both. */
  get count(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  /** @returns why nobody is asked about these credentials, if so */
  refusalOf(credentials: Credentials): AuthenticationDecision | undefined {
    const nowMs = this.#nowMs();
    if (nowMs >= this.#limitedUntilMs) return undefined; // nobody is at a limit
    if (this.#isLastKnown(credentials)) return undefined;
    const waitMs = this.#waitMsOf(credentials, nowMs);
    if (waitMs <= 0) return undefined;
    this.counters.refused++;
    return { ...tooManyAttempts, retryAfterSec: Math.ceil(waitMs / 1000) };
  }

  /**
   * These credentials were checked.
   * @param waited for an answer from outside: what is known already costs nothing here while no logins fail
   */
  note(credentials: Credentials, decision: AuthenticationDecision, waited: boolean): void {
    if (decision.outcome === 'accepted') this.#noteGood(credentials, decision.identity, waited);
    else if (decision.outcome === 'refused' && decision.reason === 'bad-credentials')
      this.#noteFailed(credentials);
  }

  #waitMsOf(credentials: Credentials, nowMs: number): number {
    const { perAddressMax, perNameMax } = this.#options;
    const { address } = credentials;
    const name = this.#nameOf(credentials);
    const pairKey = name === undefined ? undefined : this.#pairKeyOf(address, name);
    const pair = pairKey === undefined ? undefined : this.#entries.get(pairKey);
    if (pairKey !== undefined && this.#known.has(pairKey)) return this.#waitMs(pair, perNameMax, nowMs);
    if (this.#known.has(this.#tokenKeyOf(credentials))) return 0;
    const ofAddress = this.#waitMs(this.#entries.get(this.#addressKeyOf(address)), perAddressMax, nowMs);
    if (name === undefined) return ofAddress;
    const ofName = this.#waitMs(this.#entries.get(this.#nameKeyOf(name)), perNameMax, nowMs);
    // The first attempt from somewhere else may be the user's own.
    const untilForgotten = pair === undefined ? 0 : pair.lastMs + this.#windowMs - nowMs;
    return Math.max(ofAddress, Math.min(ofName, untilForgotten));
  }

  #noteGood(credentials: Credentials, identity: Identity, waited: boolean): void {
    if (!waited && this.#nowMs() - this.#lastFailureMs > this.#windowMs) return;
    if (this.#isLastKnown(credentials)) return;
    const { address } = credentials;
    const name = this.#nameOf(credentials);
    // With a token, the user name may be anybody's; and an identity without a name, as of an anonymous client, proves none.
    const { userName } = identity;
    const isName = userName !== undefined && name === `user ${userName}`;
    // A password is known for the name alone that it belongs to.
    if (!isName && !provesToken(credentials, identity)) return;
    this.#lastKnown = { address, login: isName ? name : tokenOf(credentials) };
    if (!isName) return this.#known.add(this.#tokenKeyOf(credentials));
    const pairKey = this.#pairKeyOf(address, name);
    this.#known.add(pairKey);
    this.#entries.delete(pairKey); // it has found the right one
  }

  /** A program that logs in again and again with the same credentials costs no hashes. */
  #isLastKnown(credentials: Credentials): boolean {
    const known = this.#lastKnown;
    if (known === undefined || known.address !== credentials.address) return false;
    return known.login === this.#nameOf(credentials) || known.login === tokenOf(credentials);
  }

  #noteFailed(credentials: Credentials): void {
    const { perAddressMax, perNameMax, onLimit } = this.#options;
    const { address } = credentials;
    const nowMs = this.#nowMs();
    const name = this.#nameOf(credentials);
    const pairKey = name === undefined ? undefined : this.#pairKeyOf(address, name);
    this.counters.failed++;
    this.#lastFailureMs = nowMs;
    this.#lastKnown = undefined;
    this.#known.delete(this.#tokenKeyOf(credentials));
    if (pairKey !== undefined) this.#fail(pairKey, perNameMax, nowMs);
    // Where a user was let in before, a wrong password is more likely its own mistake.
    if (pairKey === undefined || !this.#known.has(pairKey)) {
      if (name !== undefined && this.#fail(this.#nameKeyOf(name), perNameMax, nowMs))
        onLimit?.('name', address);
      if (this.#fail(this.#addressKeyOf(address), perAddressMax, nowMs)) onLimit?.('address', address);
    }
    this.#forgetOld(nowMs);
  }

  /** @returns whether it has reached its limit by this failure */
  #fail(key: string, max: number, nowMs: number): boolean {
    if (max === 0) return false;
    const entry = this.#entries.get(key);
    const before = entry === undefined ? 0 : this.#levelOf(entry, max, nowMs);
    const level = Math.min(before + 1, heldWindowsMax * max);
    const failures = { lastMs: nowMs, level };
    this.#entries.set(key, failures);
    const waitMs = this.#waitMs(failures, max, nowMs);
    if (waitMs <= 0) return false;
    this.#limitedUntilMs = Math.max(this.#limitedUntilMs, nowMs + waitMs);
    return before <= max - 1;
  }

  /** Milliseconds until one more attempt is looked at. */
  #waitMs(entry: Failures | undefined, max: number, nowMs: number): number {
    if (entry === undefined || max === 0) return 0;
    const tooMany = this.#levelOf(entry, max, nowMs) - (max - 1);
    return tooMany <= 0 ? 0 : (tooMany * this.#windowMs) / max;
  }

  #levelOf({ level, lastMs }: Failures, max: number, nowMs: number): number {
    return Math.max(0, level - ((nowMs - lastMs) * max) / this.#windowMs);
  }

  /** Forgets more than a failure adds: long after an attack, only what the last failures have added is left. */
  #forgetOld(nowMs: number): void {
    for (let n = 0; n < forgottenAtOnce; n++) {
      const oldest = this.#entries.rkeys().next().value;
      if (oldest === undefined) return;
      if (nowMs - this.#entries.peek(oldest)!.lastMs <= heldWindowsMax * this.#windowMs) return;
      this.#entries.delete(oldest);
    }
  }

  /** The account that somebody tries to get into. A token names none: it is not guessed by trying one again. */
  #nameOf({ userName, clientId = '', token }: Credentials): string | undefined {
    if (userName !== undefined) return `user ${this.#options.canonicalNameOf?.(userName) ?? userName}`;
    return token !== undefined || clientId === '' ? undefined : `client ${clientId}`;
  }

  #addressKeyOf(address: string): string {
    return this.#keyOf('address', customerOf(address));
  }

  #nameKeyOf(name: string): string {
    return this.#keyOf('name', name);
  }

  #pairKeyOf(address: string, name: string): string {
    return this.#keyOf('pair', `${siteOf(address)} ${name}`);
  }

  /** Passwords of users are never known by themselves: they could be guessed at any speed where a user has come from. */
  #tokenKeyOf(credentials: Credentials): string {
    return this.#keyOf('token', `${siteOf(credentials.address)} ${tokenOf(credentials)}`);
  }

  #keyOf(kind: 'address' | 'name' | 'pair' | 'token', text: string): string {
    return createHmac('sha256', this.#secret).update(`${kind} ${text}`).digest('base64url').slice(0, 22);
  }
}

/** Whether a token has let it in: one that was given as such, a shared one, or a JSON Web Token as the password. */
function provesToken({ token, password }: Credentials, identity: Identity): boolean {
  if (token !== undefined || identity === unrestricted) return true;
  return password !== undefined && /^[\w-]+\.[\w-]+\.[\w-]*$/.test(password.toString('latin1'));
}

function tokenOf({ token, password }: Credentials): string {
  return `token ${token ?? password?.toString('latin1')}`;
}

const tooManyAttempts = {
  outcome: 'refused',
  reason: 'too-many-attempts',
  sentence: 'Too many logins have failed: try again later.',
} as const;
