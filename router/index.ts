/**
 * The router as a library: `import { Router, Subscriber } from 'encke/router'`.
 *
 * @example
 * ```ts
 * import { type Message, Router, Subscriber } from 'encke/router';
 *
 * class Inbox extends Subscriber {
 *   readonly texts: string[] = [];
 *   deliver(message: Message) {
 *     this.texts.push(Buffer.from(message.payload).toString());
 *     return 'sent' as const;
 *   }
 * }
 *
 * const router = new Router();
 * await router.start();
 * const inbox = new Inbox();
 * router.login('user/123', inbox);
 * router.send('user/123', 'Hello'); // 1
 * router.logout(inbox);
 * router.send('user/123', 'Hello?'); // 0
 * ```
 */
export { InvalidArgumentError } from './arguments.js';
export type {
  Answer,
  Answers,
  Cluster,
  ClusterNode,
  NodeRole,
} from './engine/cluster.js';
export { EmbeddedEngine } from './engine/embedded.js';
export type { Engine, OnOutcome, OnPublication, Outcome, Wants } from './engine/engine.js';
export {
  type Edge,
  type EdgeOutcome,
  edgeProblemText,
  Graph,
  type GraphKeeper,
  type IdPage,
  idPageMax,
} from './graph/graph.js';
export type { GraphLimits } from './graph/graph-limits.js';
export { openGraph } from './graph/open-graph.js';
export {
  type Cursor,
  type CursorProblem,
  cursorProblemText,
  formatCursor,
  type ParsedCursor,
  parseCursor,
  type ResumeFrom,
} from './history/cursor.js';
export { History, type Resumed } from './history/history.js';
export { defaultHistoryRules, type HistoryRule } from './history/history-rules.js';
export type {
  HistoryEviction,
  HistoryReader,
  HistoryStats,
  HistoryStore,
} from './history/history-store.js';
export { type HistoryOptions, MemoryHistory } from './history/memory-history.js';
export { Message, type Qos } from './message.js';
export { MessageProperties, type PropertyValues } from './message-properties.js';
export type { RetainedOptions, RetainedRefusal } from './retained.js';
export type { RetainedCursor } from './retained-cursor.js';
export { Router } from './router.js';
export type { RouterOptions } from './router-options.js';
export type { RouterStats } from './router-stats.js';
export { type AwayTier, awayTiers } from './session/away-session.js';
export { AwaySessions } from './session/away-sessions.js';
export { InflightEntry } from './session/inflight-entry.js';
export { MemoryStore } from './session/memory-store.js';
export type { Queued } from './session/mqueue.js';
export { Session } from './session/session.js';
export type { SessionConnection } from './session/session-connection.js';
export { encodeSessions, SessionDecoder } from './session/session-encoding.js';
export type { Eviction, SessionsOptions } from './session/session-events.js';
export { SessionGate } from './session/session-gate.js';
export type { SessionOwner } from './session/session-owner.js';
export type { SessionState, Subscription } from './session/session-state.js';
export type { FlowTotal, SessionFlow, SessionStore } from './session/session-store.js';
export { cleanTerms, keptTerms, type SessionTerms } from './session/session-terms.js';
export { Sessions } from './session/sessions.js';
export type { EvictionReason, SessionDropReason, SessionsStats } from './session/sessions-stats.js';
export { type OpenDirectory, openDirectory, type StoredState } from './stored-state.js';
export { type Delivery, Subscriber } from './subscriber.js';
export {
  type DeliveryOptions,
  noLocal,
  qosIn,
  retainAsPublished,
  retainSet,
  type SubscriptionOptions,
} from './subscription-options.js';
export {
  type IdProblem,
  InvalidIdError,
  idBytesMaxDefault,
  idProblemText,
  problemOfId,
  topicLevelsMaxDefault,
} from './topic.js';
export {
  type FilterProblem,
  filterProblemText,
  hasWildcard,
  InvalidFilterError,
  matches,
  problemOfFilter,
} from './topic-filter.js';
