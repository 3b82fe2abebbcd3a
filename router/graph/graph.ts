import { assertId, InvalidArgumentError } from '../arguments.js';
import { EdgeLists } from './edge-lists.js';
import { type GraphLimits, graphLimits } from './graph-limits.js';
import { IdNumbers } from './id-numbers.js';
import { numberHash } from './number-set.js';

/** An edge: the first id follows the second one. */
export type Edge = readonly [subscriber: string, subscribee: string];

/** The result of one change. The last three changed nothing, as a limit or a rule does not allow it. */
export type EdgeOutcome = 'changed' | 'unchanged' | 'self' | 'full' | 'too-many-subscriptions';

export const edgeProblemText: Record<Exclude<EdgeOutcome, 'changed' | 'unchanged'>, string> = {
  self: 'An id cannot follow itself: it gets what is sent to it anyway.',
  full: 'The graph has no room for more.',
  'too-many-subscriptions': 'This id follows as many others as one id may.',
};

/** A page of a list of ids. */
export interface IdPage {
  /** Length of the whole list. */
  readonly count: number;
  readonly ids: string[];
  /** The `after` of the next page; undefined on the last one. */
  readonly next: number | undefined;
}

/** Keeps a graph on disk, see GraphStore. */
export interface GraphKeeper {
  /** The id with this number, or its list of subscriptions, has changed, or the number is free. */
  changed(number: number): void;
  /** Resolves when all changes so far are on disk. @throws StoreError */
  stored(): Promise<void>;
  close(): Promise<void>;
}

/** Most numbers that are turned into ids at once, 0.3 us each. */
export const idPageMax = 10_000;

/** A subscriber whom the caller may not see costs up to 0.6 µs with 20 rules, and they are looked at in one turn. */
const lookedMax = 5_000;

/**
 * The friends graph: edges `subscriber -> subscribee` between ids, both ways, outside of V8's heap. 15 million edges of
 * a million users take 192 MB.
 *
 * Each change is in effect when the call returns, and on disk, where there is a keeper, when `stored` resolves.
 */
export class Graph {
  readonly limits: GraphLimits;
  readonly numbers = new IdNumbers();
  readonly subscriptions = new EdgeLists();
  readonly subscribers = new EdgeLists();
  /** Set by the store that keeps it. @internal */
  keeper: GraphKeeper | undefined;
  edges = 0;

  /** @throws RangeError for a limit that is not a whole number */
  constructor(limits: Partial<GraphLimits> = {}) {
    this.limits = graphLimits(limits);
  }

  /** Ids with at least one edge. */
  get ids(): number {
    return this.numbers.count;
  }

  get bytes(): number {
    return this.numbers.bytes + this.subscriptions.bytes + this.subscribers.bytes;
  }

