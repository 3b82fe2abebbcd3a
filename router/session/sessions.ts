import { type AwayTier, awayTiers } from './away-session.js';
import { AwaySessions } from './away-sessions.js';
import { MemoryStore } from './memory-store.js';
import type { Session } from './session.js';
import { SessionCapacity } from './session-capacity.js';
import { type SessionClass, sessionClass } from './session-class.js';
import type { SessionConnection } from './session-connection.js';
import { SessionContext } from './session-context.js';
import type { SessionsOptions } from './session-events.js';
import { type SessionLimits, sessionLimits } from './session-limits.js';
import type { SessionOwner } from './session-owner.js';
import type { SessionRouter } from './session-router.js';
import type { SessionStore, StoredSession } from './session-store.js';
import { keptTerms, type SessionTerms } from './session-terms.js';
import type { EvictionReason, SessionDropReason, SessionsStats } from './sessions-stats.js';

/** Most sessions that expire in one tick, so that 100,000 that were cut together do not stop the loop for long. */
const expiredPerTickMax = 5_000;

/**
 * All sessions by client id: takeovers, ends, and common limits. An idle session takes an entry in one Map here; a
 * session of an absent client takes an entry in a second one.
 */
export class Sessions {
  readonly counters: SessionContext['counters'];
  readonly limits: SessionLimits;
  readonly #context: SessionContext;
  readonly #capacity: SessionCapacity;
  readonly #events: Pick<SessionsOptions, 'onEvict' | 'onEnd'>;
  readonly #router: Pick<SessionRouter, 'retire' | 'loginsOf' | 'subscribe'>;
  readonly #class: SessionClass;
  readonly #byClientId = new Map<string, Session>();
  readonly #away: AwaySessions;
  /** Sessions with a client and a flow, which each tick visits. */
  readonly #busy = new Set<Session>();
  /** A session whose client is being taken over: it must not end to make room. */
  #takingOver: Session | undefined = undefined;

