import type { RedisOptions } from 'ioredis';
import type { Library } from './library.js';

/** What a Shard is made of, and what it tells. */

export interface ShardParts {
  readonly index: number;
  readonly count: number;
  /** For sentences: the server as the operator knows it. */
  readonly name: string;
  /** Of this node, 16 hex digits. */
  readonly run: string;
  readonly connection: RedisOptions;
  readonly library: Library;
  /** Rules of history and limits, for what other programs send; as `begin` takes them. */
  readonly rules: string;
  readonly limits: string;
  /** Which cluster it is to belong to. @param own that it belongs to, if so. Rejects where that is not known yet. */
  readonly clusterOf: (own: string | null) => Promise<string>;
  /** The one that it does belong to. */
  readonly onCluster: (cluster: string) => void;
  readonly onComplaint: (sentence: string) => void;
}

/** Last batch that ran and bits of those up to it, life of the server, its time in ms, seq, begin, cluster; see batch.lua. */
export type BeginReply = [number, number, string, number, number, number, string];

/** What a new connection has learnt: which of this node's batches have run, where the server is the same one. */
export interface Begun {
  readonly last: number;
  readonly bits: number;
  /** Nothing is lost of what was there when the last connection began. */
  readonly sameRun: boolean;
}
