/**
 * Chooses the transport of the next attempt.
 *
 *            greeting missed, silence, three streams cut in their first seconds
 *     sse ------------------------------------------------------------------> long-poll
 *      ^                                                                        |    |
 *      |   a try of SSE beside the polls was answered                           |    |
 *      +------------------------------------------------------------------------+    |
 *      |   polls get no answer either: the server is away                            |
 *      +-----------------------------------------------------------------------------+
 *
 * Tries run beside the polls, so they delay no message. The first comes after 1 s if SSE has worked on this network
 * before, otherwise after 5 s. Each later one comes after twice as long, at most 5 minutes.
 */

export type ClientTransport = 'sse' | 'long-poll';

/** An attempt that was open for this long was a success. */
export const steadyMs = 10_000;
/** Bytes that arrive this long after the greeting show that no proxy buffers. */
export const flowsAfterMs = 250;

const firstTryKnownMs = 1_000;
const firstTryMs = 5_000;
const tryMinMs = 500;
/** So many consecutive event streams that end in their first seconds show a proxy that cuts streams. */
const cutShortMax = 3;

export class TransportChoice {
  readonly #fixed: boolean;
  readonly #tryMaxMs: number;
  #current: ClientTransport;
  #tryMs = firstTryMs;
  /** An event stream has worked on this network. */
  #known = false;
  #streams = true;
  /** A poll was answered since SSE was given up. */
  #proven = false;
  #cutShort = 0;
  #proofMs = 0;

  constructor(wanted: 'auto' | ClientTransport, tryMaxMs = 300_000) {
    this.#fixed = wanted !== 'auto';
    this.#current = wanted === 'auto' ? 'sse' : wanted;
    this.#tryMaxMs = tryMaxMs;
  }

  get current(): ClientTransport {
    return this.#current;
  }

  get fixed(): boolean {
    return this.#fixed;
  }

  /** How long a try of SSE must last before it replaces polls. Not 0 after a greeting alone was no proof. */
  get proofMs(): number {
    return this.#proofMs;
  }

  /** @returns time until the next try of SSE beside the polls; Infinity = never */
  nextTryMs(random = Math.random): number {
    if (this.#fixed || !this.#streams || this.#tryMaxMs === Number.POSITIVE_INFINITY)
      return Number.POSITIVE_INFINITY;
    const waitMs = Math.max(tryMinMs, Math.min(this.#tryMs, this.#tryMaxMs));
    this.#tryMs = waitMs * 2;
    return waitMs * (1 + random() / 4);
  }

  /** The server answers on the current transport. */
  opened(): void {
    if (this.#current === 'long-poll') this.#proven = true;
    else if (!this.#known) this.#tryMs = firstTryKnownMs;
    this.#known ||= this.#current === 'sse';
  }

  /** Bytes arrived a while after the greeting: no proxy buffers or cuts the stream. */
  lived(): void {
    this.#cutShort = 0;
    this.#proofMs = 0;
    this.#tryMs = firstTryKnownMs;
  }

  greetingMissed(): void {
    this.#giveUp();
  }

  /** Nothing arrived after the greeting, or nothing more. */
  silent(): void {
    if (this.#current !== 'sse') return;
    this.#proofMs = Math.max(this.#proofMs, flowsAfterMs);
    this.#giveUp();
  }

  /** The event stream ended soon after it had begun. */
  cutShort(): void {
    if (this.#current !== 'sse' || ++this.#cutShort < cutShortMax) return;
    this.#proofMs = steadyMs;
    this.#giveUp();
  }

  /** This fetch cannot read event streams at all. */
  cannotStream(): void {
    this.#streams = false;
    this.#giveUp();
  }

  /** A try of SSE was answered. */
  returned(): void {
    this.#current = 'sse';
  }

  /** The network has changed: forgets what is known about it. */
  moved(): void {
    this.#known = false;
    this.#tryMs = firstTryKnownMs;
  }

  /** An attempt failed. If polls were never answered, no proxy buffers: back to SSE. */
  failed(): void {
    if (this.#streams && this.#current === 'long-poll' && !this.#fixed && !this.#proven)
      this.#current = 'sse';
  }

  #giveUp(): void {
    if (this.#fixed) return;
    this.#current = 'long-poll';
    this.#proven = false;
    this.#cutShort = 0;
  }
}
