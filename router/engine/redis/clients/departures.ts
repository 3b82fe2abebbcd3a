import type { Session } from '../../../session/session.js';
import { encodeSessions } from '../../../session/session-encoding.js';
import { Overlap, SessionGate } from '../../../session/session-gate.js';
import type { FlowState } from '../../../session/session-state.js';
import type { HandedOver } from '../../cluster.js';
import { inBatches, insist } from '../calls.js';
import { Move, Moves, type MovesParts, type MovingSession, moveIdBytes, moveIdIn } from './moves.js';
import { pack } from './parcel.js';

/** Most sessions of one move. */
const batchMax = 100;
/** Nodes that are asked to take the sessions of one that stops, one after the other. */
const triesMax = 3;
/** A node that stops gives sessions away for so long; 1,000 sessions with little in them take less than a second. */
const giveAwayMsMax = 20_000;

interface Leaving extends MovingSession {
  readonly overlap: Overlap;
  /** All that was in the session when the last mark came. */
  content?: FlowState;
}

class Departure extends Move<Leaving> {
  /** Called with the client ids that stay, when the move is over; undefined = the clients have asked for their sessions. */
  onOver: ((left: readonly string[]) => void) | undefined;
  readonly left: string[] = [];
  /** The word that has their content, once the other node has been told. */
  parcel: Buffer | undefined;
}

/** Why a session has not gone over; 'failed' = the other node has not said. */
export type Setback = 'refused' | 'mark-lost' | 'failed';

export interface DeparturesParts extends MovesParts {
  /** The session is still here. @param other run of the node that it was to go to */
  readonly onBack: (session: Session, setback: Setback, other: string) => void;
}

/**
 * Sessions that go to another node, as their old node O sees it. Both hear a mark at the same point of the order of each
 * server: what was published before it goes over, what comes behind it is the new node's.
 *
 *     O   closes the connection; a gate takes the session's place;   ── O client id, filters ──> N   adopts it, subscribes
 *     N   once that is in effect, for each server:                   ── M ──> O and N
 *     O   at the last mark takes out what is in it                   ── S window, queue, packet ids ──> N
 *     N   puts that in front of what has come since                  ── D client ids ──> O   ends those
 *
 * Until D it is O's: whatever fails before, O has the session as if nothing had happened, and offers it again.
 */
export class Departures extends Moves<Departure> {
  readonly #parts: DeparturesParts;
  #number = 0;
  /** Moves that are not offered yet, by the run of the other node and the shard. */
  readonly #ofThisTurn = new Map<string, Departure>();

  constructor(parts: DeparturesParts) {
    super(parts);
    this.#parts = parts;
    this.nodes.on('D', (from, body) => this.#hearDone(from, body));
  }

  /** The client of a session has connected to another node, and to this one no longer. */
  depart(to: string, session: Session): void {
    const key = `${to}${this.shardOf(session.clientId)}`;
    const begun = this.#ofThisTurn.get(key);
    // The move may have been given up in this turn.
    const isOpen = begun !== undefined && this.byId.has(begun.id) && begun.sessions.size < batchMax;
    if (isOpen) return this.#take(begun, session);
    const move = this.#begin(to, [session]);
    this.#ofThisTurn.set(key, move);
    setImmediate(() => {
      if (this.#ofThisTurn.get(key) === move) this.#ofThisTurn.delete(key);
      if (!this.byId.has(move.id)) return;
      void this.#offer(move, async (...parts) => {
        if (!(await this.tell(move, 'O', ...parts))) this.giveUp(move);
      });
    });
  }

