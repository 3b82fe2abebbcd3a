import type { Message } from '../message.js';
import type { HistoryReader } from './history-store.js';

/** An id whose messages are loaded for a while, because a client resumes it. */
export class LoadedId {
  /** Nothing is missing behind this offset; Infinity while unknown. */
  floor = Number.POSITIVE_INFINITY;
  /** All kept messages from here on are loaded. If `floor` is higher, those in between are gone. */
  searched = Number.POSITIVE_INFINITY;
  messages: Message[] = [];
  /** The last message that had to go. */
  dropped = 0;
  bytes = 0;
  /** End of the hold, unless it is used. */
  untilMs: number;
  /** Resumes that wait for it. */
  users = 0;
  /** The last load. */
  loading: { readonly offset: number; readonly untilMs: number; readonly done: Promise<void> } | undefined;

  /** Increased when everything had to go: an earlier load then has a hole. */
  life = 0;

  constructor(untilMs: number) {
    this.untilMs = untilMs;
  }

  /** Begins the hold again. */
  empty(): void {
    this.floor = Number.POSITIVE_INFINITY;
    this.searched = Number.POSITIVE_INFINITY;
    this.messages = [];
    this.dropped = 0;
    this.loading = undefined;
    this.life++;
  }
}

/** Behind an offset, see `HistoryReader`. */
export class LoadedReader implements HistoryReader {
  readonly #messages: readonly Message[];
  #at: number;

  constructor(messages: readonly Message[], at: number) {
    this.#messages = messages;
    this.#at = at;
  }

  get sequence(): number {
    return this.#messages[this.#at]?.offset ?? Number.POSITIVE_INFINITY;
  }

  get bytes(): number {
    return this.#messages[this.#at]?.payload.length ?? 0;
  }

  take(): Message {
    return this.#messages[this.#at++]!;
  }
}

/** The messages of an id in an external store. */
export interface Loaded {
  /** All kept messages behind `floor`, up to `position`. */
  readonly messages: readonly Message[];
  /** Nothing is missing behind this offset. */
  readonly floor: number;
  /** Messages that this node receives continue behind it. */
  readonly position: number;
}
