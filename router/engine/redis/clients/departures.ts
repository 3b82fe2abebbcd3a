import { shardOf } from '../../../../redis-access/shards.js';
import type { Session } from '../../../session/session.js';
import { encodeSessions } from '../../../session/session-encoding.js';
import { messagesIn, type SessionState } from '../../../session/session-state.js';
import type { HandedOver } from '../../cluster.js';
import { inBatches } from './batches.js';
import { Move, Moves, type MovesParts, moveIdBytes } from './moves.js';
import { pack } from './parcel.js';

/** Sessions that go together. */
const batchMax = 100;
/** Nodes that are asked to take the sessions of one that stops, one after the other. */
const triesMax = 3;
/** So long a node that stops goes on giving away; 1,000 sessions with little in them take less than a second. */
const giveAwayMsMax = 20_000;

class Departure extends Move {
  /** Client ids that the other node does not take, when it is over; undefined = its client has asked for it. */
  onOver: ((left: readonly string[]) => void) | undefined;
  readonly left: string[] = [];
  /** Their content, from the last mark until the other node has it. */
  taken: readonly SessionState[] | undefined;
}

/**
 * Sessions that go to another node, as their old node O sees it. Both hear a mark at the same point of the order of each
 * server: what was published before it goes over, what comes behind it is the new node's.
 *
 *     O   closes the connection; a gate takes the session's place;   ── O client id, filters ──> N   adopts it, subscribes
 *     N   once that is in effect, for each server:                   ── M ──> O and N
 *     O   at the last mark takes out what is in it                   ── S window, queue, packet ids ──> N
 *     N   puts that in front of what has come since                  ── D ──> O
 */
export class Departures extends Moves<Departure> {
  #number = 0;
  /** Not offered yet, by the run of the other node and the shard. */
  readonly #ofThisTurn = new Map<string, Departure>();

