import { randomBytes } from 'node:crypto';
import { redisOptionsOf } from '../../../redis-access/addresses.js';
import { shardOf } from '../../../redis-access/shards.js';
import type { Message } from '../../message.js';
import { hasWildcard } from '../../topic-filter.js';
import type { Engine, OnOutcome, OnPublication, OnRetained, RetainedCopy, Wants } from '../engine.js';
import { CatchUp, RecentIds } from './catch-up.js';
import { Clients } from './clients/clients.js';
import { Counts } from './counts.js';
import { EngineError } from './errors.js';
import { SharedHistory } from './history.js';
import { Library } from './library.js';
import { Nodes } from './nodes.js';
import type { RedisEngineOptions, RedisEngineStats } from './options.js';
import { Publisher } from './publisher.js';
import { Receiver } from './receiver.js';
import { SharedRetained } from './retained.js';
import { Shard } from './shard.js';
import { Subscriptions } from './subscriptions.js';

/** How often deadlines and signs of life are looked through. */
const tickMs = 100;
/** Past it this process was held up itself, and what is silent may only not have been listened to. */
const stallMs = 400;
/** So long the start waits for servers that are away; then it goes on without them, if any is there. */
const startMsMax = 3_000;

/** So long a stop waits for what is on its way. */
const stopMsMax = 1_000;

/** All that this node has of one Redis server. */
interface Part {
  readonly shard: Shard;
  readonly counts: Counts;
  readonly publisher: Publisher;
  readonly subscriptions: Subscriptions;
  readonly receiver: Receiver;
  readonly catchUp: CatchUp;
  readonly retained: SharedRetained;
}

/**
 * The engine of many nodes on Redis; see README.md beside this file. All that is published goes to the id's server, and
 * comes back from there to all nodes with interest, this one too, in one order.
 */
export class RedisEngine implements Engine {
  readonly cluster: Nodes;
  readonly clients: Clients;
  readonly #options: RedisEngineOptions;
  /** 52 bits, which a number holds. */
  readonly #run = `000${randomBytes(7).toString('hex').slice(0, 13)}`;
  readonly #library: Library;
  #parts: Part[];
  #cluster = '';
  /** Servers that have been asked for their cluster. */
  readonly #asked = new Set<number>();
  #ticker: NodeJS.Timeout | undefined;
  #tickedMs = 0;
  readonly #ruleTexts: readonly string[];
  /** A ReplicatedHistory reads from it; its epoch is known after `open`. */
  readonly history: SharedHistory;
  #onPublication: OnPublication = () => 0;
  #onRetained: OnRetained = () => {};