  constructor(
    router: Pick<SessionRouter, 'retire' | 'loginsOf' | 'subscribe'>,
    options: SessionsOptions = {},
    store: SessionStore = new MemoryStore(),
  ) {
    this.#router = router;
    this.#events = options;
    this.limits = sessionLimits(options);
    this.#context = new SessionContext(this.limits, store, {
      onBusy: (session: Session) => this.#noteBusy(session),
      onIdle: (session: Session) => this.#noteIdle(session),
      ...(options.onAlarm && { onAlarm: options.onAlarm }),
    });
    this.counters = this.#context.counters;
    this.#capacity = new SessionCapacity(this.limits);
    this.#away = new AwaySessions(this.limits.sessionExpirySec || Infinity);
    this.#class = sessionClass(this.#context);
    for (const stored of store.restore(this.#context)) this.#restore(stored);
  }

  /** Second of the session clock at the last tick. */
  get nowSec(): number {
    return this.#context.nowSec;
  }

  /** Bytes in windows and mqueues. */
  get bytes(): number {
    return this.#context.bytes;
  }

  /** Whether `open` may be called. A session of an absent client makes room; if there is none, counts a refusal. */
  hasRoomFor(clientId: string, { endsWithConnection }: SessionTerms): boolean {
    if (!this.#capacity.isFull(endsWithConnection) || this.#away.size > 0) return true;
    const existing = this.#byClientId.get(clientId);
    if (existing !== undefined && (endsWithConnection || !existing.endsWithConnection)) return true;
    this.counters.refused++;
    return false;
  }

  /**
   * CONNECT is accepted: takes over, finds or makes the client's session. The caller has called `hasRoomFor`, and calls
   * `resume` of the session after CONNACK.
   * @param owner called for a session that outlives its connection
   */
  open(
    clientId: string,
    { startClean, endsWithConnection, expirySec }: SessionTerms,
    connection: SessionConnection,
    owner?: () => SessionOwner,
  ): { session: Session; present: boolean } {
    this.#takeOver(clientId);
    const existing = this.#byClientId.get(clientId);
    if (existing !== undefined && startClean) {
      this.#end(existing); // [MQTT-3.1.2-6]
      this.counters.discarded++;
    }
    const present = existing !== undefined && !startClean; // [MQTT-3.2.2-1], [MQTT-3.2.2-2]
    if (!present) this.#makeRoom(endsWithConnection);
    const session = present ? existing : this.#add(clientId, endsWithConnection);
    session.connection = connection;
    if (present || !endsWithConnection) this.#away.present(session, owner?.());
    if (present || expirySec !== undefined) this.setTerms(session, endsWithConnection, expirySec);
    if (session.storesFirst) this.#context.store.keep(clientId, this.ownerOf(session), expirySec);
    if (!session.idle) this.#busy.add(session);
    return { session, present };
  }

  /**
   * Changes the end of a session, as its client says in CONNECT or DISCONNECT.
   * @param session with a connected client @param expirySec its own; undefined = that of all others
   */
  setTerms(session: Session, endsWithConnection: boolean, expirySec?: number): void {
    this.#away.setExpiry(session, endsWithConnection ? undefined : expirySec);
    if (session.endsWithConnection === endsWithConnection) return;
    this.#capacity.remove(session);
    if (endsWithConnection) this.#context.store.forget(session.clientId);
    session.endsWithConnection = endsWithConnection;
    this.#capacity.add(session);
  }

  /** The session's connection has ended. A second call has no effect. */
  detach(session: Session): void {
    if (session.connection === undefined) return;
    session.connection = undefined;
    session.pause();
    this.#busy.delete(session);
    if (session.endsWithConnection) this.#end(session);
    else this.#leave(session);
  }

  /** The client is at another node: closes its connection here, and ends its session. @returns whether it had one */
  move(clientId: string): boolean {
    const session = this.#byClientId.get(clientId);
    if (session === undefined) return false;
    this.counters.moved++;
    this.#takeOver(clientId);
    if (!session.endsWithConnection) this.#end(session, 'session-moved'); // other sessions have ended already
    return true;
  }

  /**
   * The session of a client that has connected to another node, which then gets its messages: see `departed`.
   * @returns undefined if no session outlives its connection; another one has ended
   */
  depart(clientId: string): Session | undefined {
    this.#takeOver(clientId);
    return this.#byClientId.get(clientId);
  }

  /** Another node has the session of an absent client, with all that was taken out of it: it ends here. */
  departed(session: Session): void {
    this.counters.departed++;
    this.#end(session);
  }

  /**
   * Makes a session that comes from another node; its client is absent, and its expiry begins anew. It takes messages
   * at once. `Session.put` puts its earlier messages in front of them.
   * @param expirySec its own @returns undefined if there is no room
   */
  adopt(clientId: string, owner: SessionOwner | undefined, expirySec?: number): Session | undefined {
    if (!this.hasRoomFor(clientId, keptTerms)) return undefined;
    this.move(clientId); // an older session that was left here
    this.#makeRoom(false);
    this.counters.adopted++;
    return this.#makeAbsent(this.#add(clientId, false), owner, expirySec);
  }

  /** The owner of a session that outlives its connection, if known. */
  ownerOf(session: Session): SessionOwner | undefined {
    return this.#away.ownerOf(session);
  }

  /** Ends the session of an absent client. Its messages are lost, and counted. */
  discard(session: Session): void {
    this.counters.discarded++;
    this.#end(session);
  }

  /** Tells when sessions expire, and since when clients are absent. */
  get away(): Pick<AwaySessions, 'expiryOf' | 'sinceSec'> {
    return this.#away;
  }

  /** All sessions. A walk may pause: it misses no session that is there all the time. */
  get all(): Iterable<Session> {
    return this.#byClientId.values();
  }

  /** Called once a second. @param nowSec of a clock that never goes back and was near 0 when this was made */
  tick(nowSec: number): void {
    this.#context.nowSec = nowSec;
    for (const session of this.#busy) session.tick();
    for (let n = 0; n < expiredPerTickMax; n++) {
      const session = this.#away.expired(nowSec);
      if (session === undefined) break;
      this.#end(session);
      this.counters.expired++;
    }
  }

  find(clientId: string): Session | undefined {
    return this.#byClientId.get(clientId);
  }

  /** Messages that did not reach a subscribed client, for any reason. */
  get droppedTotal(): number {
    return Object.values(this.#context.dropped).reduce((sum, dropped) => sum + dropped, 0);
  }

  stats(): SessionsStats {
    return this.#context.stats(this.#capacity, this.#byClientId.size, this.#away.size, this.#busy.size);
  }

  #restore({ clientId, flow, owner, expirySec, subscriptions = [] }: StoredSession): void {
    const session = this.#add(clientId, false);
    for (const { filter, options } of subscriptions) this.#router.subscribe(filter, session, options);
    if (flow !== undefined) session.restore(flow);
    this.#makeAbsent(session, owner, expirySec);
  }

  /** Its client is absent from now on, and its expiry begins anew. */
  #makeAbsent(session: Session, owner: SessionOwner | undefined, expirySec: number | undefined): Session {
    this.#away.setExpiry(session, expirySec);
    this.#away.present(session, owner);
    this.#away.add(session, this.#tierOf(session), this.nowSec);
    return session;
  }

  #noteBusy(session: Session): void {
    if (session.connection !== undefined) this.#busy.add(session);
    else this.#away.move(session, awayTiers.messagesWaiting);
  }

  #noteIdle(session: Session): void {
    this.#busy.delete(session);
    this.#away.move(session, this.#tierOf(session));
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

  #add(clientId: string, endsWithConnection: boolean): Session {
    const session = new this.#class(clientId, endsWithConnection);
    this.#byClientId.set(clientId, session);
    this.#capacity.add(session);
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

  #makeRoom(endsWithConnection: boolean): void {
    while (this.#capacity.isFull(endsWithConnection)) {
      const { first } = this.#away;
      if (first === undefined) return;
      this.#evict(first, 'sessions-full');
    }
  }

  #evict(session: Session, reason: EvictionReason): void {
    this.#context.evicted[reason]++;
    const { inflight, queued } = session.pending;
    const awaySec = this.nowSec - this.#away.sinceSec(session)!;
    const owner = this.ownerOf(session);
    this.#events.onEvict?.({ session, reason, awaySec, owner, messages: inflight + queued });
    this.#end(session, 'session-evicted');
  }

  #end(session: Session, reason: SessionDropReason = 'session-ended'): void {
    this.#byClientId.delete(session.clientId);
    this.#away.forget(session);
    this.#capacity.remove(session);
    this.#router.retire(session);
    session.end(reason);
    if (!session.endsWithConnection) this.#context.store.forget(session.clientId);
    this.#events.onEnd?.(session.clientId);
  }
}
