import type { HistoryRules } from '../../history/history-rules.js';
import type { LinkOptions } from './connection-options.js';
import type { NodeIdentity } from './gathering.js';
import type { LinkEvent } from './link.js';
import type { RetentionEvent } from './retained-replication.js';

export interface NatsEngineOptions {
  /** Of the cluster: all its subjects begin with it, so several share one NATS. Letters, digits, - and _. */
  name: string;
  node: NodeIdentity;
  link: Omit<LinkOptions, 'connectionName'>;
  /** How long a counted publish waits for the other nodes. */
  countWaitMs: number;
  /** Of the router, so that what others send is held to it, too. */
  idBytesMax?: number;
  topicLevelsMax?: number;
  /** The largest payload that is ever published, bytes: the server must take it. */
  payloadBytesMax: number;
  /** Kept by NATS's JetStream, for all nodes; rules that keep nothing need none. */
  history: { rules: HistoryRules; bytesMax: number; replicas: number };
  /** Of the router, for the stream that keeps what is retained; without them there is none. */
  retained?: { messagesMax: number; bytesMax: number; replicas: number };
  /** `history`: a stream cannot be read or written, and is tried on and on. */
  onEvent(event: LinkEvent | RetentionEvent | 'gone' | 'gap' | 'history', detail: string): void;
  /** Subscribers may have missed something for good, of the ids that `concerns` says: NATS was away for longer than history is. */
  onGap?(concerns: (id: string) => boolean): void;
}
