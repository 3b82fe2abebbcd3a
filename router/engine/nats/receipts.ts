import type { OnOutcome } from '../engine.js';
import { type Behind, noStream } from './behind.js';

interface Waited {
  delivered: number;
  /** Absent until it is asked for. */
  onOutcome: OnOutcome | undefined;
  /** That it went by; or none. */
  stream: string;
  /** Until then nodes that have not handed it out yet are asked again; 0 = it has not been asked for. */
  untilMs: number;
  /** Nodes that went while it was to be asked for again. */
  gone: number;
}

/** What one question is about. */
export interface Asked {
  readonly numbers: readonly number[];
  /** That these went by. */
  readonly streams: readonly string[];
}

/** How a question has ended. */
export interface Outcome {
  /** Nodes that did not answer. */
  readonly unanswered: number;
  /** Nodes that answered and have more to tell. */
  readonly behind: Behind;
  /** Whether nodes can be asked again. */
  readonly mayAskAgain: boolean;
  readonly nowMs: number;
}

/**
 * At the publisher: sends that are to be counted. A node tells of all that it has handed out when it is asked, and that
 * may be more than the question is about, where a message has come to it by way of a stream before the publisher heard
 * that it is stored; so a count is taken for every send that is still waited for, whichever question brought it:
 *
 *     expect 7, expect 8 ── 7 is stored: open 7, ask ── [7: 2, 8: 1] ── 8 is stored: open 8, ask ── [] ── 8: 1
 */
export class Receipts {
  /** Expected, open or asked for. As many as acknowledgements are waited for, and the sends of one wait for counts. */
  readonly #waited = new Map<number, Waited>();
  #open: number[] = [];
  /** Some node has not handed them out yet. */
  #again: number[] = [];

  /** None is to be asked for. */
  get isEmpty(): boolean {
    return this.#open.length === 0;
  }

  /** It has been sent, and it is not known yet whether it is to be asked for. */
  expect(number: number): void {
    this.#waited.set(number, { delivered: 0, onOutcome: undefined, stream: noStream, untilMs: 0, gone: 0 });
  }

  /** What was expected will not be asked for. */
  forget(number: number): void {
    this.#waited.delete(number);
  }

  /** @param delivered here, and counted already */
  open(number: number, delivered: number, onOutcome: OnOutcome, stream = noStream): void {
    const counted = this.#waited.get(number)?.delivered ?? 0;
    this.#waited.set(number, { delivered: delivered + counted, onOutcome, stream, untilMs: 0, gone: 0 });
    this.#open.push(number);
  }

  /** All that is open, to be asked for now; what is opened from now on belongs to the next question. */
  close(untilMs: number): Asked {
    const numbers = this.#open;
    this.#open = [];
    const streams = new Set<string>();
    for (const number of numbers) {
      const waited = this.#waited.get(number)!;
      if (waited.untilMs === 0) waited.untilMs = untilMs;
      if (waited.stream !== noStream) streams.add(waited.stream);
    }
    return { numbers, streams: [...streams] };
  }

  /** So many took it on some node. What is not waited for is left out. */
  add(number: number, count: number): void {
    const waited = this.#waited.get(number);
    if (waited !== undefined) waited.delivered += count;
  }

  /** @returns whether some are to be asked for again */
  settle({ numbers }: Asked, { unanswered, behind, mayAskAgain, nowMs }: Outcome): boolean {
    for (const number of numbers) {
      const { delivered, onOutcome, stream, untilMs, gone } = this.#waited.get(number)!;
      const nodesBehind = behind.with(stream);
      if (nodesBehind > 0 && mayAskAgain && nowMs < untilMs) {
        this.#again.push(number);
        continue;
      }
      this.#waited.delete(number);
      onOutcome!({ delivered, unanswered: unanswered + nodesBehind + gone, carried: 'yes' });
    }
    return this.#again.length > 0;
  }

  /** A node has gone: what is to be asked for again may have been with that one, and no question says so. */
  noteGone(): void {
    for (const number of [...this.#again, ...this.#open]) {
      const waited = this.#waited.get(number)!;
      if (waited.untilMs > 0) waited.gone++;
    }
  }

  /** What is to be asked for again is open again. */
  reopen(): void {
    this.#open = this.#open.concat(this.#again);
    this.#again = [];
  }
}
