/**
 * Which transport is next. `auto` is SSE until its greeting stays away, then long-poll: as long as polls are
 * answered, it is a proxy that buffers, and not the server that is away. SSE is tried again after 5 minutes, and
 * after twice as long each time that it is still kept back, at most an hour: each try costs up to the greeting's timeout.
 */

export type Transport = 'sse' | 'long-poll';

const retryFirstMs = 300_000;
const retryMaxMs = 3_600_000;

export class TransportChoice {
  readonly #fixed: boolean;
  readonly #nowMs: () => number;
  #current: Transport;
  #retryMs: number;
  #retryAtMs = Number.POSITIVE_INFINITY;
  /** A poll was answered, since SSE was given up. */
  #proven = false;
  readonly #retryFirstMs: number;

  constructor(wanted: 'auto' | Transport, retrySseMs = retryFirstMs, nowMs = () => performance.now()) {
    this.#fixed = wanted !== 'auto';
    this.#current = wanted === 'auto' ? 'sse' : wanted;
    this.#retryFirstMs = retrySseMs;
    this.#retryMs = retrySseMs;
    this.#nowMs = nowMs;
  }

  get current(): Transport {
    return this.#current;
  }

  /** Makes long-poll the current one. */
  greetingMissed(): void {
    if (this.#fixed) return;
    this.#current = 'long-poll';
    this.#proven = false;
  }

  opened(): void {
    if (this.#fixed) return;
    if (this.#current === 'sse') {
      this.#retryMs = this.#retryFirstMs;
    } else if (!this.#proven) {
      this.#proven = true;
      this.#retryAtMs = this.#nowMs() + this.#retryMs;
      this.#retryMs = Math.min(this.#retryMs * 2, Math.max(retryMaxMs, this.#retryFirstMs));
    }
  }

  /** An attempt failed: where polls were never answered, it was no proxy that buffers. */
  failed(): void {
    if (!this.#fixed && this.#current === 'long-poll' && !this.#proven) this.#current = 'sse';
  }

  /** Between two polls: makes SSE the current one again, when it is time. @returns whether it has */
  returnsToSse(): boolean {
    if (this.#fixed || !this.#proven || this.#nowMs() < this.#retryAtMs) return false;
    this.#current = 'sse';
    this.#proven = false;
    return true;
  }
}
