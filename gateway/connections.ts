import type { Connection } from './connection.js';

/** Connection states, a bit each. */
export const backpressured = 1;
/** HTTP: uWS's writable handler is attached. */
export const watchesWritable = 2;
/** HTTP: the last piece has no closing newline yet. */
export const newlineOwed = 4;
/** HTTP: the stream is catching up from history. */
export const catchingUp = 16;
/** HTTP: the poll has If-None-Match, so it gets 304 for an empty answer. */
export const revalidates = 32;
/** HTTP: messages behind the poll's cursor may be missing. */
export const unrecovered = 64;
/** MQTT: the client speaks 3.1, which lets it set DUP where 3.1.1 has fixed flags. */
export const speaksMqtt31 = 8;
/** MQTT: the refusal of a filter was logged; further ones are only counted. */
export const filterRefusalLogged = 128;

/**
 * The open connections, in columns by slot:
 *
 *     slot           0        1        2      …  capacity
 *     slots        Stream     -     Channel
 *     flags          0        0        2         1 B
 *     received      17        0        3         4 B   messages for it so far, including lost ones: its N
 *     told           0     41        -             the same 4 B of a stream that has cursors: see StreamCursors
 *     due         9120        0     9088         4 B   in ticks of the sweeper; 0 = never
 *     freeSlots   a stack of released slots      4 B
 *
 * The columns have the length of the connection limit from the start. Untouched pages of a zeroed allocation take no
 * memory, and no column ever grows.
 */
export class Connections {
  readonly capacity: number;
  readonly slots: (Connection | undefined)[] = [];
  readonly flags: Uint8Array;
  readonly received: Uint32Array;
  readonly told: Uint32Array;
  readonly due: Uint32Array;
  readonly #freeSlots: Uint32Array;
  #free = 0;
  /** Slots below this have been used; the sweeper looks no further. */
  #used = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.flags = new Uint8Array(capacity);
    this.received = new Uint32Array(capacity);
    this.told = this.received;
    this.due = new Uint32Array(capacity);
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

  /** A slot for a new connection. The caller has checked `full`. */
  take(): number {
    if (this.#free > 0) return this.#freeSlots[--this.#free]!;
    if (this.#used >= this.capacity) throw new Error('no slot is free: check `full` first');
    return this.#used++;
  }

  put(connection: Connection): void {
    this.slots[connection.slot] = connection;
  }

  /** Whether the connection still has its slot. It may have closed, and another may have its slot. */
  has(connection: Connection): boolean {
    return this.slots[connection.slot] === connection;
  }

  release(slot: number): void {
    this.slots[slot] = undefined;
    this.flags[slot] = 0;
    this.received[slot] = 0;
    this.due[slot] = 0;
    this.#freeSlots[this.#free++] = slot;
  }
}
