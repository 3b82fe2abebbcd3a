import { setImmediate as nextTurn } from 'node:timers/promises';
import type { HistoryRules } from '../../history/history-rules.js';
import type { Message } from '../../message.js';
import type { OnPublication } from '../engine.js';
import { type Counts, countsWord } from './counts.js';
import { type Copy, decodedMessage, readCopy } from './message-format.js';
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
  /** Held while messages that were missed are read, bytes; past it, those are read, too. */
  readonly heldBytesMax: number;
  readonly onPublication: OnPublication;
  /** No subscriber is to get it by this: it is kept. */
  readonly onRetained: (message: Message) => void;
  /** Words of other nodes, besides counts. */
  readonly onWord: (payload: Buffer) => void;
}

/** A copy, or a word of another node, that waits for what came before it. */
interface HeldCopy {
  readonly copy?: Copy;
  readonly retainOnly?: boolean;
  readonly word?: Buffer;
}

/** Besides its payload. */
const heldBytesEach = 300;
/** Handed out in one turn of the loop. */
const turnMessages = 500;

/**
 * Messages of a shard on their way to own subscribers. Copies of a message come one behind the other and carry its
 * place, so the first is handed out, and of the others only their count is answered.
 *
 * From when the connection is lost, what comes on the next one is held, until what was missed has been handed out.
 */
export class Receiver {
  readonly #parts: ReceiverParts;
  readonly #kindAt: number;
  #held: HeldCopy[] | undefined;
  #heldBytes = 0;
  heldSinceMs = 0;
  /** More has come than is held: none of it is. */
  overflowed = false;
  /** Held, and let go: of ids without history, that was lost. */
  lost = 0;
  /** Of ids of which something was missed: up to there that has been handed out. */
  readonly #progress = new Map<string, number>();
  /** How many took a message that was missed; its copies may be held. */
  readonly #taken = new Map<number, number>();
  /** Handed out to own subscribers. */
  received = 0;
  /** On our channels, and not of our making. */
  unreadable = 0;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
    this.#kindAt = parts.name.length + 1;
    parts.shard.subscribed.onCopy = (channel, payload) => this.#receive(channel, payload);
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
    else if (this.#held === undefined) this.#parts.onWord(payload);
    else this.#hold({ word: Buffer.from(payload) }, payload.length);
  }

  /** From now on what comes is held. */
  hold(): void {
    if (this.#held === undefined) this.heldSinceMs = performance.now();
    this.#held ??= [];
    this.overflowed = false;
  }

  /** Up to here it has been handed out what an id has missed; 0 = nothing was. */
  progressOf(id: string): number {
    return this.#progress.size === 0 ? 0 : (this.#progress.get(id) ?? 0);
  }

  /** One that was missed, of an id with history. */
  handOutMissed(message: Message): void {
    if (message.offset <= this.progressOf(message.id)) return;
    this.#progress.set(message.id, message.offset);
    this.received++;
    const taken = this.#parts.onPublication(message);
    if (this.#held !== undefined && this.#held.length > 0) this.#taken.set(message.offset, taken);
  }

  /** All up to a place has been read, and handed out: what is held goes, and then what comes. */
  async drain(place: number, isCurrent: () => boolean): Promise<void> {
    const { subscribed } = this.#parts.shard;
    while (this.#held!.length > 0) {
      for (const held of this.#held!.splice(0, turnMessages)) this.#letGo(held);
      await nextTurn();
      if (!isCurrent()) throw new Error('the connection has ended');
    }
    subscribed.position = Math.max(subscribed.position, place);
    this.#heldBytes = 0;
    if (this.overflowed) return;
    this.#held = undefined;
    this.#progress.clear();
    this.#taken.clear();
  }

  #hold(held: HeldCopy, bytes: number): void {
    if (this.overflowed) return this.#noteLost(held);
    this.#held!.push(held);
    this.#heldBytes += bytes + heldBytesEach;
    if (this.#heldBytes <= this.#parts.heldBytesMax) return;
    this.overflowed = true;
    for (const one of this.#held!.splice(0)) this.#noteLost(one);
    this.#heldBytes = 0;
  }

  #noteLost({ copy }: HeldCopy): void {
    if (copy !== undefined && !this.#hasPlace(copy)) this.lost++;
  }

  #letGo({ copy, retainOnly, word }: HeldCopy): void {
    if (word !== undefined) this.#parts.onWord(word);
    else this.#handle(copy!, retainOnly === true);
  }

  #copy(copy: Copy | undefined, retainOnly: boolean): void {
    const { clock, subscribed } = this.#parts.shard;
    if (copy === undefined || !clock.mayHaveGiven(copy.place, subscribed.position)) {
      this.unreadable++;
      if (copy !== undefined) subscribed.doubt(copy.place);
      return;
    }
    if (this.#held === undefined) return this.#handle(copy, retainOnly);
    const own = { ...copy, payload: Buffer.from(copy.payload) };
    this.#hold({ copy: own, retainOnly }, copy.payload.length + copy.id.length);
  }

  #handle(copy: Copy, retainOnly: boolean): void {
    const { shard, counts } = this.#parts;
    const { subscribed } = shard;
    let taken = 0;
    if (copy.place > subscribed.position) {
      subscribed.position = copy.place;
      if (copy.place > this.progressOf(copy.id)) taken = this.#handOut(copy, retainOnly);
      else taken = this.#taken.get(copy.place) ?? 0; // it has been read
    }
    if (copy.run === undefined || retainOnly) return;
    if (copy.run === shard.parts.run) counts.note(copy.number, 1, taken);
    else counts.took(copy.run, copy.number, taken);
  }

  #handOut(copy: Copy, retainOnly: boolean): number {
    const { onPublication, onRetained } = this.#parts;
    const message = decodedMessage(copy, this.#hasPlace(copy) ? copy.place : 0);
    if (retainOnly) {
      onRetained(message);
      return 0;
    }
    this.received++;
    return onPublication(message);
  }

  /** Whether a message has a place in the history of its id: one about another id has none. */
  #hasPlace({ id, properties }: Copy): boolean {
    return properties?.about === undefined && this.#parts.rules.of(id) !== -1;
  }
}
