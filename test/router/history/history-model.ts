import { type Cursor, History, type HistoryOptions, MemoryHistory, Message } from '../../../router/index.js';
import type { SeededRandom } from '../../seeded-random.js';

/** A message as a plain model remembers it: for ever, with the time at which it was published. */
interface Published {
  id: string;
  offset: number;
  /** Among all ids. */
  order: number;
  text: string;
  atMs: number;
}

/** Somebody who polls the same ids again and again, each time from where the last time ended. */
interface Poller {
  ids: string[];
  cursor: Cursor | undefined;
  /** The place up to which everything was delivered or announced as lost, for each id. */
  offsets: number[];
}

const tickMs = 250;
const ageSlackMs = 2 * tickMs + 200;

/**
 * Random publishes, ticks and polls of a history, against everything that was ever published: what a poller gets is
 * all that it has not had, in order, or a part of that with a loss announced; and nothing is announced that was not.
 */
export class HistoryModel {
  readonly #random: SeededRandom;
  readonly #store: MemoryHistory;
  readonly #history: History;
  readonly #messagesMax: number;
  readonly #ageMs: number;
  readonly #bytesMax: number;
  readonly #ids: string[];
  readonly #published = new Map<string, Published[]>();
  readonly #pollers: Poller[];
  #nowMs = 1_000;
  #order = 0;
  recovered = 0;
  lost = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.#messagesMax = 1 + random.below(20);
    this.#ageMs = 1_000 + 100 * random.below(50);
    this.#bytesMax = random.chance(0.5) ? 1e9 : 5_000 + random.below(100_000);
    const options: HistoryOptions = {
      rules: [{ filter: '#', messages: this.#messagesMax, ageSec: this.#ageMs / 1000 }],
      bytesMax: this.#bytesMax,
    };
    this.#store = new MemoryHistory(options);
    this.#history = new History(this.#store);
    this.#ids = Array.from(
      { length: 1 + random.below(60) },
      (_, n) => `${'x'.repeat(random.below(90))}/${n}`,
    );
    this.#pollers = Array.from({ length: 8 }, () => this.#newPoller());
    this.#store.tick(this.#nowMs);
  }

  /** @returns what went wrong */
  step(): string | undefined {
    const { bytes } = this.#store.stats();
    if (bytes > this.#bytesMax) return `${bytes} bytes are kept, not ${this.#bytesMax}`;
    if (this.#random.chance(0.6)) return this.#publish();
    if (this.#random.chance(0.5)) return this.#poll(this.#random.pick(this.#pollers));
    this.#nowMs += tickMs;
    this.#store.tick(this.#nowMs);
    return undefined;
  }

  #newPoller(): Poller {
    const ids = this.#ids.filter(() => this.#random.chance(0.1)).slice(0, 5);
    return { ids: ids.length === 0 ? [this.#ids[0]!] : ids, cursor: undefined, offsets: [] };
  }

  #publish(): string | undefined {
    const id = this.#random.pick(this.#ids);
    const all = this.#published.get(id) ?? [];
    const size = this.#random.pick([0, 1, 30, 64, 100, 1_000, this.#random.below(6_000)]);
    const text = `${this.#order}:${'y'.repeat(size)}`;
    const offset = this.#store.append(new Message(id, Buffer.from(text), this.#order));
    const last = all.at(-1)?.offset ?? 0;
    if (offset !== last + 1) return `${id} was given ${offset} after ${last}`;
    // Where the clock of ticks stands when it is appended: it may be as much as a tick behind.
    const atMs = this.#nowMs;
    all.push({ id, offset, order: this.#order++, text, atMs });
    this.#published.set(id, all);
    return undefined;
  }

  #poll(poller: Poller): string | undefined {
    const { ids, cursor } = poller;
    const max = 1 + this.#random.below(30);
    const resumed = this.#history.resume(ids, cursor ?? { since: 'now' }, max);
    if (cursor !== undefined) {
      const problem = this.#problemOf(poller, resumed.recovered, resumed.messages, resumed.more, max);
      if (problem !== undefined) return problem;
    } else if (resumed.messages.length > 0) return 'messages without a cursor';
    poller.cursor = { epoch: this.#history.epoch, offsets: resumed.offsets };
    poller.offsets = resumed.offsets;
    return undefined;
  }

  #problemOf(
    poller: Poller,
    recovered: boolean,
    messages: Message[],
    more: boolean,
    max: number,
  ): string | undefined {
    const missed = poller.ids.map((id, n) => this.#behind(id, poller.offsets[n]!));
    const kept = missed.map((all, n) =>
      all.filter(({ offset }) => offset >= this.#store.first(poller.ids[n]!)),
    );
    const bounds = missed.map((all) => this.#problemOfBounds(all)).find((problem) => problem !== undefined);
    if (bounds !== undefined) return bounds;
    const complete = missed.every((all, n) => all.length === kept[n]!.length);
    if (recovered !== complete) return `recovered is ${recovered}`;
    if (recovered) this.recovered++;
    else this.lost++;
    const wanted = kept.flat().sort((one, other) => one.order - other.order);
    if (more !== wanted.length > max) return `more is ${more} for ${wanted.length} of ${max}`;
    return difference(wanted.slice(0, max), messages);
  }

  #behind(id: string, offset: number): Published[] {
    return (this.#published.get(id) ?? []).filter((each) => each.offset > offset);
  }

  /** Messages that must be kept, and that must not. */
  #problemOfBounds(missed: Published[]): string | undefined {
    if (missed.length === 0) return undefined;
    const { id } = missed[0]!;
    const all = this.#published.get(id)!;
    const first = this.#store.first(id);
    for (const { offset, atMs } of all) {
      const outOfCount = all.length - offset >= this.#messagesMax;
      const ageMs = this.#nowMs - atMs;
      const keeps = offset >= first;
      if (keeps && (outOfCount || ageMs > this.#ageMs + ageSlackMs))
        return `${id} ${offset} is kept too long`;
      const mayGo = outOfCount || ageMs >= this.#ageMs || this.#bytesMax < 1e9;
      if (!keeps && !mayGo) return `${id} ${offset} is lost within the bounds`;
    }
    return undefined;
  }
}

function difference(wanted: Published[], messages: Message[]): string | undefined {
  for (const [n, { id, offset, text, order }] of wanted.entries()) {
    const message = messages[n];
    if (message === undefined) return `${id} ${offset} was not given`;
    const same = message.id === id && message.offset === offset && message.timeMs === order;
    if (!same) return `${message.id} ${message.offset} was given in the place of ${id} ${offset}`;
    if (Buffer.from(message.payload).toString() !== text) return `${id} ${offset} has another text`;
  }
  return messages.length > wanted.length ? 'more was given than there is' : undefined;
}
