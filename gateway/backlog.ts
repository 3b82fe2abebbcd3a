import { messageOf, type Outgoing, ownedBySession } from './connection.js';

/** Reference, queue entry and buffer object of a pending message, besides its payload; keeps empty messages from being free. */
const entryBytes = 64;

/** A message that a session owns is counted there; here it is only referred to. */
export function pendingBytesOf(outgoing: Outgoing): number {
  return ownedBySession(outgoing) ? 0 : messageOf(outgoing)!.payload.length + entryBytes;
}

/**
 * The rest for a backpressured connection: messages in order, and between them, where some were lost,
 * how many. Exists only while the connection is backpressured. The messages are shared, not copied.
 *
 *     head ->  message  message  3  message  <- tail       3 = three were lost here
 */
export class Backlog {
  /** The peer, for the log: when the socket is gone it is too late to ask. */
  readonly address: string;
  #entries: (Outgoing | number)[] = [];
  #head = 0;
  #messages = 0;
  #bytes = 0;
  #progressMs = performance.now();

  constructor(address: string) {
    this.address = address;
  }

  /** Of the messages, see pendingBytesOf. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Those that are lost if the connection ends now. */
  get messages(): number {
    return this.#messages;
  }

  /** How long the socket has taken nothing. */
  get idleMs(): number {
    return performance.now() - this.#progressMs;
  }

  noteProgress(): void {
    this.#progressMs = performance.now();
  }

  get empty(): boolean {
    return this.#head === this.#entries.length;
  }

  push(outgoing: Outgoing): void {
    this.#entries.push(outgoing);
    if (!ownedBySession(outgoing)) this.#messages++;
    this.#bytes += pendingBytesOf(outgoing);
  }

  /** Notes at the tail that a message was lost after those that are kept. */
  noteLostAtTail(): void {
    const tail = this.#entries.at(-1);
    if (!this.empty && typeof tail === 'number') this.#entries[this.#entries.length - 1] = tail + 1;
    else this.#entries.push(1);
  }

  /** Drops the oldest message and notes the loss in its place. @returns its bytes, 0 when there is none that may go */
  dropOldest(): number {
    let at = this.#head;
    let lost = 1;
    for (; typeof this.#entries[at] === 'number'; at++) lost += this.#entries[at] as number;
    const oldest = this.#entries[at] as Outgoing | undefined;
    if (oldest === undefined || ownedBySession(oldest)) return 0;
    // Two losses in a row are one: otherwise each drop would leave an entry.
    const next = this.#entries[at + 1];
    if (typeof next === 'number') {
      lost += next;
      this.#entries[at++] = 0; // or the message would be kept alive by its place
    }
    this.#entries[at] = lost;
    this.#head = at;
    this.#compact();
    return this.#forget(oldest);
  }

  peek(): Outgoing | number | undefined {
    return this.#entries[this.#head];
  }

  /** Takes the head away. @returns its bytes */
  shift(): number {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return 0;
    this.#entries[this.#head++] = 0; // or the message would be kept alive by its place
    const bytes = typeof entry === 'number' ? 0 : this.#forget(entry);
    this.#compact();
    return bytes;
  }

  #forget(outgoing: Outgoing): number {
    const bytes = pendingBytesOf(outgoing);
    if (!ownedBySession(outgoing)) this.#messages--;
    this.#bytes -= bytes;
    return bytes;
  }

  /** Gives the consumed front back once it is most of the array, so that shifting stays cheap and memory bounded. */
  #compact(): void {
    if (this.#head < 1024 || this.#head * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}
