import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { shardOf } from '../../../redis-access/shards.js';
import type { Message } from '../../message.js';
import { hasWildcard } from '../../topic-filter.js';
import type { Engine, OnPublication, RetainedCopy, Wants } from '../engine.js';
import { Clients } from './clients/clients.js';
import { EngineError } from './errors.js';
import { RedisGraph } from './graph.js';
import { SharedHistory } from './history.js';
import { Library } from './library.js';
import { Nodes } from './nodes.js';
import type { RedisEngineOptions, RedisEngineStats } from './options.js';
import { type ShardWiring, wireShard } from './shard-wiring.js';

/** How often deadlines and signs of life are looked through. */
const tickMs = 100;
/** Past it this process was held up itself, and what is silent may only not have been listened to. */
const stallMs = 400;
/** So long the start waits for servers that are away; then it goes on without them, if any is there. */
const startMsMax = 3_000;

/** Of other nodes, in a sentence. */
const namesMax = 5;

/** So long a stop waits for what is on its way. */
const stopMsMax = 1_000;

/**
 * The engine of many nodes on Redis; see README.md beside this file. All that is published goes to the id's server, and
 * comes back from there to all nodes with interest, this one too, in one order.
 */
export class RedisEngine implements Engine {
  readonly cluster: Nodes;
  readonly clients: Clients;
  readonly sharedGraph: RedisGraph;
  readonly #options: RedisEngineOptions;
  /** 52 bits, which a number holds. */
  readonly #run = `000${randomBytes(7).toString('hex').slice(0, 13)}`;
  readonly #library: Library;
  #parts: ShardWiring[];
  #cluster = '';
  /** Servers that have been asked for their cluster. */
  readonly #asked = new Set<number>();
  #ticker: NodeJS.Timeout | undefined;
  #tickedMs = 0;
  readonly #ruleTexts: readonly string[];
  readonly #rulesJson: string;
  readonly #rulesDigest: string;
  #toldRules: string | undefined;
  /** A ReplicatedHistory reads from it; its epoch is known after `open`. */
  readonly history: SharedHistory;
  #onPublication: OnPublication = () => 0;

