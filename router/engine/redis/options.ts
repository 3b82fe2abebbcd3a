import type { ConnectionOptions, ShardAddress } from '../../../redis-access/addresses.js';
import type { HistoryRules } from '../../history/history-rules.js';
import type { NodeRole } from '../cluster.js';

/**
 * `lost` and `back` tell of one shard, `gone` and `other-rules` of other nodes; `complaint` tells of anything that an operator
 * is to mend.
 */
export type EngineEvent = 'lost' | 'away' | 'back' | 'gone' | 'gap' | 'other-rules' | 'complaint';

export interface RedisEngineOptions {
  /** Of the cluster; the beginning of every key, channel and function. */
  readonly name: string;
  readonly node: { readonly name: string; readonly group: string; readonly role: NodeRole };
  readonly shards: readonly ShardAddress[];
  readonly connection: ConnectionOptions;
  readonly rules: HistoryRules;
  /** Payloads of history that are being read from Redis, all together. */
  readonly historyBytesMax: number;
  /** How long a send waits for the counts of other nodes, ms. */
  readonly countWaitMs: number;
  /** Published and not yet known to be in Redis, bytes, for each shard. */
  readonly pendingBytesMax: number;
  /** Messages that come while a node reads those that it has missed, bytes, for each shard. */
  readonly heldBytesMax: number;
  readonly idBytesMax: number;
  readonly topicLevelsMax: number;
  readonly payloadBytesMax: number;
  /** Ids that one id may follow. */
  readonly graphSubscriptionsMax: number;
  /** Messages that are retained, over all shards. */
  readonly retainedMax: number;
  readonly onEvent: (event: EngineEvent, detail: string) => void;
  /** No history that is kept here is complete any more; each is, once it is read anew. */
  readonly onInterrupted?: () => void;
  /** Something was missed, or may have been, of the ids that `concerns` says yes to; resolves when whoever is to be cut is. */
  readonly onGap?: (concerns: (id: string) => boolean) => Promise<void>;
}

export interface ShardStats {
  readonly server: string;
  readonly connected: boolean;
  readonly reconnects: number;
  /** Channels that this node is subscribed to. */
  readonly channels: number;
  /** Published and not yet known to be in Redis, bytes, now. */
  readonly pendingBytes: number;
  /** Round trip of the last sign of life, which waits behind what is published; 0 before the first. */
  readonly roundTripMs: number;
}

export interface RedisEngineStats {
  readonly connected: boolean;
  readonly peers: number;
  readonly shards: readonly ShardStats[];
  /** Messages that Redis has taken from this node. */
  readonly forwarded: number;
  /** Calls of the publishing function that carried them. */
  readonly batches: number;
  /** Messages that this node has handed out. */
  readonly received: number;
  /** Not sent, and their publishers were told so. */
  readonly refused: number;
  /** Of which it is not known whether they were sent. */
  readonly unknown: number;
  /** Sends whose count came without some copies. */
  readonly countsTimedOut: number;
  /**
   * Not covered by what was read after a lost connection: ids without history that somebody here is logged in as, and
   * filters where it was too much, or too long, to know.
   */
  readonly uncovered: number;
  /** On our channels, and not of our making. */
  readonly unreadable: number;
}