  /** @param subscriber, subscribee valid ids */
  add(subscriber: string, subscribee: string): EdgeOutcome {
    if (subscriber === subscribee) return 'self';
    let from = this.numbers.numberOf(subscriber);
    let to = this.numbers.numberOf(subscribee);
    if (from !== 0 && to !== 0 && this.#hasEdge(from, to)) return 'unchanged';
    if (this.subscriptions.count(from) >= this.limits.subscriptionsMax) return 'too-many-subscriptions';
    if (this.bytes >= this.limits.bytesMax) return 'full';
    if (from === 0) from = this.numbers.add(subscriber);
    if (to === 0) {
      to = this.numbers.add(subscribee);
      this.keeper?.changed(to);
    }
    this.subscriptions.add(from, to);
    this.subscribers.add(to, from);
    this.edges++;
    this.keeper?.changed(from);
    return 'changed';
  }

  remove(subscriber: string, subscribee: string): EdgeOutcome {
    const from = this.numbers.numberOf(subscriber);
    const to = this.numbers.numberOf(subscribee);
    if (from === 0 || to === 0 || !this.#hasEdge(from, to)) return 'unchanged';
    this.subscriptions.remove(from, to);
    this.subscribers.remove(to, from);
    this.edges--;
    this.#release(from);
    this.#release(to);
    this.keeper?.changed(from);
    return 'changed';
  }

  has(subscriber: string, subscribee: string): boolean {
    const from = this.numbers.numberOf(subscriber);
    const to = this.numbers.numberOf(subscribee);
    return from !== 0 && to !== 0 && this.#hasEdge(from, to);
  }

  /**
   * Edges that exist already, and edges of an id to itself, change nothing. Many take long: 1 us each.
   * @returns how many were added, when they are on disk
   * @throws InvalidIdError, before anything is added; RangeError at a limit, where those before it are added
   */
  addSubscriptions(edges: Iterable<Edge>): Promise<number> {
    return this.#changeAll(edges, (subscriber, subscribee) => this.add(subscriber, subscribee));
  }

  /** @returns how many were removed, when that is on disk */
  removeSubscriptions(edges: Iterable<Edge>): Promise<number> {
    return this.#changeAll(edges, (subscriber, subscribee) => this.remove(subscriber, subscribee));
  }

  /**
   * The ids that follow `id`, in no order. With the `next` of the part before, the next part: an edge that was there all
   * the time is in exactly one part.
   */
  subscribersOf(id: string, most = idPageMax, after = -1): IdPage {
    return this.#page(this.subscribers, id, most, after);
  }

  /** The ids that `id` follows, as `subscribersOf`. */
  subscriptionsOf(id: string, most = idPageMax, after = -1): IdPage {
    return this.#page(this.subscriptions, id, most, after);
  }

  /**
   * Reads edges by subscriber: those of whole subscribers, until there are `most` or a few more, or `lookedMax` numbers
   * have been looked at. So a part may be empty and have a `next`.
   * @param after `next` of the part before; -1 at the beginning
   */
  edgesAfter(
    after: number,
    most: number,
    wants: (subscriber: string) => boolean = () => true,
  ): { edges: Edge[]; next: number | undefined } {
    const edges: Edge[] = [];
    let number = Math.max(1, after + 1);
    const end = Math.min(this.numbers.end, number + lookedMax);
    for (; number < end && edges.length < most; number++) {
      if (this.subscriptions.count(number) === 0) continue;
      const subscriber = this.numbers.idOf(number);
      if (!wants(subscriber)) continue;
      this.subscriptions.forEach(number, (other) => edges.push([subscriber, this.numbers.idOf(other)]));
    }
    return { edges, next: number < this.numbers.end ? number - 1 : undefined };
  }

  /** Resolves when all changes so far are on disk; at once where the graph is only in memory. @throws StoreError */
  async stored(): Promise<void> {
    await this.keeper?.stored();
  }

  /** Call a few times a second: gives back memory after many removals. */
  tick(): void {
    this.subscriptions.tidy(tidiedPerTick);
    this.subscribers.tidy(tidiedPerTick);
  }

  async close(): Promise<void> {
    await this.keeper?.close();
  }

  /** Searches the shorter of both lists: a million follow one, and few follow a million. */
  #hasEdge(from: number, to: number): boolean {
    return this.subscriptions.count(from) <= this.subscribers.count(to)
      ? this.subscriptions.has(from, to)
      : this.subscribers.has(to, from);
  }

  #release(number: number): void {
    if (this.subscriptions.count(number) > 0 || this.subscribers.count(number) > 0) return;
    this.numbers.remove(number);
    this.keeper?.changed(number);
  }

  #page(lists: EdgeLists, id: string, most: number, after: number): IdPage {
    const number = this.numbers.numberOf(id);
    if (number === 0) return { count: 0, ids: [], next: undefined };
    const found = lists.part(number, after, most);
    const last = found.at(-1);
    return {
      count: lists.count(number),
      ids: this.numbers.idsOf(found),
      next: last === undefined || found.length < most ? undefined : numberHash(last),
    };
  }

  async #changeAll(edges: Iterable<Edge>, change: (...edge: Edge) => EdgeOutcome): Promise<number> {
    const all = [...edges];
    const { idBytesMax, topicLevelsMax } = this.limits;
    for (const edge of all) {
      if (!Array.isArray(edge) || edge.length !== 2)
        throw new InvalidArgumentError('An edge is a pair [subscriber, subscribee].', edge);
      for (const id of edge) assertId(id, idBytesMax, topicLevelsMax);
    }
    let changed = 0;
    for (const edge of all) {
      const outcome = change(...edge);
      if (outcome === 'changed') changed++;
      else if (outcome === 'full' || outcome === 'too-many-subscriptions')
        throw new RangeError(`${edgeProblemText[outcome]} ${edge.join(' -> ')} was not added.`);
    }
    await this.stored();
    return changed;
  }
}

/** Lists that one tick looks at; 100 ns each. */
const tidiedPerTick = 20_000;
