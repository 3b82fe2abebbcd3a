import type { Session } from '../../../session/session.js';
import { type DecodedSession, SessionDecoder } from '../../../session/session-encoding.js';
import { SessionGate } from '../../../session/session-gate.js';
import type { SessionOwner } from '../../../session/session-owner.js';
import { type FlowState, messagesIn, type Subscription } from '../../../session/session-state.js';
import { hasWildcard } from '../../../topic-filter.js';
import type { ShardError } from '../errors.js';
import { insist } from './calls.js';
import { Move, Moves, type MovesParts, moveIdIn } from './moves.js';
import { parcelBytes, unpack } from './parcel.js';

/** A connection on which the end of a move was lost has been noticed by then, and the old node has asked after it. */
const doneKeptMs = 5_000;

/** Waits for marks, and for what is in the sessions. */
class Arrival extends Move {
  content: Buffer | undefined;
  /** Client ids of sessions that are here, once it is complete. */
  readonly arrived: string[] = [];
}

export interface ArrivalsParts extends MovesParts {
  /** Whether its client is here, and its CONNECT waits for a session from there. */
  readonly isAwaited: (clientId: string, from: string) => boolean;
  /** Something comes of that node. */
  readonly onHeard: (from: string) => void;
  /** Its session is here, or does not come. */
  readonly onArrived: (clientId: string) => void;
  /** It has not come, and is offered again. */
  readonly onFailed: (clientId: string) => void;
  /** Calls back when its session is not on its way from here, at once where it is not. */
  readonly whenDeparted: (clientId: string, then: () => void) => void;
}

/** Sessions that come from another node; see Departures. */
export class Arrivals extends Moves<Arrival> {
  readonly #parts: ArrivalsParts;
  /** Complete, by their ids, and when the old node has heard so; Infinity = it has not. */
  readonly #done = new Map<string, { readonly move: Arrival; heardMs: number }>();

