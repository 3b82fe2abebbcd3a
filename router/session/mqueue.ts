import type { Message } from '../message.js';
import { type DeliveryOptions, qosIn } from '../subscription-options.js';
import { weightOf } from './weight.js';

/** A waiting message, with the options of its delivery to this session. */
export interface Queued {
  readonly message: Message;
  readonly options: DeliveryOptions;
}

/** Consumed places at the front that are removed at once. */
const spentMin = 32;

/** Messages that wait for room in the inflight window of one session, or for its client; in order. */
export class Mqueue {
  #entries: (Queued | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  /** Messages at QoS 0 among them. */
  #qos0 = 0;

  get size(): number {
    return this.#entries.length - this.#head;
  }

  get qos0(): number {
    return this.#qos0;
  }

  /** See weightOf. */
  get bytes(): number {
    return this.#bytes;
  }

  get head(): Queued | undefined {
    return this.#entries[this.#head];
  }

  push(entry: Queued): void {
    this.#entries.push(entry);
    this.#bytes += weightOf(entry.message);
    if (qosIn(entry.options) === 0) this.#qos0++;
  }

  shift(): Queued | undefined {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return undefined;
    this.#entries[this.#head++] = undefined; // otherwise the place would keep the message alive
    this.#bytes -= weightOf(entry.message);
    if (qosIn(entry.options) === 0) this.#qos0--;
    if (this.#head >= spentMin && this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }
}