  constructor(parts: MovesParts) {
    super(parts);
    this.nodes.on('X', (from, body) => this.#hearRefused(from, body));
    this.nodes.on('D', (from, body) => this.#hearDone(from, body.toString('latin1')));
  }

  /** The client of a session has connected to another node, and to this one no longer. */
  depart(to: string, session: Session): void {
    const key = `${to}${shardOf(session.clientId, this.shards.length)}`;
    const begun = this.#ofThisTurn.get(key);
    if (begun !== undefined && begun.sessions.size < batchMax) return this.#take(begun, session);
    const move = this.#begin(to, [session]);
    this.#ofThisTurn.set(key, move);
    const tell = async (word: Buffer) => {
      if (!(await this.nodes.tell(to, move.home, word))) this.giveUp(move, true);
    };
    setImmediate(() => {
      if (this.#ofThisTurn.get(key) === move) this.#ofThisTurn.delete(key);
      if (this.byId.get(move.id) === move) this.#offer(move, tell).catch(() => this.giveUp(move));
    });
  }

  /** This node stops: to nodes that stay. */
  async giveAway(): Promise<HandedOver> {
    const { sessions } = this.here;
    const departedBefore = sessions.stats().departed;
    await this.nodes.stop();
    const untilMs = performance.now() + giveAwayMsMax;
    const batches = this.shards.flatMap((_, home) => inBatches(this.#staying(home), batchMax));
    for (const batch of batches) await this.#give(batch, untilMs);
    await Promise.all([...this.byId.values()].map((move) => this.#over(move)));
    const left = this.#staying();
    return {
      adopted: sessions.stats().departed - departedBefore,
      lost: left.length,
      messagesLost: left.reduce((sum, { pending }) => sum + pending.inflight + pending.queued, 0),
    };
  }

  /** @param isGone the other node is not there, though its silence may not have been noticed yet */
  override giveUp(move: Departure, isGone = !this.nodes.isHere(move.other)): void {
    if (this.byId.get(move.id) !== move) return;
    const { taken = [] } = move;
    for (const { clientId, ...flow } of taken)
      if (messagesIn(flow) > 0) this.here.onLost(clientId, this.nodes.nameOf(move.other), messagesIn(flow));
    const clientIds = [...move.sessions.keys()];
    // Nobody has them any more but this node; from a node that is there, the client has got a new session by now.
    if (isGone) this.#takeBack(move, clientIds);
    for (const clientId of clientIds) {
      if (!isGone && move.onOver === undefined) this.lose(clientId, move.other);
      this.#stay(move, clientId);
    }
    this.#finish(move);
  }

  hearMark(id: string, shard: number): void {
    const move = this.byId.get(id);
    if (move !== undefined && this.mark(move, shard)) void this.#send(move);
  }

  /** Sessions that have outlived their connections, of one shard or all. */
  #staying(home?: number): Session[] {
    const { sessions, clientIds } = this.here;
    return clientIds()
      .filter((clientId) => home === undefined || shardOf(clientId, this.shards.length) === home)
      .map((clientId) => sessions.find(clientId)!)
      .filter(({ endsWithConnection, clientId }) => !endsWithConnection && !this.has(clientId));
  }

  /** By turns to the nodes that stay, until one takes them. @param batch of one shard */
  async #give(batch: readonly Session[], untilMs: number): Promise<void> {
    let left = batch.filter((session) => this.here.sessions.find(session.clientId) === session);
    let holder = this.nodes.run;
    const { hosts } = this.nodes;
    for (let tried = 0; tried < Math.min(triesMax, hosts.length) && left.length > 0; tried++) {
      if (performance.now() > untilMs) return;
      const to = hosts[this.#number % hosts.length]!;
      const move = this.#begin(to, left);
      const over = this.#over(move);
      this.#offer(move, (word) => this.#pass(move, holder, word)).catch(() => this.giveUp(move));
      const refused = new Set(await over);
      left = left.filter(({ clientId }) => refused.has(clientId) && !this.has(clientId));
      holder = to;
    }
  }

  #over(move: Departure): Promise<readonly string[]> {
    return new Promise((resolve) => {
      move.onOver = resolve;
    });
  }

  /** The other node has them from now on, unless somebody has claimed one in this moment. */
  async #pass(move: Departure, holder: string, word: Buffer): Promise<void> {
    const clientIds = [...move.sessions.keys()];
    const passed = await this.shards[move.home]!.call('pass', [holder, move.other, word, ...clientIds]);
    for (const [n, clientId] of clientIds.entries())
      if (String(passed)[n] !== '1') this.#stay(move, clientId);
  }

  #takeBack(move: Departure, clientIds: readonly string[]): void {
    if (clientIds.length === 0) return;
    this.shards[move.home]!.call('pass', [move.other, this.nodes.run, '', ...clientIds]).catch(() => {});
  }

  #begin(to: string, sessions: readonly Session[]): Departure {
    const home = shardOf(sessions[0]!.clientId, this.shards.length);
    const id = this.nodes.run + (this.#number++).toString(16).padStart(moveIdBytes - 16, '0');
    const move = new Departure(id, to, home, this.shards.length);
    this.begin(move);
    for (const session of sessions) this.#take(move, session);
    return move;
  }

  #take(move: Departure, session: Session): void {
    this.add(move, session, this.here.router.subscriptionsOf(session), (shard) => !move.marked[shard]);
  }

  async #offer(move: Departure, send: (word: Buffer) => Promise<void>): Promise<void> {
    const { sessions } = this.here;
    const offered = [...move.sessions].map(([clientId, { session, subscriptions }]) => {
      const [owner, expirySec] = [sessions.ownerOf(session), sessions.expiryOf(session)];
      return { clientId, owner, expirySec, subscriptions };
    });
    const parcel = await pack(
      this.shards[move.home]!,
      `${move.id}o`,
      encodeSessions(offered, !this.nodes.readsExtras),
    );
    await send(this.nodes.word('O', move.id, Buffer.of(move.home), parcel));
  }

  /** All marks have come: nothing gets in any more. */
  async #send(move: Departure): Promise<void> {
    const { sessions, whenDecided } = this.here;
    const there = [...move.sessions.values()].filter(
      ({ session }) => sessions.find(session.clientId) === session,
    );
    await Promise.all(
      there.map(({ session }) => new Promise<void>((resolve) => whenDecided(session, resolve))),
    );
    if (this.byId.get(move.id) !== move) return;
    const taken = there.filter(({ session }) => sessions.find(session.clientId) === session);
    move.taken = taken.map(({ session }) => sessions.take(session));
    for (const clientId of [...move.sessions.keys()]) this.settle(move, clientId);
    const chunks = encodeSessions(
      move.taken.map(({ clientId, owner, ...flow }) => ({ clientId, owner, flow })),
      !this.nodes.readsExtras,
    );
    try {
      const parcel = await pack(this.#noting(move), `${move.id}s`, chunks);
      const isThere = await this.nodes.tell(move.other, move.home, this.nodes.word('S', move.id, parcel));
      if (!isThere) this.giveUp(move);
    } catch {
      this.giveUp(move);
    }
  }

  /** As long as chunks go into Redis it is not over. */
  #noting(move: Departure): { call: (name: string, args: (string | number | Buffer)[]) => Promise<unknown> } {
    const shard = this.shards[move.home]!;
    return {
      call: (name, args) => {
        this.wait(move);
        return shard.call(name, args);
      },
    };
  }

  #hearRefused(from: string, body: Buffer): void {
    const move = this.byId.get(body.toString('latin1', 0, moveIdBytes));
    if (move?.other !== from) return;
    for (const clientId of body.toString('utf8', moveIdBytes).split('\0')) {
      if (move.onOver === undefined) this.lose(clientId, from);
      this.#stay(move, clientId);
    }
    if (move.sessions.size === 0) this.#finish(move);
  }

  #hearDone(from: string, id: string): void {
    const move = this.byId.get(id);
    if (move?.other === from) this.#finish(move);
  }

  #stay(move: Departure, clientId: string): void {
    move.left.push(clientId);
    this.settle(move, clientId);
  }

  #finish(move: Departure): void {
    this.end(move);
    move.onOver?.(move.left);
  }
}
