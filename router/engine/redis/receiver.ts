import type { HistoryRules } from '../../history/history-rules.js';
import type { OnPublication, OnRetained } from '../engine.js';
import { type Counts, countsWord } from './counts.js';
import { type Copy, messageOf, readCopy } from './message-format.js';
import type { Shard } from './shard.js';

const idWord = 0x69; // i
const filterWord = 0x66; // f
const retainedWord = 0x72; // r
const nodeWord = 0x6e; // n

export interface ReceiverParts {
  readonly shard: Shard;
  readonly counts: Counts;
  /** Of the cluster. */
  readonly name: string;
  readonly rules: HistoryRules;
  readonly onPublication: OnPublication;
  readonly onRetained: OnRetained;
  /** What other nodes say, besides counts. */
  readonly onWord: (payload: Buffer) => void;
}

/**
 * What a shard publishes, on its way to own subscribers. Copies of a message come one behind the other and carry its
 * place, so the first is handed out, and of the others only their count is answered.
 */
export class Receiver {
  readonly #parts: ReceiverParts;
  readonly #kindAt: number;
  /** Handed out to own subscribers. */
  received = 0;
  /** On our channels, and not of our making. */
  unreadable = 0;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
    this.#kindAt = parts.name.length + 1;
    parts.shard.onCopy = (channel, payload) => this.#receive(channel, payload);
  }

  #receive(channel: Buffer, payload: Buffer): void {
    const kind = channel[this.#kindAt];
    if (kind === idWord) this.#copy(readCopy(payload, channel.toString('utf8', this.#kindAt + 2)), false);
    else if (kind === filterWord) this.#copy(readCopy(payload, undefined), false);
    else if (kind === retainedWord) this.#copy(readCopy(payload, undefined), true);
    else if (kind === nodeWord) this.#hear(payload);
  }

  #hear(payload: Buffer): void {
    if (payload[0] === countsWord) this.#parts.counts.hear(payload);
    else this.#parts.onWord(payload);
  }

  #copy(copy: Copy | undefined, retainOnly: boolean): void {
    if (copy === undefined || !this.#isPlausible(copy.place)) {
      this.unreadable++;
      return;
    }
    const { shard, counts } = this.#parts;
    let taken = 0;
    if (copy.place > shard.position) {
      shard.position = copy.place;
      taken = this.#handOut(copy, retainOnly);
    }
    if (copy.run === undefined || retainOnly) return;
    if (copy.run === shard.parts.run) counts.note(copy.number, 1, taken);
    else counts.took(copy.run, copy.number, taken);
  }

  #handOut(copy: Copy, retainOnly: boolean): number {
    const { rules, onPublication, onRetained } = this.#parts;
    const message = messageOf(copy, rules.of(copy.id) === -1 ? 0 : copy.place);
    if (retainOnly) {
      onRetained(message);
      return 0;
    }
    this.received++;
    return onPublication(message);
  }

  /** A place far ahead of the server's clock is none: all that comes behind it would be taken for old. */
  #isPlausible(place: number): boolean {
    return place < (this.#parts.shard.redisNowMs() + aheadMsMax) * 1_000;
  }
}

/** Places run ahead where the server's clock was set back. */
const aheadMsMax = 366 * 24 * 3_600_000;