  constructor(options: RedisEngineOptions) {
    this.#options = options;
    this.#library = new Library(options.name);
    this.#ruleTexts = options.rules.list.map(
      ({ messages, ageSec }) => `${messages}:${Math.ceil(ageSec * 1000)}`,
    );
    this.#parts = options.shards.map((_, index) => this.#partOf(index));
    const { name, node } = options;
    const shards = this.#parts.map(({ shard }) => shard);
    this.cluster = new Nodes({ name, run: this.#run, node, shards });
    this.cluster.onGone((gone) => options.onEvent('gone', gone.name));
    this.clients = new Clients({
      nodes: this.cluster,
      shards,
      whenPublished: (then) => this.#whenPublished(then),
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
      await new Promise((resolve) => setTimeout(resolve, 10));
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
      await new Promise((resolve) => setTimeout(resolve, 10));
    if (this.#cluster === '' && index > 0) throw new Error('it waits for the first server of the list');
    return this.#cluster === '' ? randomBytes(6).toString('base64url') : this.#cluster;
  }

  /** Of all cursors. */
  get epoch(): string {
    return this.#cluster;
  }

  async start(onPublication: OnPublication, onRetained: OnRetained, copy?: RetainedCopy): Promise<void> {
    this.#onPublication = onPublication;
    this.#onRetained = onRetained;
    if (copy !== undefined) await Promise.all(this.#parts.map(({ retained }) => retained.start(copy)));
    await this.cluster.join();
  }

  get isBehind(): boolean {
    for (const { publisher } of this.#parts) if (publisher.isBehind) return true;
    return false;
  }

  get trouble(): string | undefined {
    const away = this.#parts.filter(({ shard }) => !shard.carries);
    return away.length === 0
      ? undefined
      : `Redis is away: ${away.map(({ shard }) => shard.parts.name).join(', ')}`;
  }

  publish(message: Message, wants: Wants, onOutcome?: OnOutcome, idempotencyKey?: string): number {
    const rule = this.#options.rules.of(message.id);
    this.#partFor(message.id).publisher.publish(
      message,
      rule === -1 ? '' : this.#ruleTexts[rule]!,
      wants,
      onOutcome,
      idempotencyKey,
    );
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
    const [first, ...others] = this.#parts;
    if (others.length === 0) return first!.subscriptions.whenInEffect(ready);
    let waited = this.#parts.length;
    const one = () => {
      if (--waited === 0) ready();
    };
    for (const { subscriptions } of this.#parts) subscriptions.whenInEffect(one);
  }

  /** Calls back when all that was published so far is answered. */
  #whenPublished(then: () => void): void {
    let waited = this.#parts.length;
    const one = () => {
      if (--waited === 0) then();
    };
    for (const { publisher } of this.#parts) publisher.whenAnswered(one);
  }

  stats(): RedisEngineStats {
    const sum = (of: (part: Part) => number) => this.#parts.reduce((total, part) => total + of(part), 0);
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
    const isBusy = ({ shard, publisher }: Part) => shard.usable && !publisher.idle;
    while (this.#parts.some(isBusy) && performance.now() < untilMs)
      await new Promise((resolve) => setTimeout(resolve, 5));
  }

  #partFor(id: string): Part {
    return this.#parts[shardOf(id, this.#parts.length)]!;
  }

  #partOf(index: number): Part {
    const { name, shards, connection, countWaitMs, pendingBytesMax, rules } = this.#options;
    const { onEvent, onGap, onInterrupted } = this.#options;
    const address = shards[index]!;
    const { idBytesMax, topicLevelsMax, payloadBytesMax } = this.#options;
    const retainedMax = Math.ceil(this.#options.retainedMax / shards.length);
    const shard = new Shard({
      index,
      count: shards.length,
      name: address.name,
      run: this.#run,
      connection: redisOptionsOf(address, connection, `${name}/${this.#options.node.name}`),
      library: this.#library,
      rules: JSON.stringify(
        rules.list.map((rule) => [rule.filter, rule.messages, Math.ceil(rule.ageSec * 1000)]),
      ),
      limits: JSON.stringify({ idBytesMax, levelsMax: topicLevelsMax, payloadBytesMax, retainedMax }),
      clusterOf: (own) => this.#clusterOf(index, own),
      onCluster: (cluster) => {
        if (index === 0) this.#cluster = cluster;
      },
      onComplaint: (sentence) => onEvent('complaint', sentence),
    });
    const counts = new Counts(countWaitMs, (run, answer) => shard.publishRaw(`${name}:n:${run}`, answer));
    const publisher = new Publisher({ shard, counts, pendingBytesMax });
    const fixed = [`${name}:n`, `${name}:n:${this.#run}`, `${name}:r`];
    const subscriptions = new Subscriptions(shard, name, fixed);
    const receiver = new Receiver({
      shard,
      counts,
      name,
      rules,
      heldBytesMax: this.#options.heldBytesMax,
      onPublication: (message) => this.#onPublication(message),
      onRetained: (message) => {
        retained.note(message.id);
        this.#onRetained(message);
      },
      onWord: (payload) => this.cluster.hear(payload, index),
    });
    const retained: SharedRetained = new SharedRetained({
      shard,
      owns: (id) => shardOf(id, shards.length) === index,
      hasHistory: (id) => rules.of(id) !== -1,
    });
    const catchUp = new CatchUp({
      shard,
      subscriptions,
      receiver,
      recent: new RecentIds(shard),
      retained,
      rules,
      ruleTexts: this.#ruleTexts,
      onGap: async (reason, concerns) => {
        onEvent('gap', `${address.name}: ${reason}`);
        await onGap?.((id) => this.#partFor(id).shard === shard && concerns(id));
      },
    });
    shard.onInterrupted = () => {
      receiver.hold();
      onInterrupted?.();
    };
    shard.catchUp = (behind) => catchUp.run(behind);
    shard.onAway = (reason) => {
      publisher.refuseWaiting();
      subscriptions.letGo();
      onEvent('away', `${address.name}: ${reason}`);
    };
    shard.onLost((reason) => onEvent('lost', `${address.name}: ${reason}`));
    shard.onBack(() => onEvent('back', address.name));
    return { shard, counts, publisher, subscriptions, receiver, catchUp, retained };
  }

  #tick(): void {
    const nowMs = performance.now();
    const pausedMs = nowMs - this.#tickedMs;
    this.#tickedMs = nowMs;
    this.cluster.tick(nowMs);
    for (const { shard, publisher } of this.#parts) {
      shard.tick(nowMs, pausedMs > stallMs ? pausedMs : 0);
      publisher.tick(nowMs);
    }
  }
}
