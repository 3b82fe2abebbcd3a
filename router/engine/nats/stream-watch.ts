import type { HistoryStream } from './history-stream.js';

/**
 * At most so often a mark is sent and the stream looked after, so that the position of a quiet node is fresh; and twenty
 * times in the age of messages, or it would be taken for one that has missed what is gone.
 */
const restMsMax = 10_000;
const restMsMin = 250;
/** So many looks in a row that nobody answered, and it is taken for away; a busy server misses one. */
const silentLooksMax = 3;

/** What it has to know of who follows the stream. */
export interface Follower {
  createdMs(): number;
  /** It follows, and NATS is there. Else nothing is to be found out. */
  follows(): boolean;
  /** Sends a mark, and waits for it. */
  pass(): Promise<unknown>;
  /** The stream is gone, made anew, or does not answer. */
  onOther(): void;
}

/** Looks after the stream that a node follows: whether it is there, and still the same. */
export class StreamWatch {
  readonly #stream: HistoryStream;
  readonly #follower: Follower;
  #rest: NodeJS.Timeout | undefined;
  #silentLooks = 0;

  constructor(stream: HistoryStream, follower: Follower) {
    this.#stream = stream;
    this.#follower = follower;
  }

  start(): void {
    const { ageSec } = this.#stream.rule;
    const restMs = Math.min(restMsMax, Math.max(restMsMin, (ageSec * 1000) / 20));
    this.#rest = setInterval(() => this.#look(), restMs);
  }

  stop(): void {
    clearInterval(this.#rest);
  }

  async compare(): Promise<void> {
    const state = await this.#stream.find().catch(() => 'silent' as const);
    this.#silentLooks = state === 'silent' ? this.#silentLooks + 1 : 0;
    const isSame = state !== 'silent' && state?.createdMs === this.#follower.createdMs();
    if (isSame || (state === 'silent' && this.#silentLooks < silentLooksMax)) return;
    if (this.#follower.follows()) this.#follower.onOther();
  }

  /**
   * A mark is not back in time: all is slow, or the stream is not as it should be. Where the stream answers sooner than
   * the mark is back, it is the stream. To doubt where all is slow would make it slower: 27 nodes on two full cores, each
   * catching up again and again, fell behind for longer than messages are kept.
   */
  async missMark(isBack: () => boolean): Promise<void> {
    const state = await this.#stream.find().catch(() => undefined);
    if (state === undefined || isBack()) return;
    if (this.#follower.follows()) this.#follower.onOther();
  }

  /** A stream that was deleted, or does not answer, is noticed, though nothing is published. */
  async #look(): Promise<void> {
    if (!this.#follower.follows()) return;
    await this.#follower.pass();
    await this.compare();
  }
}
