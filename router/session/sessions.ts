import type { Qos } from '../message.js';
import type { Subscriber } from '../subscriber.js';
import { AwaySessions, type AwayTier, awayTiers } from './away-sessions.js';
import { MemoryStore } from './memory-store.js';
import { Session } from './session.js';
import type { SessionConnection } from './session-connection.js';
import type { SessionContext } from './session-context.js';
import type { SessionsOptions } from './session-events.js';
import { type SessionLimits, sessionLimits } from './session-limits.js';
import type { SessionOwner } from './session-owner.js';
import type { SessionState } from './session-state.js';
import type { SessionFlow, SessionStore } from './session-store.js';
import type { EvictionReason, SessionDropReason, SessionsStats } from './sessions-stats.js';
import { weightOfSession } from './weight.js';

/** Sessions that expire in one tick, so that 100,000 that were cut together do not stop the loop for long. */
const expiredPerTickMax = 5_000;

/** The part of the router that sessions need, and moving them to other nodes. */
export interface SessionRouter {
  subscribe(filter: string, subscriber: Subscriber, qos: Qos): void;
  logout(subscriber: Subscriber): void;
  retire(subscriber: Subscriber): void;
  loginsOf(subscriber: Subscriber): number;
  subscriptionsOf(subscriber: Subscriber): { filter: string; qos: Qos }[];
  whenInterested(ready: () => void): void;
}

/**
 * All sessions by client id: who takes over whom, which end when, and what all of them together may take. An idle
 * session costs an entry in one Map here; one whose client is away costs an entry in a second.
 */
