import type { Redis } from 'ioredis';
import { inBatches } from './calls.js';
import type { Shard } from './shard.js';

/** Of one SUBSCRIBE: Redis does nothing else meanwhile, 0.4 µs for each. */
const channelsMax = 1_000;

/**
 * The channels of a shard that this node is subscribed to: those of the ids that somebody here is logged in as, and of the
 * literal parts of filters, `user/` of `user/+/x`. A SUBSCRIBE has all that came in a turn of the loop.
 */
export class ChannelSubscriptions {
  readonly #shard: Shard;
  readonly #name: string;
  /** Channels without an owner among subscribers. */
  readonly #fixed: readonly string[];
  readonly #ids = new Set<string>();
  /** Ids that somebody resumes, and how many do. */
  readonly #held = new Map<string, number>();
  /** Literal parts, and how many filters have each. */
  readonly #prefixes = new Map<string, number>();
  /** Channels that are to be subscribed to (true) or no longer, at the end of the turn. */
  readonly #changes = new Map<string, boolean>();
  /** Ids that came while the connection was away, and the place that was then given to messages: older ones are not theirs. */
  readonly #late = new Map<string, number>();
  #scheduled = false;
  /** They wait for what is sent next. */
  #waiting: (() => void)[] = [];
  /** They wait for the last SUBSCRIBE that is under way; those before it are answered before it. */
  #latest: (() => void)[] | undefined;

