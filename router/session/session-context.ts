import type { SessionLimits } from './session-limits.js';
import type { SessionFlow, SessionStore } from './session-store.js';
import type { SessionDropReason } from './sessions-stats.js';

/** A session, as the registry that it belongs to is told of it. */
interface SessionKey {
  readonly clientId: string;
}

/** The part that a session needs of its registry; see Sessions. */
export interface SessionContext {
  /** Seconds of the session clock. */
  readonly nowSec: number;
  readonly limits: SessionLimits;
  readonly store: SessionStore;
  readonly counters: { repeated: number; awaitingRelRefused: number; awaitingRelExpired: number };
  /** Whether so many bytes more fit into what all sessions together may have under way. */
  hasBytesFor(bytes: number): boolean;
  countDropped(reason: SessionDropReason, messages: number): void;
  /** The mqueue has reached its high watermark, or is down to the low one again. */
  alarm(session: SessionKey, raised: boolean): void;
  /** A new flow for a session that has none. */
  createFlow(session: SessionKey): SessionFlow;
  removeFlow(session: SessionKey, flow: SessionFlow): void;
}
