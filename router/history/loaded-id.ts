import type { Message } from '../message.js';
import type { HistoryReader } from './history-store.js';

/** An id whose messages are here for a while, as somebody is resuming it. */
export class LoadedId {
  /** Nothing is missing behind this offset; Infinity while that is not known. */
  floor = Number.POSITIVE_INFINITY;
  /** From here on all that is kept is here; where `floor` is higher, what lies between is gone. */
  searched = Number.POSITIVE_INFINITY;
  messages: Message[] = [];
  /** The last one that was here and had to go. */
  dropped = 0;
  bytes = 0;
  /** Then it goes, unless it is used. */
  untilMs: number;
  /** Resumes that wait for it. */
  users = 0;
  /** The load that was asked for last. */
  loading: { readonly offset: number; readonly untilMs: number; readonly done: Promise<void> } | undefined;

  /** Another one since all that was here had to go: a load that began before ends with a hole. */
  life = 0;

  constructor(untilMs: number) {
    this.untilMs = untilMs;
  }

  /** As if it were held from now on. */
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

/** The messages that a store outside of this process has of an id. */
export interface Loaded {
  /** All that is kept behind `floor`, up to `position`. */
  readonly messages: readonly Message[];
  /** Nothing is missing behind this offset. */
  readonly floor: number;
  /** Messages that are sent to this node go on behind it. */
  readonly position: number;
}
