import type { HistoryStream } from './history-stream.js';

/** How often the stream is looked after: one that was deleted is made anew, and that is told. */
const lookMs = 1_000;
/** So many looks in a row that nobody answered, and it is taken for away; a busy server misses one. */
const silentLooksMax = 3;
/**
 * How often a mark is sent when nobody asks, so that the position of a quiet node is fresh; and four times in the age of
 * messages, or it would be taken for one that has missed what is gone.
 */
const restMsMax = 10_000;

export interface StreamWatchEvents {
  /** Whether there is anything to look after now. */
  isDue(): boolean;
  onRest(): void;
  /** @param createdMs of the stream; undefined = it is gone */
  onLook(createdMs: number | undefined): void;
  /** It has not answered for a while. */
  onSilent(): void;
}

/** Looks after a stream: one that was deleted, or does not answer, is noticed, though nothing is published. */
export class StreamWatch {
  readonly #stream: HistoryStream;
  readonly #events: StreamWatchEvents;
  #timer: NodeJS.Timeout | undefined;
  #restedMs = Number.NEGATIVE_INFINITY;
  #looking = false;
  #silentLooks = 0;

  constructor(stream: HistoryStream, events: StreamWatchEvents) {
    this.#stream = stream;
    this.#events = events;
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), lookMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#looking || !this.#events.isDue()) return;
    this.#looking = true;
    const nowMs = performance.now();
    if (nowMs - this.#restedMs > Math.min(restMsMax, this.#stream.rule.ageSec * 250)) {
      this.#restedMs = nowMs;
      this.#events.onRest();
    }
    const state = await this.#stream.find().catch(() => 'silent' as const);
    this.#looking = false;
    this.#silentLooks = state === 'silent' ? this.#silentLooks + 1 : 0;
    if (state !== 'silent') this.#events.onLook(state?.createdMs);
    else if (this.#silentLooks >= silentLooksMax) this.#events.onSilent();
  }
}
