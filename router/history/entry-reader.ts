import { Message, type Qos } from '../message.js';
import { noExtras, readExtras } from '../message-extras.js';
import type { CellHandle, Cells } from './cells.js';
import type { HistoryReader } from './history-store.js';
import { cellsOf, entry, extrasShift, payloadAt } from './layout.js';

/** Most messages, and bytes of payloads, that are shared until the next tick. */
const sharedMax = 1_000;
const sharedBytesMax = 1024 * 1024;

/**
 * Entries as messages. Readers of the same entry within a tick get the same object. So when a crowd resumes one id,
 * each message is read and encoded once.
 */
export class EntryMessages {
  readonly cells: Cells;
  /** By sequence, which is unique. */
  readonly #shared = new Map<number, Message>();
  #sharedBytes = 0;

  constructor(cells: Cells) {
    this.cells = cells;
  }

  at(at: CellHandle, id: string, offset: number): Message {
    const sequence = this.cells.double(at, entry.sequence);
    const shared = this.#shared.get(sequence);
    if (shared !== undefined) return shared;
    const message = this.#read(at, id, offset);
    const bytes = message.payload.length;
    if (this.#shared.size < sharedMax && this.#sharedBytes + bytes <= sharedBytesMax) {
      this.#shared.set(sequence, message);
      this.#sharedBytes += bytes;
    }
    return message;
  }

  /** Called in each tick. */
  forget(): void {
    this.#shared.clear();
    this.#sharedBytes = 0;
  }

  #read(at: CellHandle, id: string, offset: number): Message {
    const content = Buffer.allocUnsafe(this.cells.word(at, entry.length));
    this.cells.read(at, payloadAt, content);
    const flags = this.cells.word(at, entry.flags);
    const timeMs = this.cells.double(at, entry.timeMs);
    const extrasBytes = flags >>> extrasShift;
    const { publisher, properties } = extrasBytes === 0 ? noExtras : readExtras(content, 0, extrasBytes);
    const payload = extrasBytes === 0 ? content : content.subarray(extrasBytes);
    const [qos, retain] = [(flags & 3) as Qos, (flags & 4) !== 0];
    return new Message(id, payload, timeMs, qos, retain, offset, publisher, properties);
  }
}

/** Entries of one ring, from one of them to the newest. */
export class EntryReader implements HistoryReader {
  readonly #messages: EntryMessages;
  readonly #id: string;
  #at: CellHandle;
  #offset: number;

  /** @param at the first entry, of that offset; 0 = there is none */
  constructor(messages: EntryMessages, id: string, at: CellHandle, offset: number) {
    this.#messages = messages;
    this.#id = id;
    this.#at = at;
    this.#offset = offset;
  }

  get sequence(): number {
    return this.#at === 0 ? Number.POSITIVE_INFINITY : this.#messages.cells.double(this.#at, entry.sequence);
  }

  get bytes(): number {
    if (this.#at === 0) return 0;
    const { cells } = this.#messages;
    return cells.word(this.#at, entry.length) - (cells.word(this.#at, entry.flags) >>> extrasShift);
  }

  take(): Message {
    const { cells } = this.#messages;
    const message = this.#messages.at(this.#at, this.#id, this.#offset++);
    this.#at = cells.skip(this.#at, cellsOf(cells.word(this.#at, entry.length)));
    return message;
  }
}
