import { type Connection, messageOf, type Outgoing, ownedBySession } from './connection.js';

/**
 * Bytes of a pending message besides its payload: reference, queue entry and buffer object. So empty messages count
 * too.
 */
const entryBytes = 64;

/** The session counts a message that it owns; the backlog only refers to it. */
export function pendingBytesOf(outgoing: Outgoing): number {
  return ownedBySession(outgoing) ? 0 : messageOf(outgoing)!.payload.length + entryBytes;
}

/**
 * Messages that wait for a backpressured connection, in order, with the number of lost messages where some were lost.
 * Exists only while the connection is backpressured. The messages are shared, not copied.
 *
 *     head ->  message  message  3  message  <- tail       3 = three were lost here
 */
export class Backlog {
  /** The peer's address for the log, which a closed socket does not have. */
  readonly address: string;
  /** The socket's other end has this address: it is the peer's, or that of the proxy in front of it. */
  readonly socketAddress: string;
  #entries: (Outgoing | number)[] = [];
  #head = 0;
  #messages = 0;
  #bytes = 0;
  #progressMs = performance.now();

  constructor(address: string, socketAddress = address) {
    this.address = address;
    this.socketAddress = socketAddress;
  }

  static of(connection: Connection): Backlog {
    return new Backlog(connection.remoteAddress(), connection.socketAddress());
  }

  /** Sum over the messages, see pendingBytesOf. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages that are lost if the connection ends now. */
  get messages(): number {
    return this.#messages;
  }

  /** Time since the socket last took something. */
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

  /** Notes that a message was lost behind the kept ones. */
  noteLostAtTail(): void {
    const tail = this.#entries.at(-1);
    if (!this.empty && typeof tail === 'number') this.#entries[this.#entries.length - 1] = tail + 1;
    else this.#entries.push(1);
  }

  /** Drops the oldest message and notes the loss in its place. @returns its bytes; 0 when none may be dropped */
  dropOldest(): number {
    let at = this.#head;
    let lost = 1;
    for (; typeof this.#entries[at] === 'number'; at++) lost += this.#entries[at] as number;
    const oldest = this.#entries[at] as Outgoing | undefined;
    if (oldest === undefined || ownedBySession(oldest)) return 0;
    // Two consecutive losses are one entry; otherwise each drop would leave an entry.
    const next = this.#entries[at + 1];
    if (typeof next === 'number') {
      lost += next;
      this.#entries[at++] = 0; // otherwise the entry would keep the message alive
    }
    this.#entries[at] = lost;
    this.#head = at;
    this.#compact();
    return this.#forget(oldest);
  }

  peek(): Outgoing | number | undefined {
    return this.#entries[this.#head];
  }

  /** Removes the head. @returns its bytes */
  shift(): number {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return 0;
    this.#entries[this.#head++] = 0; // otherwise the entry would keep the message alive
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

  /** Removes the consumed front once it is most of the array, so that shifting stays cheap and memory bounded. */
  #compact(): void {
    if (this.#head < 1024 || this.#head * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}