  constructor(shard: Shard, name: string, fixed: readonly string[]) {
    this.#shard = shard;
    this.#name = name;
    this.#fixed = fixed;
    shard.subscribed.resubscribe = (redis) => this.#resubscribe(redis);
    shard.subscribed.flushChannels = () => this.#flush();
    shard.channels = () => this.#ids.size + this.#prefixes.size + this.#fixed.length;
    shard.subscribed.hasFilters = () => this.#prefixes.size > 0;
    shard.onBack(() => this.#goOn());
  }

  addId(id: string): void {
    if (this.#ids.has(id)) return;
    this.#ids.add(id);
    if (this.#shard.subscribed.redis === undefined) this.#late.set(id, this.#shard.clock.now() * 1000);
    if (!this.#held.has(id)) this.#change(this.#ofId(id), true);
  }

  removeId(id: string): void {
    if (this.#late.size > 0) this.#late.delete(id);
    if (this.#ids.delete(id) && !this.#held.has(id)) this.#change(this.#ofId(id), false);
  }

  /** Subscribed to, whether anybody is logged in or not, until as many releases. */
  hold(id: string): void {
    const holds = this.#held.get(id) ?? 0;
    this.#held.set(id, holds + 1);
    if (holds === 0 && !this.#ids.has(id)) this.#change(this.#ofId(id), true);
  }

  release(id: string): void {
    const holds = (this.#held.get(id) ?? 0) - 1;
    if (holds > 0) this.#held.set(id, holds);
    else if (this.#held.delete(id) && !this.#ids.has(id)) this.#change(this.#ofId(id), false);
  }

  addFilter(filter: string): void {
    const prefix = literalPartOf(filter);
    const filters = this.#prefixes.get(prefix) ?? 0;
    this.#prefixes.set(prefix, filters + 1);
    if (filters > 0) return;
    this.#change(this.#ofPrefix(prefix), true);
    if (this.#prefixes.size > 1) return;
    this.#change(this.#ofFilters, true);
    this.#shard.subscribed.place().catch(() => {}); // it says that there are filters
  }

  removeFilter(filter: string): void {
    const prefix = literalPartOf(filter);
    const filters = (this.#prefixes.get(prefix) ?? 0) - 1;
    if (filters > 0) this.#prefixes.set(prefix, filters);
    else if (this.#prefixes.delete(prefix)) {
      this.#change(this.#ofPrefix(prefix), false);
      if (this.#prefixes.size === 0) this.#change(this.#ofFilters, false);
    }
  }

  /** Of now, whoever comes and goes while they are walked through. */
  ids(): readonly string[] {
    return [...this.#ids];
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** The place from which on this node owes an id's subscribers its messages; undefined = from where the node stands. */
  since(id: string): number | undefined {
    const late = this.#late.get(id);
    return late === undefined || this.matchesFilter(id) ? undefined : late;
  }

  get prefixes(): number {
    return this.#prefixes.size;
  }

  /** Whether messages of an id come by way of a filter. */
  matchesFilter(id: string): boolean {
    if (this.#prefixes.size === 0) return false;
    if (this.#prefixes.has('') && !id.startsWith('$')) return true;
    for (let slash = id.indexOf('/'); slash !== -1; slash = id.indexOf('/', slash + 1))
      if (this.#prefixes.has(id.slice(0, slash + 1))) return true;
    return this.#prefixes.has(`${id}/`);
  }

  /** Calls back when all that was added before is in effect, or while Redis is away. */
  whenInEffect(ready: () => void): void {
    if (!this.#shard.carries) return ready();
    if (!this.#shard.usable || this.#changes.size > 0) this.#waiting.push(ready);
    else if (this.#latest === undefined) ready();
    else this.#latest.push(ready);
  }

  /** Nobody is kept waiting for a server that does not come back. */
  letGo(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const ready of waiting) ready();
  }

  #ofId(id: string): string {
    return `${this.#name}:i:${id}`;
  }

  /** Where nobody is subscribed to it, nothing is published to prefixes. */
  get #ofFilters(): string {
    return `${this.#name}:f`;
  }

  #ofPrefix(prefix: string): string {
    return `${this.#name}:f:${prefix}`;
  }

  /** Changes of a channel take turns: the second takes the first back where that is not sent yet. */
  #change(channel: string, subscribed: boolean): void {
    if (!this.#changes.delete(channel)) this.#changes.set(channel, subscribed);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    if (!this.#shard.usable) return; // all of it is in what is subscribed to on the next connection
    const changes = [...this.#changes];
    this.#changes.clear();
    const gone = changes.flatMap(([channel, subscribed]) => (subscribed ? [] : [channel]));
    const come = changes.flatMap(([channel, subscribed]) => (subscribed ? [channel] : []));
    for (const some of inBatches(gone, channelsMax)) this.#send(this.#shard.unsubscribe(some));
    for (const some of inBatches(come, channelsMax)) this.#send(this.#shard.subscribe(some));
  }

  #send(answer: Promise<void>): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#latest = waiting;
    const end = () => {
      if (this.#latest === waiting) this.#latest = undefined;
      for (const ready of waiting) ready();
    };
    answer.then(end, () => {
      if (this.#latest === waiting) this.#latest = undefined;
      if (this.#shard.carries) this.#waiting.unshift(...waiting);
      else for (const ready of waiting) ready();
    });
  }

  async #resubscribe(redis: Redis): Promise<void> {
    this.#changes.clear();
    const channels = [
      ...this.#fixed,
      ...[...new Set([...this.#ids, ...this.#held.keys()])].map((id) => this.#ofId(id)),
      ...[...this.#prefixes.keys()].map((prefix) => this.#ofPrefix(prefix)),
      ...(this.#prefixes.size > 0 ? [this.#ofFilters] : []),
    ];
    for (const some of inBatches(channels, channelsMax)) await redis.subscribe(...some);
  }

  /** Sends what has changed while the channels were subscribed to again. */
  #goOn(): void {
    this.#late.clear();
    if (this.#changes.size > 0) this.#flush();
    else if (this.#latest === undefined) this.letGo();
  }
}

/** Of a filter with wildcards: up to the slash before the first one. */
function literalPartOf(filter: string): string {
  const levels = filter.split('/');
  const wildcard = levels.findIndex((level) => level === '+' || level === '#');
  return levels
    .slice(0, wildcard)
    .map((level) => `${level}/`)
    .join('');
}
