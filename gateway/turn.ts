import type { Message } from '../router/message.js';
import type { Stream } from './connections.js';

/**
 * Deliveries that may wait for the end of the turn, 12 bytes each; at this many they go out at once, which is
 * correct but dearer: the publisher's own socket may hold the one cork buffer then.
 */
export const turnDeliveriesMax = 262_144;

/**
 * What this turn of the event loop has brought, by stream, in the order of the deliveries. Linked lists in typed
 * arrays, so that a delivery allocates nothing but its place here:
 *
 *     dirty     streamA          streamB
 *     first[A] -> 1 -> 4 -> 5    first[B] -> 2 -> 3        messages[1…5], next[1…5]
 *
 * Index 0 is nobody, so that zeroed columns mean "none".
 */
export class Turn {
  readonly #messages: (Message | undefined)[] = [undefined];
  readonly #next = new Uint32Array(turnDeliveriesMax + 1);
  readonly #first: Uint32Array;
  readonly #last: Uint32Array;
  /** Streams that got something, in the order of their first delivery; some may have gone since. */
  readonly dirty: Stream[] = [];

  constructor(capacity: number) {
    this.#first = new Uint32Array(capacity);
    this.#last = new Uint32Array(capacity);
  }

  /** @returns how many deliveries the turn has now */
  add(stream: Stream, message: Message): number {
    const { slot } = stream;
    const delivery = this.#messages.push(message) - 1;
    this.#next[delivery] = 0;
    if (this.#first[slot] === 0) {
      this.#first[slot] = delivery;
      this.dirty.push(stream);
    } else {
      this.#next[this.#last[slot]!] = delivery;
    }
    this.#last[slot] = delivery;
    return delivery;
  }

  /** Takes the stream's list out of the turn. @returns its first delivery, 0 = none */
  take(slot: number): number {
    const first = this.#first[slot]!;
    this.#first[slot] = 0;
    this.#last[slot] = 0;
    return first;
  }

  message(delivery: number): Message {
    return this.#messages[delivery]!;
  }

  /** The stream's delivery after this one, 0 = none. */
  next(delivery: number): number {
    return this.#next[delivery]!;
  }

  /** How many deliveries the list has from this one on. */
  countFrom(delivery: number): number {
    let count = 0;
    for (let each = delivery; each !== 0; each = this.#next[each]!) count++;
    return count;
  }

  clear(): void {
    this.dirty.length = 0;
    this.#messages.length = 1;
  }
}
