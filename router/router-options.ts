import { assertLimit } from './arguments.js';
import type { Engine } from './engine/engine.js';
import type { Graph } from './graph/graph.js';
import type { HistoryStore } from './history/history-store.js';
import type { HistoryOptions } from './history/memory-history.js';
import type { Message } from './message.js';
import type { RetainedOptions } from './retained.js';
import type { StoredState } from './stored-state.js';
import type { Subscriber } from './subscriber.js';
import { idBytesMaxDefault, topicLevelsMaxDefault } from './topic.js';

export interface RouterOptions extends RetainedOptions {
  /** Carries messages between processes. Default: none, everything is in this one. */
  engine?: Engine;
  /** History for clients that reconnect. Default: 100 messages of an id, 60 s, 64 MiB in all. */
  history?: HistoryOptions;
  /** The store of history. Default: in memory. Another store ignores `history`. */
  historyStore?: HistoryStore;
  /** The ids that follow others. Default: an empty graph in memory. */
  graph?: Graph;
  /** Keeps retained messages and sessions on disk. Default: they are in memory. */
  stored?: StoredState;
  /** Topic filters of ids whose messages go to the ids that follow them, unless a send says otherwise. Default: none. */
  sendToFollowers?: readonly string[];
  /** Most bytes of messages that are on their way to followers in more than one turn. Default 64 MiB. */
  followerSendsBytesMax?: number;
  /** Longest id or topic filter in bytes of UTF-8. Default 1,024. */
  idBytesMax?: number;
  /** Most levels of an id or topic filter. Default 128. */
  topicLevelsMax?: number;
  /**
   * Called for each `deliver` that throws. All other subscribers still get the message, which counts as dropped here.
   * Default: the error is thrown in a turn of its own, as by EventTarget, so that it is an uncaughtException.
   */
  onDeliverError?: (error: unknown, subscriber: Subscriber, message: Message) => void;
}

/** @throws RangeError for a limit that is not a whole number */
export function idLimitsOf({
  idBytesMax = idBytesMaxDefault,
  topicLevelsMax = topicLevelsMaxDefault,
}: RouterOptions): { idBytesMax: number; topicLevelsMax: number } {
  assertLimit('idBytesMax', idBytesMax);
  assertLimit('topicLevelsMax', topicLevelsMax);
  return { idBytesMax, topicLevelsMax };
}
