import { later } from './pause.js';
import { inPage } from './settings.js';

/**
 * A browser opens six connections to an origin over HTTP/1.1, and a page needs some for other requests. So the streams
 * and polls of a page get four, and tries of SSE beside polls get one. Others wait in a queue. While some wait, the
 * stream with the longest turn goes to the end of the queue. Outside of pages there is no such limit.
 */

export const slotsMax = 4;
const turnMs = 10_000;

export interface SlotHolder {
  /** Ends its turn. */
  yieldTurn(): void;
}

interface Waiting {
  readonly holder: SlotHolder;
  grant(): void;
}

const byOrigin = new Map<string, Slots>();

export class Slots {
  readonly #holders: SlotHolder[] = [];
  readonly #queue: Waiting[] = [];
  #turn: ReturnType<typeof setTimeout> | undefined;

  static of(origin: string): Slots {
    const known = byOrigin.get(origin) ?? new Slots();
    byOrigin.set(origin, known);
    return known;
  }

  /** @returns undefined when a slot is free; otherwise a promise of one, which also resolves when the signal aborts */
  take(holder: SlotHolder, signal: AbortSignal): Promise<void> | undefined {
    if (this.#queue.length === 0 && this.#takeOf(slotsMax, holder)) return undefined;
    this.#turn ??= later(turnMs, () => this.#passOn());
    return new Promise((resolve) => {
      const waiting = { holder, grant: resolve };
      this.#queue.push(waiting);
      signal.addEventListener('abort', () => {
        const index = this.#queue.indexOf(waiting);
        if (index !== -1) this.#queue.splice(index, 1);
        resolve();
      });
    });
  }

  /** For a short time, without a wait, and past those that wait. */
  tryTake(holder: SlotHolder): boolean {
    return this.#takeOf(slotsMax + 1, holder);
  }

  #takeOf(max: number, holder: SlotHolder): boolean {
    if (inPage && this.#holders.length >= max) return false;
    this.#holders.push(holder);
    return true;
  }

  release(holder: SlotHolder): void {
    const index = this.#holders.indexOf(holder);
    if (index === -1) return;
    this.#holders.splice(index, 1);
    if (this.#holders.length >= slotsMax) return;
    const next = this.#queue.shift();
    if (next === undefined) return;
    this.#holders.push(next.holder);
    next.grant();
  }

  #passOn(): void {
    this.#turn = undefined;
    if (this.#queue.length === 0) return;
    this.#turn = later(turnMs, () => this.#passOn());
    this.#holders[0]?.yieldTurn();
  }
}
