import type { Session } from './session.js';
import type { SessionLimitOptions } from './session-limits.js';
import type { SessionOwner } from './session-owner.js';
import type { EvictionReason } from './sessions-stats.js';

/** A session whose client was away, and that ends to make room. */
export interface Eviction {
  session: Session;
  reason: EvictionReason;
  owner: SessionOwner | undefined;
  awaySec: number;
  /** That are lost with it. */
  messages: number;
}

/** Limits, and what is told of sessions. */
export interface SessionsOptions extends SessionLimitOptions, SessionEvents {}

export interface SessionEvents {
  /** The mqueue of a session has reached its high watermark (raised), or is down to the low one again. It must not throw. */
  onAlarm?: (session: Session, raised: boolean) => void;
  /** A session is about to end, as there is no room for it. It must not throw. */
  onEvict?: (eviction: Eviction) => void;
  /** A session has ended, for whatever cause. It must not throw. */
  onEnd?: (clientId: string) => void;
}
