import type { Message } from './message.js';

/** Runs one delivery after the other: a message that is published inside a `deliver` is delivered behind the current one. */
export class DeliveryOrder {
  readonly #handOut: (message: Message) => number;
  #busy = false;
  /** Messages published inside a `deliver`: wills of connections that were cut there, so at most one for each. */
  readonly #waiting: Message[] = [];

  /** @param handOut delivers a message to its subscribers, and says how many took it */
  constructor(handOut: (message: Message) => number) {
    this.#handOut = handOut;
  }

  /** Whether a delivery is under way. */
  get busy(): boolean {
    return this.#busy;
  }

  /** @returns how many took it; 0 where it waits */
  deliver(message: Message): number {
    if (this.#busy) {
      this.#waiting.push(message);
      return 0;
    }
    this.#busy = true;
    try {
      const taken = this.#handOut(message);
      this.#deliverWaiting();
      return taken;
    } finally {
      this.#end();
    }
  }

  /** Runs deliveries of another kind. Call it while this is not busy. */
  exclusively(deliver: () => void): void {
    this.#busy = true;
    try {
      deliver();
      this.#deliverWaiting();
    } finally {
      this.#end();
    }
  }

  #deliverWaiting(): void {
    for (let i = 0; i < this.#waiting.length; i++) this.#handOut(this.#waiting[i]!);
  }

  #end(): void {
    this.#busy = false;
    if (this.#waiting.length > 0) this.#waiting.length = 0;
  }
}
