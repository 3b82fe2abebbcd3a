import { redisOptionsOf } from '../../../redis-access/addresses.js';
import { shardOf } from '../../../redis-access/shards.js';
import type { OnPublication } from '../engine.js';
import { CatchUp, RecentIds } from './catch-up.js';
import { Counts } from './counts.js';
import type { Library } from './library.js';
import { nodeChannel } from './nodes.js';
import type { RedisEngineOptions } from './options.js';
import { Publisher } from './publisher.js';
import { Receiver } from './receiver.js';
import { SharedRetained } from './retained.js';
import { Shard } from './shard.js';
import { ChannelSubscriptions } from './subscriptions.js';

/** All that this node has of one Redis server. */
export interface ShardWiring {
  readonly shard: Shard;
  readonly counts: Counts;
  readonly publisher: Publisher;
  readonly subscriptions: ChannelSubscriptions;
  readonly receiver: Receiver;
  readonly catchUp: CatchUp;
  readonly retained: SharedRetained;
}

/** Of the engine, for each of its shards. */
interface EngineSide {
  readonly run: string;
  readonly library: Library;
  readonly ruleTexts: readonly string[];
  /** All of them, as `begin` takes them. */
  readonly rulesJson: string;
  readonly clusterOf: (own: string | null) => Promise<string>;
  readonly onCluster: (cluster: string) => void;
  readonly onPublication: OnPublication;
  /** Words of other nodes, besides counts. */
  readonly onWord: (payload: Buffer) => void;
}

/** Connects the parts of a shard to each other, and to the engine. Nothing is started. */
export function wireShard(index: number, options: RedisEngineOptions, engine: EngineSide): ShardWiring {
  const { name, shards, rules, onEvent } = options;
  const { run, library, ruleTexts, clusterOf, onCluster, onPublication, onWord } = engine;
  const address = shards[index]!;
  const owns = (id: string) => shardOf(id, shards.length) === index;
  const shard = new Shard({
    index,
    count: shards.length,
    name: address.name,
    run,
    connection: redisOptionsOf(address, options.connection, `${name}/${options.node.name}`),
    library,
    rules: engine.rulesJson,
    limits: limitsOf(options),
    clusterOf,
    onCluster,
    onComplaint: (sentence) => onEvent('complaint', sentence),
  });
  const counts = new Counts(options.countWaitMs, (asking, answer) =>
    shard.publishRaw(nodeChannel(name, asking), answer),
  );
  const publisher = new Publisher({ shard, counts, pendingBytesMax: options.pendingBytesMax });
  const subscriptions = new ChannelSubscriptions(shard, name, [
    nodeChannel(name),
    nodeChannel(name, run),
    `${name}:r`,
  ]);
  const hasHistory = (id: string) => rules.of(id) !== -1;
  const retained = new SharedRetained({ shard, owns, hasHistory });
  const { heldBytesMax } = options;
  const receiver = new Receiver({
    ...{ shard, counts, name, rules, heldBytesMax, onPublication, onWord },
    onRetained: (message) => retained.note(message),
  });
  const recent = new RecentIds(shard);
  const catchUp = new CatchUp({
    ...{ shard, subscriptions, receiver, recent, retained, rules, ruleTexts },
    onGap: async (reason, concerns) => {
      onEvent('gap', `${address.name}: ${reason}`);
      await options.onGap?.((id) => owns(id) && concerns(id));
    },
  });
  shard.subscribed.onInterrupted = () => {
    receiver.hold();
    options.onInterrupted?.();
  };
  shard.subscribed.catchUp = (behind) => catchUp.run(behind);
  shard.onAway = (reason) => {
    publisher.refuseWaiting();
    subscriptions.letGo();
    onEvent('away', `${address.name}: ${reason}`);
  };
  shard.onLost = (reason) => onEvent('lost', `${address.name}: ${reason}`);
  shard.onBack(() => onEvent('back', address.name));
  return { shard, counts, publisher, subscriptions, receiver, catchUp, retained };
}

/** As `begin` takes them. */
function limitsOf(options: RedisEngineOptions): string {
  const { idBytesMax, topicLevelsMax, payloadBytesMax, retainedMax, shards } = options;
  return JSON.stringify({
    idBytesMax,
    levelsMax: topicLevelsMax,
    payloadBytesMax,
    retainedMax: Math.ceil(retainedMax / shards.length),
  });
}