  constructor(parts: ArrivalsParts) {
    super(parts);
    this.#parts = parts;
    this.nodes.on('O', (from, body) => void this.#hearOffer(from, body));
    this.nodes.on('S', (from, body) => this.#hearContent(from, body));
  }

  override forget(run: string): void {
    super.forget(run);
    for (const [id, { move }] of this.#done) if (move.other === run) this.#done.delete(id);
  }

  override tick(nowMs: number, stalledMs: number): void {
    super.tick(nowMs, stalledMs);
    for (const [id, { heardMs }] of this.#done) if (nowMs - heardMs > doneKeptMs) this.#done.delete(id);
  }

  override hearQuestion(id: string): boolean {
    this.#sayDone(id);
    return this.#done.has(id) || super.hearQuestion(id);
  }

  /**
   * Sessions that are not here by now do not come. Where the old node lives, it has all of them, and offers them again;
   * CONNECTs wait for that as long as they may.
   */
  override giveUp(move: Arrival, isOtherHere = false, isAgain = false): void {
    if (this.byId.get(move.id) !== move) return;
    this.byId.delete(move.id);
    for (const clientId of [...move.sessions.keys()]) {
      this.#discard(move, clientId);
      if (isAgain) continue;
      if (isOtherHere) this.#parts.onFailed(clientId);
      else this.#parts.onArrived(clientId);
    }
    this.tellUnknown(move, isAgain);
  }

  /** Its client waits no longer. */
  dismiss(clientId: string): void {
    const move = this.moveOf(clientId);
    if (move !== undefined) this.giveUp(move, true);
  }

  protected override onMarked(move: Arrival): void {
    this.#mayPut(move);
  }

  protected override question(move: Arrival): Buffer {
    return this.nodes.word('P', move.id, Buffer.of(move.content === undefined ? 0 : 1));
  }

  async #hearOffer(from: string, body: Buffer): Promise<void> {
    const [id, rest] = moveIdIn(body);
    const home = rest[0] ?? 0;
    const shard = this.shards[home];
    this.#parts.onHeard(from);
    if (shard === undefined || this.byId.has(id) || this.#done.has(id)) return;
    const parcel = rest.subarray(1);
    const move = new Arrival(id, from, home, this.shards.length);
    this.byId.set(id, move);
    move.heardMs = move.askedMs = performance.now();
    try {
      // Where the old node stops: whether it is still its own. Else their clients have asked for them.
      const passed = parcel.toString('latin1', parcelBytes(parcel));
      const decoder = new SessionDecoder();
      const offered: DecodedSession[] = [];
      for await (const chunk of unpack(shard, `${id}o`, parcel)) offered.push(...decoder.read(chunk));
      // It comes back, and that it had arrived there is not heard yet: D is asked for again.
      for (const { clientId } of offered)
        await new Promise<void>((resolve) => this.#parts.whenDeparted(clientId, resolve));
      if (this.byId.get(id) !== move) return;
      const free = passed === '' ? offered : offered.filter((_, n) => passed[n] === '1');
      this.#adopt(move, free, passed === '');
    } catch {
      this.giveUp(move, true);
    }
  }

  #adopt(move: Arrival, offered: readonly DecodedSession[], askedFor: boolean): void {
    for (const { clientId, owner, expirySec, subscriptions } of offered) {
      const { sessions } = this.here;
      // The old node has given that up, unheard.
      const older = this.moveOf(clientId);
      if (older?.other === move.other) this.#discard(older, clientId, true);
      const present = sessions.find(clientId);
      const mayAdopt = askedFor
        ? this.#parts.isAwaited(clientId, move.other)
        : present === undefined && this.#takesMore(clientId);
      if (mayAdopt) {
        const session = sessions.adopt(clientId, owner, expirySec);
        if (session === undefined || !this.#takesFilters(move, session, subscriptions))
          this.#parts.onArrived(clientId);
      } else if (present !== undefined && this.#isLateFor(present, owner) && this.#takesMore(clientId)) {
        this.add(move, clientId, { session: present, subscriptions: [], gate: undefined });
      }
    }
    if (move.sessions.size === 0) return this.#complete(move);
    this.here.router.whenInterested(() => void this.#setMarks(move).catch(() => this.giveUp(move, true)));
  }

  /** All of them or none: limits of this node may be smaller. @returns whether the session goes on here */
  #takesFilters(move: Arrival, session: Session, subscriptions: readonly Subscription[]): boolean {
    const gate = new SessionGate((id) => move.marked[this.shardOf(id)]!, session);
    try {
      this.add(move, session.clientId, { session, subscriptions, gate });
      return true;
    } catch {
      this.here.router.retire(gate);
      this.here.sessions.move(session.clientId);
      return false;
    }
  }

  /**
   * It came too late for its client's CONNECT, which has found no session, and has subscribed anew. Not where another user
   * has connected: nothing that waited in it is for that one.
   */
  #isLateFor(present: Session, owner: SessionOwner | undefined): boolean {
    if (present.endsWithConnection) return false;
    return owner?.userName === this.here.sessions.ownerOf(present)?.userName;
  }

  #takesMore(clientId: string): boolean {
    return !this.nodes.stopping && !this.has(clientId);
  }

  /**
   * By each server that carries anything for them. The last one is that of their client ids, which says of the others that
   * there is no mark: one that is away carries nothing at present.
   */
  async #setMarks(move: Arrival): Promise<void> {
    const carrying = new Set<number>();
    for (const { subscriptions } of move.sessions.values())
      for (const { filter } of subscriptions) {
        if (hasWildcard(filter)) for (const shard of this.shards.keys()) carrying.add(shard);
        else carrying.add(this.shardOf(filter));
      }
    carrying.delete(move.home);
    const unmarked = [...this.shards.keys()].filter((shard) => shard !== move.home && !carrying.has(shard));
    await Promise.all(
      [...carrying].map(async (shard) => {
        if (!(await this.#mark(move, shard, [shard]).catch(() => false))) unmarked.push(shard);
      }),
    );
    if (this.byId.get(move.id) !== move) return;
    if (!(await this.#mark(move, move.home, [move.home, ...unmarked]))) this.giveUp(move, true);
  }

  /**
   * Where the connection breaks, it may be that the old node alone hears the mark, and what comes until a second one would be
   * nobody's: so all begins again.
   * @returns whether both nodes hear it @throws ShardError nobody does
   */
  async #mark(move: Arrival, index: number, marked: readonly number[]): Promise<boolean> {
    const shard = this.shards[index]!;
    const word = this.nodes.word('M', move.id, Buffer.from(marked));
    const isUnderWay = () => this.byId.get(move.id) === move;
    const heard = await insist(
      async () => {
        const isSent = shard.open;
        try {
          return await shard.call('mark', [this.nodes.run, move.other, word]);
        } catch (error) {
          if (isSent && (error as ShardError).kind === 'away') this.giveUp(move, false, true);
          throw error;
        }
      },
      (both) => both === 1,
      () => shard.carries && isUnderWay(),
    );
    return heard === 1;
  }

  #hearContent(from: string, body: Buffer): void {
    const [id, content] = moveIdIn(body);
    const move = this.byId.get(id);
    if (move?.other !== from || move.content !== undefined) return;
    move.heardMs = performance.now();
    move.content = Buffer.from(content);
    this.#mayPut(move);
  }

  #mayPut(move: Arrival): void {
    if (move.content !== undefined && move.isMarked)
      this.#put(move, move.content).catch(() => this.giveUp(move, true));
  }

  /** In front of what has come since the mark. All or nothing: what is given up is offered again. */
  async #put(move: Arrival, parcel: Buffer): Promise<void> {
    const decoder = new SessionDecoder();
    const states: DecodedSession[] = [];
    for await (const chunk of unpack(this.shards[move.home]!, `${move.id}s`, parcel))
      states.push(...decoder.read(chunk));
    if (this.byId.get(move.id) !== move) return;
    this.byId.delete(move.id);
    for (const state of states) {
      const moving = move.sessions.get(state.clientId);
      if (moving === undefined) continue;
      move.arrived.push(state.clientId);
      const { session, gate } = moving;
      if (!this.isStillHere(session)) session.sessions.countDropped('session-ended', messagesIn(state));
      else if (gate === undefined || session.connection !== undefined) deliverLate(session, state);
      else session.put(state);
      this.settle(move, state.clientId);
      this.#parts.onArrived(state.clientId);
    }
    // Those that ended on their old node in the meantime.
    for (const clientId of [...move.sessions.keys()]) {
      if (move.sessions.get(clientId)!.gate !== undefined) this.lose(clientId, move.other);
      this.settle(move, clientId);
      this.#parts.onArrived(clientId);
    }
    this.#complete(move);
  }

  /** The old node hears which sessions are here. The others are refused. */
  #complete(move: Arrival): void {
    this.byId.delete(move.id);
    this.#done.set(move.id, { move, heardMs: Infinity });
    this.#sayDone(move.id);
  }

  /** It is the old node's, with what has come here since the mark; where that node is gone, nobody's. */
  #discard(move: Arrival, clientId: string, isNext = false): void {
    const { session, gate } = move.sessions.get(clientId)!;
    if (gate !== undefined && this.isStillHere(session)) {
      if (this.nodes.isHere(move.other)) session.take();
      this.lose(clientId, move.other);
    }
    this.settle(move, clientId, isNext);
    if (move.sessions.size === 0) this.byId.delete(move.id);
  }

  #sayDone(id: string): void {
    const done = this.#done.get(id);
    if (done === undefined) return;
    this.tell(done.move, 'D', done.move.arrived.join('\0')).then(
      (isHeard) => {
        if (isHeard) done.heardMs = performance.now();
      },
      () => {}, // it asks
    );
  }
}

/** To a session that goes on: as new messages, as its client has been told that nothing is known of the old one. */
function deliverLate(session: Session, { inflight, queued }: FlowState): void {
  for (const { message, options } of [...inflight, ...queued])
    if (message !== undefined) session.deliver(message, options);
}