  constructor(options: RedisEngineOptions) {
    this.#options = options;
    this.#library = new Library(options.name);
    const rules = options.rules.list.map(
      ({ filter, messages, ageSec }) => [filter, messages, Math.ceil(ageSec * 1000)] as const,
    );
    this.#ruleTexts = rules.map(([, messages, ageMs]) => `${messages}:${ageMs}`);
    this.#rulesJson = JSON.stringify(rules);
    this.#rulesDigest = createHash('sha1').update(this.#rulesJson).digest('hex').slice(0, 12);
    this.#parts = options.shards.map((_, index) => this.#partOf(index));
    const { name } = options;
    const node = { ...options.node, rules: this.#rulesDigest };
    const shards = this.#parts.map(({ shard }) => shard);
    this.cluster = new Nodes({ name, run: this.#run, node, shards });
    this.cluster.onGone((gone) => options.onEvent('gone', gone.name));
    this.clients = new Clients({
      nodes: this.cluster,
      shards,
      whenPublished: (then) => this.#whenPublished(then),
    });
    this.sharedGraph = new RedisGraph({
      shards: this.#parts,
      subscriptionsMax: options.graphSubscriptionsMax,
    });
    this.history = new SharedHistory({
      ruleTexts: this.#ruleTexts,
      bytesMax: options.historyBytesMax,
      epoch: () => this.epoch,
      partFor: (id) => this.#partFor(id),
    });
  }

  /** Before `start`: connects to all servers. @throws EngineError */
  async open(): Promise<void> {
    this.#tickedMs = performance.now();
    this.#ticker = setInterval(() => this.#tick(), tickMs);
    const shards = this.#parts.map(({ shard }) => shard);
    for (const shard of shards) shard.start();
    const untilMs = performance.now() + startMsMax;
    while (
      shards.some(({ usable, trouble }) => !usable && trouble.misfit === undefined) &&
      performance.now() < untilMs
    )
      await pause(10);
    const misfit = shards.find(({ trouble }) => trouble.misfit !== undefined);
    const away = shards.filter(({ usable }) => !usable);
    if (misfit !== undefined || away.length === shards.length) {
      await this.stop();
      throw new EngineError(misfit?.trouble.misfit ?? away.map(({ trouble }) => trouble.sentence).join(' '));
    }
    for (const { parts, trouble } of away)
      this.#options.onEvent('away', `${parts.name}: ${trouble.sentence}`);
  }

  /**
   * The first server's is that of all; where it has none yet, or is away, another one may know it. What is proposed to it
   * counts only once it has answered: another node may have been there first.
   */
  async #clusterOf(index: number, own: string | null): Promise<string> {
    this.#asked.add(index);
    if (own !== null && (index === 0 || this.#cluster === '')) this.#cluster = own;
    const { length } = this.#parts;
    for (let n = 0; this.#cluster === '' && n < 50 && (index > 0 || this.#asked.size < length); n++)
      await pause(10);
    if (this.#cluster === '' && index > 0) throw new Error('it waits for the first server of the list');
    return this.#cluster === '' ? randomBytes(6).toString('base64url') : this.#cluster;
  }

  /** Of all cursors. */
  get epoch(): string {
    return this.#cluster;
  }

  async start(onPublication: OnPublication, copy?: RetainedCopy): Promise<void> {
    this.#onPublication = onPublication;
    if (copy !== undefined) await Promise.all(this.#parts.map(({ retained }) => retained.start(copy)));
    await this.cluster.join();
  }

  get isBehind(): boolean {
    for (const { publisher } of this.#parts) if (publisher.isBehind) return true;
    return false;
  }

  get trouble(): string | undefined {
    const away = this.#parts.flatMap(({ shard }) => (shard.carries ? [] : [shard]));
    const gone = away.filter(({ trouble }) => trouble.refusal === undefined);
    const said = away.flatMap(({ trouble }) => trouble.refusal ?? []);
    if (gone.length > 0) said.unshift(`Redis is away: ${gone.map(({ parts }) => parts.name).join(', ')}`);
    return said.length === 0 ? undefined : said.join(' ');
  }

  get warning(): string | undefined {
    const warnings = this.#parts.flatMap(({ shard }) => shard.check.warning ?? []);
    const otherRules = this.#otherRules;
    if (otherRules !== undefined) warnings.push(otherRules);
    return warnings.length === 0 ? undefined : warnings.join(' ');
  }

  /** Of nodes that keep history by other rules than this one. */
  get #otherRules(): string | undefined {
    const names = this.cluster.withOtherRules;
    if (names.length === 0) return undefined;
    const named = names.slice(0, namesMax);
    if (names.length > namesMax) named.push(`${names.length - namesMax} more`);
    return `other nodes (${named.join(', ')}) have other --history-rules than this one: while that is so, cursors are answered "recovered": false, and next to no history is given. Give all nodes the same rules.`;
  }

  publish(message: Message, wants?: Wants): number {
    const rule = this.#options.rules.of(message.id);
    const { publisher } = this.#partFor(message.id);
    publisher.publish(message, rule === -1 ? '' : this.#ruleTexts[rule]!, wants);
    return 0;
  }

  addInterest(filter: string): void {
    if (hasWildcard(filter)) for (const { subscriptions } of this.#parts) subscriptions.addFilter(filter);
    else this.#partFor(filter).subscriptions.addId(filter);
  }

  removeInterest(filter: string): void {
    if (hasWildcard(filter)) for (const { subscriptions } of this.#parts) subscriptions.removeFilter(filter);
    else this.#partFor(filter).subscriptions.removeId(filter);
  }

  whenInterested(ready: () => void): void {
    this.#whenAll(({ subscriptions }, then) => subscriptions.whenInEffect(then), ready);
  }

  /** Calls back when all that was published so far is answered. */
  #whenPublished(then: () => void): void {
    this.#whenAll(({ publisher }, answered) => publisher.whenAnswered(answered), then);
  }

  /** Asks each part to call back, and calls back itself when all have. */
  #whenAll(ask: (part: ShardWiring, then: () => void) => void, then: () => void): void {
    let waited = this.#parts.length;
    if (waited === 1) return ask(this.#parts[0]!, then);
    const one = () => {
      if (--waited === 0) then();
    };
    for (const part of this.#parts) ask(part, one);
  }

  stats(): RedisEngineStats {
    const sum = (of: (part: ShardWiring) => number) =>
      this.#parts.reduce((total, part) => total + of(part), 0);
    return {
      connected: this.#parts.every(({ shard }) => shard.usable),
      peers: this.cluster.peers.length,
      shards: this.#parts.map(({ shard }) => shard.stats()),
      forwarded: sum(({ publisher }) => publisher.forwarded),
      batches: sum(({ publisher }) => publisher.batches),
      received: sum(({ receiver }) => receiver.received),
      refused: sum(({ publisher }) => publisher.refused),
      unknown: sum(({ publisher }) => publisher.unknown),
      countsTimedOut: sum(({ counts }) => counts.timedOut),
      uncovered: sum(({ catchUp, receiver }) => catchUp.uncovered + receiver.lost),
      unreadable: sum(({ receiver }) => receiver.unreadable),
    };
  }

  async stop(): Promise<void> {
    await this.#drained();
    this.clients.stop();
    await this.cluster.leave();
    clearInterval(this.#ticker);
    this.history.stop();
    for (const { shard, publisher, counts, subscriptions, retained } of this.#parts) {
      retained.stop();
      publisher.stop();
      counts.stop();
      shard.stop();
      subscriptions.letGo();
    }
    this.#onPublication = () => 0;
  }

  /** Wills of connections that the stop has ended are on their way yet. */
  async #drained(): Promise<void> {
    const untilMs = performance.now() + stopMsMax;
    const isBusy = ({ shard, publisher }: ShardWiring) => shard.usable && !publisher.idle;
    while (this.#parts.some(isBusy) && performance.now() < untilMs) await pause(5);
  }

  #partFor(id: string): ShardWiring {
    return this.#parts[shardOf(id, this.#parts.length)]!;
  }

  #partOf(index: number): ShardWiring {
    return wireShard(index, this.#options, {
      run: this.#run,
      library: this.#library,
      ruleTexts: this.#ruleTexts,
      rulesJson: this.#rulesJson,
      clusterOf: (own) => this.#clusterOf(index, own),
      onCluster: (cluster) => {
        if (index === 0) this.#cluster = cluster;
      },
      onPublication: (message) => this.#onPublication(message),
      onWord: (payload) => this.cluster.hear(payload, index),
    });
  }

  #tick(): void {
    const nowMs = performance.now();
    const pausedMs = nowMs - this.#tickedMs;
    const stalledMs = pausedMs > stallMs ? pausedMs : 0;
    this.#tickedMs = nowMs;
    this.cluster.tick(nowMs);
    for (const { shard, publisher } of this.#parts) {
      shard.tick(nowMs, stalledMs);
      publisher.tick(nowMs);
    }
    this.clients.tick(nowMs, stalledMs);
    const otherRules = this.#otherRules;
    if (otherRules !== undefined && otherRules !== this.#toldRules)
      this.#options.onEvent('other-rules', otherRules);
    this.#toldRules = otherRules;
  }
}
