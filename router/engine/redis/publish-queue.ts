import type { Message } from '../../message.js';
import type { Outcome, Wants } from '../engine.js';
import type { Published } from './message-format.js';

/** Of a message besides id and payload, here and on the connection, bytes. */
const messageOverheadBytes = 200;

/** A message on its way to Redis. */
export interface Waiting extends Published {
  readonly untilMs: number;
  readonly wants: Wants | undefined;
  /** Done with: its bytes are not counted any more. */
  over: boolean;
  onOver?: (() => void)[];
  /** Over, and not known: called when it is. */
  onKnown?: ((carried: Outcome['carried']) => void) | undefined;
}

/** Messages of one call. */
export interface Batch {
  readonly number: number;
  readonly messages: readonly Waiting[];
  /** Redis has said that the batch did nothing; the batch goes in front of later ones that may be repeated as well. */
  didNothing?: boolean;
}

export function bytesOf({ id, bytes }: Message): number {
  return bytes + id.length + messageOverheadBytes;
}

/** Tells the fate of a message that was unknown at its deadline. */
export function known(each: Waiting, carried: Outcome['carried']): void {
  each.onKnown?.(carried);
  each.onKnown = undefined;
}

/** In the order in which they came. What is taken from the head of an array moves the rest: so that is not done each time. */
export class WaitingQueue {
  #waiting: Waiting[] = [];
  #head = 0;

  get length(): number {
    return this.#waiting.length - this.#head;
  }

  at(index: number): Waiting {
    return this.#waiting[this.#head + index]!;
  }

  push(each: Waiting): void {
    this.#waiting.push(each);
  }

  take(count: number): Waiting[] {
    const taken = this.#waiting.slice(this.#head, this.#head + count);
    this.#head += count;
    if (this.#head > this.#waiting.length / 2) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    return taken;
  }

  /** In front of the others. */
  putBack(messages: readonly Waiting[]): void {
    this.#waiting = [...messages, ...this.#waiting.slice(this.#head)];
    this.#head = 0;
  }
}
