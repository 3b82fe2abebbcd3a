import type { AuthenticationDecision } from '../access/authenticator.js';
import { type WaitingPlace, WaitingPlaces } from '../access/waiting-places.js';
import { refusals } from './close-reason.js';
import type { Config } from './config.js';
import type { IdentityChanges } from './identity-changes.js';

/** One connection or request that waits for the answer of an authenticator. */
export interface PendingDecision {
  /** Undefined once it is decided or canceled: the promise of the answer may live on, and keeps nothing alive but this. */
  onDecided: ((result: AuthenticationDecision) => void) | undefined;
  readonly place: WaitingPlace;
  readonly deadlineMs: number;
}

/**
 * Connections and requests that wait until an authenticator has answered: a CONNECT, a stream, a poll, a send. Their number
 * and the bytes that are kept for them are bounded, for all and for each address. All have the same time to wait, so the
 * first in the set is due first; the sweeper looks at it, so that none of them needs a timer.
 */
export class PendingDecisions {
  readonly #places: WaitingPlaces;
  readonly #timeoutMs: number;
  readonly #pending = new Set<PendingDecision>();
  readonly #changes: Pick<IdentityChanges, 'isRevokedSince'>;
  /** Since the start. */
  readonly counters = { waited: 0, timedOut: 0, noRoom: 0 };

  constructor(
    {
      authPendingMax,
      authPendingBytesTotalMax,
      authTimeoutMs,
      budgetSharePerAddress,
    }: Pick<
      Config,
      'authPendingMax' | 'authPendingBytesTotalMax' | 'authTimeoutMs' | 'budgetSharePerAddress'
    >,
    changes: Pick<IdentityChanges, 'isRevokedSince'>,
  ) {
    this.#places = new WaitingPlaces({
      max: authPendingMax,
      bytesMax: authPendingBytesTotalMax,
      sharePerAddress: budgetSharePerAddress,
    });
    this.#timeoutMs = authTimeoutMs;
    this.#changes = changes;
  }

  /** Connections and requests that wait now. */
  get count(): number {
    return this.#pending.size;
  }

  /** Bytes that are kept for them now. */
  get bytes(): number {
    return this.#places.bytes;
  }

  /**
   * @param onDecided called once, in a later turn; not at all after `cancel`
   * @param address of the client
   * @param bytes that are kept for it from now on
   * @returns undefined where there is no room: its sentence is in `noRoom`
   */
  hold(
    answer: Promise<AuthenticationDecision>,
    onDecided: (result: AuthenticationDecision) => void,
    address: string,
    bytes = 0,
  ): PendingDecision | undefined {
    const place = this.reserve(address, bytes);
    if (place === undefined) return undefined;
    const pending: PendingDecision = { onDecided, place, deadlineMs: performance.now() + this.#timeoutMs };
    this.#pending.add(pending);
    this.counters.waited++;
    answer.then((result) =>
      this.#decide(pending, this.#isRevoked(pending, result) ? revokedMeanwhile : result),
    );
    return pending;
  }

  /** More has come behind it and is kept. @returns false where there is no room: then cancel it */
  keep(pending: PendingDecision, bytes: number): boolean {
    if (this.#places.takeMore(pending.place, bytes)) return true;
    this.counters.noRoom++;
    return false;
  }

  /** Something else is kept of a client whose credentials are to be checked. @returns undefined where there is no room */
  reserve(address: string, bytes: number): WaitingPlace | undefined {
    const place = this.#places.take(address, bytes);
    if (place === undefined) this.counters.noRoom++;
    return place;
  }

  /** Frees a place that was reserved. Call it once for each place. */
  free(place: WaitingPlace): void {
    this.#places.give(place);
  }

  /** Its client has gone, or has been answered otherwise. A second call does nothing. */
  cancel(pending: PendingDecision): void {
    if (!this.#pending.delete(pending)) return;
    this.#places.give(pending.place);
    pending.onDecided = undefined;
  }

  /** Called in each tick of the sweeper. */
  tick(): void {
    const nowMs = performance.now();
    for (const pending of this.#pending) {
      if (pending.deadlineMs > nowMs) return;
      this.counters.timedOut++;
      this.#decide(pending, tooLate);
    }
  }

  /** The server stops: nobody waits any longer. */
  refuseAll(): void {
    for (const pending of this.#pending) this.#decide(pending, stopping);
  }

  #isRevoked({ deadlineMs }: PendingDecision, result: AuthenticationDecision): boolean {
    if (result.outcome !== 'accepted') return false;
    return this.#changes.isRevokedSince(result.identity.userName, deadlineMs - this.#timeoutMs);
  }

  #decide(pending: PendingDecision, result: AuthenticationDecision): void {
    const { onDecided } = pending;
    this.cancel(pending);
    onDecided?.(result);
  }
}

/** The decision for a client that found no room. */
export const noRoom = {
  outcome: 'unavailable',
  sentence: 'Too many clients are waiting for the check of their credentials: try again later.',
} as const satisfies AuthenticationDecision;

const tooLate: AuthenticationDecision = {
  outcome: 'unavailable',
  sentence: 'Your credentials could not be checked in time: try again later.',
};

/** The decision for a client that was not in yet when its connections were ended: it is checked anew when it comes again. */
export const revokedMeanwhile = {
  outcome: 'unavailable',
  sentence: 'An operator has ended your connections before this one was open: try again.',
} as const satisfies AuthenticationDecision;

const stopping: AuthenticationDecision = {
  outcome: 'unavailable',
  sentence: refusals.stopping.text,
};
