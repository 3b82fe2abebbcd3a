import type { Session } from '../../../session/session.js';
import { type DecodedSession, SessionDecoder } from '../../../session/session-encoding.js';
import { SessionGate } from '../../../session/session-gate.js';
import type { SessionOwner } from '../../../session/session-owner.js';
import { type FlowState, messagesIn, type Subscription } from '../../../session/session-state.js';
import { hasWildcard } from '../../../topic-filter.js';
import { insist } from '../calls.js';
import type { ShardError } from '../errors.js';
import { Move, Moves, type MovesParts, moveIdIn } from './moves.js';
import { parcelBytes, unpack } from './parcel.js';

/** A complete move is remembered so long: by then the old node has asked after a move whose end it has not heard. */
const doneKeptMs = 5_000;

/** A move to this node. It waits for its marks, and for what is in the sessions. */
class Arrival extends Move {
  content: Buffer | undefined;
  /** Client ids of sessions that are here, once it is complete. */
  readonly arrived: string[] = [];
}

export interface ArrivalsParts extends MovesParts {
  /** Whether a CONNECT of this client id waits here for its session from that node. */
  readonly isAwaited: (clientId: string, from: string) => boolean;
  /** That node has said something. */
  readonly onHeard: (from: string) => void;
  /** The session of this client id is here, or does not come. */
  readonly onArrived: (clientId: string) => void;
  /** The session of this client id has not come, and is offered again. */
  readonly onFailed: (clientId: string) => void;
  /** Calls back as soon as the session of this client id is not on its way from here. */
  readonly whenDeparted: (clientId: string, then: () => void) => void;
}

/** Sessions that come from another node; see Departures. */
export class Arrivals extends Moves<Arrival> {
  readonly #parts: ArrivalsParts;
  /** The complete moves by their ids, and when the old node has heard of their end; Infinity = it has not. */
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

  /** The client of this session waits no longer. */
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
      // An old node that stops says of each session whether it is still its own. Otherwise their clients have asked for them.
      const passed = parcel.toString('latin1', parcelBytes(parcel));
      const decoder = new SessionDecoder();
      const offered: DecodedSession[] = [];
      for await (const chunk of unpack(shard, `${id}o`, parcel)) offered.push(...decoder.read(chunk));
      // A session may come back before this node has heard that it had arrived there: D is asked for again.
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
      // The old node has given up the older move, and this node has not heard so.
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

  /** Takes all filters of a session or none: limits of this node may be smaller. @returns whether the session goes on here */
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
   * Whether the session came too late for its client's CONNECT, which has found no session, and has subscribed anew. Where
   * another user has connected it is not late: nothing that waited in it is for that user.
   */
  #isLateFor(present: Session, owner: SessionOwner | undefined): boolean {
    if (present.endsWithConnection) return false;
    return owner?.userName === this.here.sessions.ownerOf(present)?.userName;
  }

  #takesMore(clientId: string): boolean {
    return !this.nodes.stopping && !this.has(clientId);
  }

  /**
   * Sets a mark on each server that carries anything for the sessions. The server of their client ids is the last; its mark
   * also names the servers that have none: a server that is away carries nothing at present.
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
   * Sets one mark. If the connection breaks, the old node alone may have heard the mark, and messages before a second mark
   * would be nobody's: so the move begins again.
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

  /**
   * Puts what was in the sessions in front of what has come since the mark: all or nothing, as a move that is given up is
   * offered again.
   */
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
    // The sessions that are left have ended on their old node in the meantime.
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

  /** Ends a session here. It is the old node's, with what has come since the mark; if that node is gone, nobody's. */
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

/** Delivers to a session that goes on, as new messages: its client was told that nothing is known of the old session. */
function deliverLate(session: Session, { inflight, queued }: FlowState): void {
  for (const { message, options } of [...inflight, ...queued])
    if (message !== undefined) session.deliver(message, options);
}