  /** This node stops: gives its sessions to nodes that stay. */
  async giveAway(): Promise<HandedOver> {
    const { sessions } = this.here;
    const departedBefore = sessions.stats().departed;
    await this.nodes.stop();
    const untilMs = performance.now() + giveAwayMsMax;
    const byHome = this.shards.map((): Session[] => []);
    for (const session of this.#staying()) byHome[this.shardOf(session.clientId)]!.push(session);
    for (const some of byHome)
      for (const batch of inBatches(some, batchMax)) await this.#give(batch, untilMs);
    await Promise.all([...this.byId.values()].map((move) => this.#over(move, untilMs)));
    const left = this.#staying();
    return {
      adopted: sessions.stats().departed - departedBefore,
      lost: left.length,
      messagesLost: left.reduce((sum, { pending }) => sum + pending.inflight + pending.queued, 0),
    };
  }

  override giveUp(move: Departure, isOtherHere = false, isAgain = false): void {
    if (this.byId.get(move.id) !== move) return;
    if (!isOtherHere) this.tellUnknown(move, isAgain);
    for (const clientId of [...move.sessions.keys()])
      this.#comeBack(move, clientId, isAgain ? 'mark-lost' : 'failed');
  }

  /** Keeps a session here, whose client goes on with it. */
  recall(clientId: string): void {
    const move = this.moveOf(clientId);
    if (move !== undefined) this.#stay(move, clientId);
  }

  protected override onMarked(move: Departure): void {
    this.#send(move).catch(() => this.giveUp(move));
  }

  override hearQuestion(id: string, hasContent: boolean): boolean {
    const move = this.byId.get(id);
    if (move !== undefined && !hasContent) this.#tellContent(move);
    return super.hearQuestion(id);
  }

  /** Sessions that have outlived their connections. */
  #staying(): Session[] {
    const { sessions, clientIds } = this.here;
    return clientIds()
      .map((clientId) => sessions.find(clientId)!)
      .filter(({ endsWithConnection, clientId }) => !endsWithConnection && !this.has(clientId));
  }

  /** Offers sessions to one node that stays after the other, until one takes them. @param batch of one shard */
  async #give(batch: readonly Session[], untilMs: number): Promise<void> {
    let left = batch.filter((session) => this.isStillHere(session));
    const { hosts } = this.nodes;
    for (let tried = 0; tried < Math.min(triesMax, hosts.length) && left.length > 0; tried++) {
      if (performance.now() > untilMs) return;
      const to = hosts[this.#number % hosts.length]!;
      const move = this.#begin(to, left);
      const over = this.#over(move, untilMs);
      void this.#offer(move, async (...parts) => {
        const clientIds = [...move.sessions.keys()];
        // That node has them from now on, unless somebody has claimed one in this moment.
        const word = this.nodes.word('O', move.id, ...parts);
        const passed = await this.#pass(move.home, this.nodes.run, to, clientIds, word);
        for (const [n, clientId] of clientIds.entries()) if (passed[n] !== '1') this.#stay(move, clientId);
      });
      const refused = new Set(await over);
      left = left.filter(({ clientId }) => refused.has(clientId) && !this.has(clientId));
      if (left.length === 0) return;
      await this.#pass(move.home, to, this.nodes.run, [...refused]).catch(() => {});
      // That node may have released them before: they are nobody's then.
      const keys = left.flatMap((session) => [session.clientId, this.here.userOf(session).key]);
      await insist(() => this.shards[move.home]!.callBegun('keep', keys)).catch(() => {});
    }
  }

