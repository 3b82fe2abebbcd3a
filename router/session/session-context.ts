import type { SessionLimits } from './session-limits.js';
import type { FlowTotal, SessionFlow, SessionStore } from './session-store.js';
import type { EvictionReason, SessionDropReason, SessionsStats } from './sessions-stats.js';

/** A session in reports to the registry. */
export interface SessionKey {
  readonly clientId: string;
  readonly endsWithConnection: boolean;
}

/** Reports of sessions about their messages. Must not throw. */
export interface FlowEvents {
  /** An idle session has its first message. */
  onBusy(session: SessionKey): void;
  /** The session has no messages any more. */
  onIdle(session: SessionKey): void;
  /** The mqueue has reached its high watermark (raised), or its low one again. */
  onAlarm?(session: SessionKey, raised: boolean): void;
}

/** Parts that sessions share: clock, limits, store and counters. Each session has them on its class, see Sessions. */
export class SessionContext implements FlowTotal {
  /** Second of the session clock at the last tick. */
  nowSec = 0;
  /** Bytes in windows and mqueues. Flows add and subtract theirs. */
  bytes = 0;
  readonly limits: SessionLimits;
  readonly store: SessionStore;
  readonly counters = {
    takenOver: 0,
    moved: 0,
    departed: 0,
    adopted: 0,
    expired: 0,
    discarded: 0,
    refused: 0,
    repeated: 0,
    awaitingRelRefused: 0,
    awaitingRelExpired: 0,
    alarms: 0,
    alarmsRaised: 0,
  };
  readonly dropped: Record<SessionDropReason, number> = {
    'mqueue-full': 0,
    'sessions-bytes': 0,
    'qos0-offline': 0,
    connection: 0,
    'not-allowed': 0,
    'session-ended': 0,
    'session-moved': 0,
    'session-evicted': 0,
  };
  readonly evicted: Record<EvictionReason, number> = {
    'sessions-full': 0,
    'address-full': 0,
    'user-name-full': 0,
  };
  readonly #events: FlowEvents;

  constructor(limits: SessionLimits, store: SessionStore, events: FlowEvents) {
    this.limits = limits;
    this.store = store;
    this.#events = events;
  }

  /** Whether so many more bytes fit into the limit of all sessions. */
  hasBytesFor(bytes: number): boolean {
    return this.bytes + bytes <= this.limits.bytesTotalMax;
  }

  countDropped(reason: SessionDropReason, messages: number): void {
    this.dropped[reason] += messages;
  }

  /** @param sessions the number of all sessions; `away` and `busy` are the numbers of those among them */
  stats(
    { persistent, bytes: clientsBytes }: { readonly persistent: number; readonly bytes: number },
    sessions: number,
    away: number,
    busy: number,
  ): SessionsStats {
    return {
      sessions,
      connected: sessions - away,
      persistent,
      clientsBytes,
      bytes: this.bytes,
      busy,
      ...this.counters,
      evicted: { ...this.evicted },
      dropped: { ...this.dropped },
    };
  }

  alarm(session: SessionKey, raised: boolean): void {
    this.counters.alarms += raised ? 1 : -1;
    if (raised) this.counters.alarmsRaised++;
    this.#events.onAlarm?.(session, raised);
  }

  /** A new flow for a session without one. */
  createFlow(session: SessionKey): SessionFlow {
    this.#events.onBusy(session);
    return this.store.create(session.clientId, session.endsWithConnection, this);
  }

  removeFlow(session: SessionKey, flow: SessionFlow): void {
    this.#events.onIdle(session);
    this.store.remove(session.clientId, flow);
  }
}