export class Sessions implements SessionContext {
  /** Seconds of the session clock: the last tick's. */
  nowSec = 0;
  /** In windows and mqueues; flows count themselves in and out. */
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
  readonly #events: Pick<SessionsOptions, 'onAlarm' | 'onEvict' | 'onEnd'>;
  readonly #router: Pick<SessionRouter, 'retire' | 'loginsOf'>;
  readonly #class: new (
    clientId: string,
    clean: boolean,
  ) => Session;
  readonly #byClientId = new Map<string, Session>();
  readonly #away = new AwaySessions();
  /** Sessions with a client and a flow: those that a tick has to look at. */
  readonly #busy = new Set<Session>();
  /** Its client is here, on another connection: it must not make room for anybody. */
  #takingOver: Session | undefined = undefined;
  #persistent = 0;
  #clientsBytes = 0;
  readonly #dropped: Record<SessionDropReason, number> = {
    'mqueue-full': 0,
    'sessions-bytes': 0,
    'qos0-offline': 0,
    connection: 0,
    'session-ended': 0,
    'session-moved': 0,
    'session-evicted': 0,
  };
  readonly #evicted: Record<EvictionReason, number> = {
    'sessions-full': 0,
    'address-full': 0,
    'user-name-full': 0,
  };

  constructor(
    router: Pick<SessionRouter, 'retire' | 'loginsOf'>,
    options: SessionsOptions = {},
    store?: SessionStore,
  ) {
    this.#router = router;
    this.limits = sessionLimits(options);
    this.#events = options;
    this.store = store ?? new MemoryStore();
    this.#class = sessionClass(this);
    for (const { clientId, flow } of this.store.restore(this)) {
      const session = this.#add(clientId, false);
      session.restore(flow);
      this.#away.add(session, this.#tierOf(session), this.nowSec);
    }
  }

  /** Whether `open` may be called. Counts a refusal: all have their clients; one whose client is away makes room. */
  hasRoomFor(clientId: string, clean: boolean): boolean {
    if (!this.#isFull(clean) || this.#away.size > 0) return true;
    const existing = this.#byClientId.get(clientId);
    if (existing !== undefined && (clean || !existing.clean)) return true;
    this.counters.refused++;
    return false;
  }

  /**
   * CONNECT was accepted: takes over, finds or makes the client's session. The caller has asked `hasRoomFor`, and
   * calls `resume` of the session when CONNACK is written.
   * @param owner is asked for where the session outlives its connection
   */
  open(
    clientId: string,
    clean: boolean,
    connection: SessionConnection,
    owner?: () => SessionOwner,
  ): { session: Session; present: boolean } {
    this.#takeOver(clientId);
    const existing = this.#byClientId.get(clientId);
    if (existing !== undefined && clean) {
      this.#end(existing); // [MQTT-3.1.2-6]
      this.counters.discarded++;
    }
    const present = existing !== undefined && !clean; // [MQTT-3.2.2-1], [MQTT-3.2.2-2]
    if (!present) this.#makeRoom(clean);
    const session = present ? existing : this.#add(clientId, clean);
    session.connection = connection;
    if (!clean) this.#away.present(session, owner?.());
    if (!session.idle) this.#busy.add(session);
    return { session, present };
  }

  /** The session's connection has ended. A second call does nothing. */
  detach(session: Session): void {
    if (session.connection === undefined) return;
    session.connection = undefined;
    session.pause();
    this.#busy.delete(session);
    if (session.clean) this.#end(session);
    else this.#leave(session);
  }

  /**
   * The client has connected to another node. Its connection here is closed, and its session ends, as nothing brings
   * it back: what is under way in it is lost, and counted.
   * @returns whether there was a session
   */
  move(clientId: string): boolean {
    const session = this.#byClientId.get(clientId);
    if (session === undefined) return false;
    this.counters.moved++;
    this.#takeOver(clientId);
    if (!session.clean) this.#end(session, 'session-moved'); // a clean one has ended with its connection
    return true;
  }

  /**
   * One with clean session 0 whose client has connected to another node, which gets all that is in it: see `take`.
   * @returns undefined where there is none; it has ended then, if it was a clean one
   */
  depart(clientId: string): Session | undefined {
    this.#takeOver(clientId);
    return this.#byClientId.get(clientId);
  }

  /** All that is in a session whose client is away; it has ended when this returns. */
  take(session: Session): SessionState {
    const owner = this.#away.ownerOf(session);
    const state = { clientId: session.clientId, owner, ...session.take() };
    this.counters.departed++;
    this.#end(session);
    return state;
  }

  /**
   * For a session that comes from another node, and whose client is away; how long it has been is counted anew. It takes
   * messages at once; what was in it there is put in front of them, see `Session.put`.
   * @returns undefined where there is no room
   */
  adopt(clientId: string, owner: SessionOwner | undefined): Session | undefined {
    if (!this.hasRoomFor(clientId, false)) return undefined;
    this.move(clientId); // an older one that was left here
    this.#makeRoom(false);
    const session = this.#add(clientId, false);
    this.#away.present(session, owner);
    this.#away.add(session, awayTiers.noFilters, this.nowSec);
    this.counters.adopted++;
    return session;
  }

  /** The owner of a session that outlives its connection, where that is known. */
  ownerOf(session: Session): SessionOwner | undefined {
    return this.#away.ownerOf(session);
  }

  /** All, for who goes through them within one turn of the loop. */
  get all(): Iterable<Session> {
    return this.#byClientId.values();
  }

  /** Once a second. @param nowSec of a clock that never goes back and was near 0 when this was made */
  tick(nowSec: number): void {
    this.nowSec = nowSec;
    for (const session of this.#busy) session.tick();
    if (this.limits.sessionExpirySec > 0) this.#expire(nowSec - this.limits.sessionExpirySec);
  }

  find(clientId: string): Session | undefined {
    return this.#byClientId.get(clientId);
  }

  /** Messages that did not reach a client that had subscribed to them, for whatever reason. */
  get droppedTotal(): number {
    return Object.values(this.#dropped).reduce((sum, dropped) => sum + dropped, 0);
  }

  stats(): SessionsStats {
    const sessions = this.#byClientId.size;
    return {
      sessions,
      connected: sessions - this.#away.size,
      persistent: this.#persistent,
      clientsBytes: this.#clientsBytes,
      bytes: this.bytes,
      busy: this.#busy.size,
      ...this.counters,
      evicted: { ...this.#evicted },
      dropped: { ...this.#dropped },
    };
  }

  /** @internal */
  hasBytesFor(bytes: number): boolean {
    return this.bytes + bytes <= this.limits.bytesTotalMax;
  }

  /** @internal */
  countDropped(reason: SessionDropReason, messages: number): void {
    this.#dropped[reason] += messages;
  }

  /** @internal */
  alarm(session: Session, raised: boolean): void {
    this.counters.alarms += raised ? 1 : -1;
    if (raised) this.counters.alarmsRaised++;
    this.#events.onAlarm?.(session, raised);
  }

  /** @internal */
  createFlow(session: Session): SessionFlow {
    if (session.connection !== undefined) this.#busy.add(session);
    else this.#away.move(session, awayTiers.messagesWaiting);
    return this.store.create(session.clientId, session.clean, this);
  }

  /** @internal */
  removeFlow(session: Session, flow: SessionFlow): void {
    this.#busy.delete(session);
    this.#away.move(session, this.#tierOf(session));
    this.store.remove(session.clientId, flow);
  }

  #takeOver(clientId: string): void {
    const existing = this.#byClientId.get(clientId);
    if (existing?.connection === undefined) return;
    this.counters.takenOver++;
    this.#takingOver = existing;
    existing.connection.takenOver(); // [MQTT-3.1.4-2]
    this.detach(existing);
    this.#takingOver = undefined;
  }

  #add(clientId: string, clean: boolean): Session {
    const session = new this.#class(clientId, clean);
    this.#byClientId.set(clientId, session);
    if (!clean) this.#persistent++;
    this.#clientsBytes += weightOfSession(clientId, clean);
    return session;
  }

  #leave(session: Session): void {
    this.#away.add(session, this.#tierOf(session), this.nowSec);
    if (session === this.#takingOver) return;
    const { maxAwayPerAddress, maxAwayPerUserName } = this.limits;
    const beyond = this.#away.beyond(session, maxAwayPerAddress, maxAwayPerUserName);
    if (beyond !== undefined) this.#evict(...beyond);
  }

  #tierOf(session: Session): AwayTier {
    if (!session.idle) return awayTiers.messagesWaiting;
    return this.#router.loginsOf(session) > 0 ? awayTiers.nothingWaiting : awayTiers.noFilters;
  }

  #isFull(clean: boolean): boolean {
    const { clientsBytesMax, maxSessions } = this.limits;
    return this.#clientsBytes >= clientsBytesMax || (!clean && this.#persistent >= maxSessions);
  }

  #makeRoom(clean: boolean): void {
    while (this.#isFull(clean)) {
      const { first } = this.#away;
      if (first === undefined) return;
      this.#evict(first, 'sessions-full');
    }
  }

  #evict(session: Session, reason: EvictionReason): void {
    this.#evicted[reason]++;
    const { inflight, queued } = session.pending;
    const awaySec = this.nowSec - this.#away.sinceSec(session)!;
    this.#events.onEvict?.({
      session,
      reason,
      awaySec,
      owner: this.#away.ownerOf(session),
      messages: inflight + queued,
    });
    this.#end(session, 'session-evicted');
  }

  #end(
    session: Session,
    reason: 'session-ended' | 'session-moved' | 'session-evicted' = 'session-ended',
  ): void {
    this.#byClientId.delete(session.clientId);
    this.#away.forget(session);
    if (!session.clean) this.#persistent--;
    this.#clientsBytes -= weightOfSession(session.clientId, session.clean);
    this.#router.retire(session);
    session.end(reason);
    this.#events.onEnd?.(session.clientId);
  }

  #expire(lastSec: number): void {
    let expired = 0;
    while (expired < expiredPerTickMax) {
      const session = this.#away.expired(lastSec);
      if (session === undefined) break;
      this.#end(session);
      expired++;
    }
    this.counters.expired += expired;
  }
}

/** A class for one registry's sessions, so that the registry is no field of each (8 bytes). */
function sessionClass(sessions: Sessions): new (clientId: string, clean: boolean) => Session {
  return class extends Session {
    protected override get sessions(): Sessions {
      return sessions;
    }
  };
}
