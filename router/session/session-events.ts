import type { Session } from './session.js';
import type { SessionLimitOptions } from './session-limits.js';
import type { SessionOwner } from './session-owner.js';
import type { EvictionReason } from './sessions-stats.js';

/** A session of an absent client that ends to make room. */
export interface Eviction {
  session: Session;
  reason: EvictionReason;
  owner: SessionOwner | undefined;
  awaySec: number;
  /** Messages that are lost with it. */
  messages: number;
}

/** Limits, and reports about sessions. */
export interface SessionsOptions extends SessionLimitOptions, SessionEvents {}

export interface SessionEvents {
  /** The mqueue of a session has reached its high watermark (raised), or its low one again. Must not throw. */
  onAlarm?: (session: Session, raised: boolean) => void;
  /** A session is about to end, because there is no room for it. Must not throw. */
  onEvict?: (eviction: Eviction) => void;
  /** A session has ended, for any cause. Must not throw. */
  onEnd?: (clientId: string) => void;
}
