import type { HttpResponse } from 'uWebSockets.js';
import { Subscriber } from '../router/subscriber.js';
import type { Transport } from './http/transport.js';

/**
 * One open stream, as the router sees it (a subscriber) and as the gateway does (a slot).
 *
 * What all streams of a transport share is on the class's prototype (see Outbound.streamClass), and what is
 * a small number is in the columns below: a field here costs 8 bytes a connection.
 */
export abstract class Stream extends Subscriber {
  readonly slot: number;
  /** Invalid once the stream is released: uWS frees it with the socket. */
  readonly response: HttpResponse;
  /**
   * One handler for both of uWS's events, bound to this stream: aborted has no argument, writable has an offset.
   * Kept for the second, which is attached later; a function of its own for that would be 72 bytes.
   */
  onEvent: StreamEvent = ignoreEvent;

  constructor(slot: number, response: HttpResponse) {
    super();
    this.slot = slot;
    this.response = response;
  }

  abstract get transport(): Transport;
}

export type StreamEvent = (writeOffset?: number) => boolean;

function ignoreEvent(): boolean {
  return true;
}

/** Stream states, a bit each. */
export const backpressured = 1;
export const watchesWritable = 2;

/**
 * The open streams, in columns by slot:
 *
 *     slot             0        1        2      …  capacity
 *     streams        Stream     -     Stream
 *     flags            0        0        2         1 B
 *     received        17        0        3         4 B   messages written to this stream: its N
 *     heartbeatDue  9120        0     9088         4 B   in ticks of the sweeper; 0 = none
 *     freeSlots     a stack of released slots      4 B
 *
 * The columns are as long as the limit of connections from the start: untouched pages of a zeroed
 * allocation cost no memory, and nothing ever has to grow or be copied.
 */
export class Connections {
  readonly capacity: number;
  readonly streams: (Stream | undefined)[] = [];
  readonly flags: Uint8Array;
  readonly received: Uint32Array;
  readonly heartbeatDue: Uint32Array;
  readonly #freeSlots: Uint32Array;
  #free = 0;
  /** Slots below this have been used; the sweeper looks no further. */
  #used = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.flags = new Uint8Array(capacity);
    this.received = new Uint32Array(capacity);
    this.heartbeatDue = new Uint32Array(capacity);
    this.#freeSlots = new Uint32Array(capacity);
  }

  get open(): number {
    return this.#used - this.#free;
  }

  get used(): number {
    return this.#used;
  }

  get full(): boolean {
    return this.open >= this.capacity;
  }

  /** A slot for a new stream. The caller has made sure that there is one (`full`). */
  take(): number {
    if (this.#free > 0) return this.#freeSlots[--this.#free]!;
    if (this.#used >= this.capacity) throw new Error('no slot is free: check `full` first');
    return this.#used++;
  }

  put(stream: Stream): void {
    this.streams[stream.slot] = stream;
  }

  release(slot: number): void {
    this.streams[slot] = undefined;
    this.flags[slot] = 0;
    this.received[slot] = 0;
    this.heartbeatDue[slot] = 0;
    this.#freeSlots[this.#free++] = slot;
  }
}
