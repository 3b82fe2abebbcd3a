/**
 * Which transport is next.
 *
 *            greeting missed, silence, cut three times in its first seconds
 *     sse ------------------------------------------------------------------> long-poll
 *      ^                                                                        |    |
 *      |   a try of SSE beside the polls was answered                           |    |
 *      +------------------------------------------------------------------------+    |
 *      |   polls are not answered, either: it is the server that is away             |
 *      +-----------------------------------------------------------------------------+
 *
 * The tries run while polls go on, so they delay no message: the first after 1 s where SSE has worked by this route
 * before (a server that stood still, a dead connection), else after 5 s, and each after twice as long, at most 5 minutes.
 */

export type Transport = 'sse' | 'long-poll';

/** After it has been open for so long, an attempt was a good one. */
export const steadyMs = 10_000;
/** What comes later than this after the greeting is a sign that the way lets through what is written. */
export const flowsAfterMs = 250;

const firstTryKnownMs = 1_000;
const firstTryMs = 5_000;
const tryMinMs = 500;
/** Event streams that ended in their first seconds, one after the other, mean a proxy that lets none live. */
const cutShortMax = 3;

export class TransportChoice {
  readonly #fixed: boolean;
  readonly #tryMaxMs: number;
  #current: Transport;
  #tryMs = firstTryMs;
  /** An event stream was open by this route. */
  #known = false;
  #streams = true;
  /** A poll was answered, since SSE was given up. */
  #proven = false;
  #cutShort = 0;
  #proofMs = 0;

  constructor(wanted: 'auto' | Transport, tryMaxMs = 300_000) {
    this.#fixed = wanted !== 'auto';
    this.#current = wanted === 'auto' ? 'sse' : wanted;
    this.#tryMaxMs = tryMaxMs;
  }

  get current(): Transport {
    return this.#current;
  }

  get fixed(): boolean {
    return this.#fixed;
  }

  /** Where a greeting was not enough the last time: how long SSE has to go on before it takes the place of polls. */
  get proofMs(): number {
    return this.#proofMs;
  }

  /** @returns after how long SSE is to be tried beside the polls; Infinity: never */
  nextTryMs(random = Math.random): number {
    if (this.#fixed || !this.#streams || this.#tryMaxMs === Number.POSITIVE_INFINITY)
      return Number.POSITIVE_INFINITY;
    const waitMs = Math.max(tryMinMs, Math.min(this.#tryMs, this.#tryMaxMs));
    this.#tryMs = waitMs * 2;
    return waitMs * (1 + random() / 4);
  }

  /** On the current transport the server answers. */
  opened(): void {
    if (this.#current === 'long-poll') this.#proven = true;
    else if (!this.#known) this.#tryMs = firstTryKnownMs;
    this.#known ||= this.#current === 'sse';
  }

  /** Something has come a while after the event stream began: no proxy keeps it back, or cuts it. */
  lived(): void {
    this.#cutShort = 0;
    this.#proofMs = 0;
    this.#tryMs = firstTryKnownMs;
  }

  greetingMissed(): void {
    this.#giveUp();
  }

  /** Nothing came behind the greeting, or nothing more. */
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

  /** The network is another one: what is known of the way is not known any more. */
  moved(): void {
    this.#known = false;
    this.#tryMs = firstTryKnownMs;
  }

  /** An attempt failed: where polls were never answered, it was no proxy that buffers. */
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