  /** Waits for the end of a move. Sessions that have not arrived by then stay. @returns their client ids */
  #over(move: Departure, untilMs: number): Promise<readonly string[]> {
    return new Promise((resolve) => {
      const end = (left: readonly string[]) => {
        clearTimeout(timeout);
        resolve(left);
      };
      const waitMs = Math.max(0, untilMs - performance.now());
      const timeout = setTimeout(() => {
        this.giveUp(move);
        end(move.left);
      }, waitMs);
      move.onOver = end;
    });
  }

  /** Gives client ids to another node. @param word that it hears @returns see clients.lua @throws ShardError */
  async #pass(
    home: number,
    from: string,
    to: string,
    clientIds: readonly string[],
    word: Buffer | '' = '',
  ): Promise<string> {
    return String(await insist(() => this.shards[home]!.callBegun('pass', [from, to, word, ...clientIds])));
  }

  #begin(to: string, sessions: readonly Session[]): Departure {
    const home = this.shardOf(sessions[0]!.clientId);
    const id = this.nodes.run + (this.#number++).toString(16).padStart(moveIdBytes - 16, '0');
    const move = new Departure(id, to, home, this.shards.length);
    this.byId.set(id, move);
    for (const session of sessions) this.#take(move, session);
    return move;
  }

  #take(move: Departure, session: Session): void {
    const overlap = new Overlap(session.sessions);
    const gate = new SessionGate((id) => !move.marked[this.shardOf(id)], session, overlap);
    const subscriptions = this.here.router.subscriptionsOf(session);
    const leaving: Leaving = { session, gate, subscriptions, overlap };
    this.add(move, session.clientId, leaving);
  }

  async #offer(move: Departure, send: (...parts: Buffer[]) => Promise<void>): Promise<void> {
    const { sessions } = this.here;
    const offered = [...move.sessions].map(([clientId, { session, subscriptions }]) => {
      const [owner, expirySec] = [sessions.ownerOf(session), sessions.away.expiryOf(session)];
      return { clientId, owner, expirySec, subscriptions };
    });
    try {
      const parcel = await pack(this.shards[move.home]!, `${move.id}o`, encodeSessions(offered));
      await send(Buffer.of(move.home), parcel);
      move.askedMs = performance.now();
      if (move.parcel === undefined) move.heardMs = move.askedMs;
    } catch {
      this.giveUp(move);
    }
  }

  /** All marks have come: nothing gets in any more. @throws ShardError */
  async #send(move: Departure): Promise<void> {
    const { sessions, whenDecided } = this.here;
    const stillHere = () => [...move.sessions.values()].filter(({ session }) => this.isStillHere(session));
    await Promise.all(
      stillHere().map(({ session }) => new Promise<void>((resolve) => whenDecided(session, resolve))),
    );
    if (this.byId.get(move.id) !== move) return;
    const leaving = stillHere();
    for (const each of leaving) each.content = each.session.take();
    const chunks = encodeSessions(
      leaving.map(({ session, content: flow }) => {
        return { clientId: session.clientId, owner: sessions.ownerOf(session), flow: flow! };
      }),
    );
    const parcel = await pack(this.shards[move.home]!, `${move.id}s`, chunks);
    if (this.byId.get(move.id) !== move) return;
    // From now on the other node may have them: it is not given up for its silence.
    move.parcel = parcel;
    move.heardMs = Infinity;
    this.#tellContent(move);
  }

  #tellContent(move: Departure): void {
    if (move.parcel !== undefined) this.tell(move, 'S', move.parcel).catch(() => {}); // it asks
  }

  /** The other node names the sessions that it has: it takes no others. */
  #hearDone(from: string, body: Buffer): void {
    const [id, names] = moveIdIn(body);
    const move = this.byId.get(id);
    if (move?.other !== from) return;
    const arrived = new Set(names.toString().split('\0'));
    for (const clientId of [...move.sessions.keys()])
      if (!arrived.has(clientId)) this.#comeBack(move, clientId, 'refused');
    for (const [clientId, { session, overlap }] of [...move.sessions]) {
      overlap.take();
      if (this.isStillHere(session)) this.here.sessions.departed(session);
      this.settle(move, clientId);
    }
    this.#end(move);
  }

  #comeBack(move: Departure, clientId: string, setback: Setback): void {
    const session = move.sessions.get(clientId)?.session;
    if (session === undefined) return;
    this.#stay(move, clientId);
    if (move.onOver === undefined && this.isStillHere(session))
      this.#parts.onBack(session, setback, move.other);
  }

  /** The session is here again, as if it had not been on its way. */
  #stay(move: Departure, clientId: string): void {
    const leaving = move.sessions.get(clientId);
    if (leaving === undefined) return;
    const { session, content, overlap } = leaving;
    move.left.push(clientId);
    const behind = overlap.take();
    if (this.isStillHere(session)) {
      if (content !== undefined) session.put(content);
      for (const { message, options } of behind) session.deliver(message, options);
    }
    this.settle(move, clientId);
    if (move.sessions.size === 0) this.#end(move);
  }

  #end(move: Departure): void {
    this.byId.delete(move.id);
    move.onOver?.(move.left);
  }
}
