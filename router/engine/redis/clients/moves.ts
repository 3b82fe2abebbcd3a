import { shardOf } from '../../../../redis-access/shards.js';
import type { Session } from '../../../session/session.js';
import type { SessionGate } from '../../../session/session-gate.js';
import type { Subscription } from '../../../session/session-state.js';
import type { ClientsHere } from '../../cluster.js';
import { insistToTell, patienceMs } from '../calls.js';
import type { Nodes } from '../nodes.js';
import type { Shard } from '../shard.js';

/** A move that takes longer is asked after: the other node says the same of it, or that it knows nothing of it. */
const askMs = 500;
/** A mark that has not come by then is lost, with a connection: it has no place in the order any more, so all begins again. */
const marksMsMax = 2 * patienceMs;
/** Bytes of the id of a move: the run of the old node, and a number. */
export const moveIdBytes = 16 + 8;

/** Splits a word about a move: its id, and the bytes behind it. */
export function moveIdIn(body: Buffer): [id: string, rest: Buffer] {
  return [body.toString('latin1', 0, moveIdBytes), body.subarray(moveIdBytes)];
}

export interface MovesParts {
  readonly nodes: Nodes;
  readonly shards: readonly Shard[];
  readonly here: () => ClientsHere;
}

/** One session on its way. */
export interface MovingSession {
  readonly session: Session;
  /** Subscribed in place of the session; undefined = the session goes on, and gets what was in the other one. */
  readonly gate: SessionGate | undefined;
  readonly subscriptions: readonly Subscription[];
}

/** Some sessions on their way between this node and another. */
export class Move<Moving extends MovingSession = MovingSession> {
  readonly id: string;
  /** Run of the other node. */
  readonly other: string;
  /** Shard of their client ids, by which both nodes talk of them. */
  readonly home: number;
  readonly sessions = new Map<string, Moving>();
  /** Whether the mark of each shard has come. */
  readonly marked: boolean[];
  begunMs = performance.now();
  /** When the other node has last shown that it knows of the move; Infinity = that does not matter. */
  heardMs = Infinity;
  /** When the move was asked after last; Infinity = the other node cannot know of it yet. */
  askedMs = Infinity;

  constructor(id: string, other: string, home: number, shards: number) {
    this.id = id;
    this.other = other;
    this.home = home;
    this.marked = Array.from({ length: shards }, () => false);
  }

  get isMarked(): boolean {
    return this.marked.every(Boolean);
  }
}

/**
 * The moves in one direction. While a move is under way, both nodes ask each other after it (P); a node that knows nothing
 * of it says so (G).
 */
export abstract class Moves<Kind extends Move> {
  protected readonly nodes: Nodes;
  protected readonly shards: readonly Shard[];
  readonly #here: () => ClientsHere;
  protected readonly byId = new Map<string, Kind>();
  readonly #byClientId = new Map<string, Kind>();
  readonly #onOver = new Map<string, (() => void)[]>();

  constructor({ nodes, shards, here }: MovesParts) {
    this.nodes = nodes;
    this.shards = shards;
    this.#here = here;
  }

  /** Moves that are under way now. */
  get size(): number {
    return this.byId.size;
  }

  has(clientId: string): boolean {
    return this.#byClientId.has(clientId);
  }

  protected moveOf(clientId: string): Kind | undefined {
    return this.#byClientId.get(clientId);
  }

  /** @param clientId of a session that is on its way */
  whenOver(clientId: string, then: () => void): void {
    const others = this.#onOver.get(clientId);
    if (others === undefined) this.#onOver.set(clientId, [then]);
    else others.push(then);
  }

  /** The other node has gone. */
  forget(run: string): void {
    for (const move of [...this.byId.values()]) if (move.other === run) this.giveUp(move);
  }

  /** @param stalledMs for so long this process itself has looked at nothing */
  tick(nowMs: number, stalledMs: number): void {
    for (const move of [...this.byId.values()]) {
      move.heardMs += stalledMs;
      move.begunMs += stalledMs;
      if (nowMs - move.heardMs > patienceMs) this.giveUp(move);
      else if (nowMs - move.begunMs > marksMsMax && !move.isMarked) this.giveUp(move, false, true);
      else if (nowMs - move.askedMs > askMs) {
        move.askedMs = nowMs;
        this.nodes.tell(move.other, move.home, this.question(move)).then(
          (isThere) => isThere || this.nodes.isHere(move.other) || this.giveUp(move),
          () => {},
        );
      }
    }
  }

  /** The other node asks after a move. @param _hasContent it has what is in the sessions @returns whether the move is known */
  hearQuestion(id: string, _hasContent = true): boolean {
    return this.noted(id) !== undefined;
  }

  /** The other node has said something of this move. */
  protected noted(id: string): Kind | undefined {
    const move = this.byId.get(id);
    if (move !== undefined && move.heardMs !== Infinity) move.heardMs = performance.now();
    return move;
  }

  hearMark(id: string, shards: readonly number[]): void {
    const move = this.noted(id);
    if (move === undefined || move.isMarked) return;
    for (const shard of shards) move.marked[shard] = true;
    if (move.isMarked) this.onMarked(move);
  }

  /** The other node knows nothing of this move. @param isAgain as for giveUp */
  hearUnknown(id: string, isAgain: boolean): void {
    const move = this.byId.get(id);
    if (move !== undefined) this.giveUp(move, true, isAgain);
  }

  /**
   * Gives up a move. @param isOtherHere the other node has given it up itself, or is told
   * @param isAgain a mark was lost: its sessions are offered again at once, and CONNECTs go on waiting for them
   */
  abstract giveUp(move: Kind, isOtherHere?: boolean, isAgain?: boolean): void;

  /** All marks of a move have come. */
  protected abstract onMarked(move: Kind): void;

  protected question(move: Kind): Buffer {
    return this.nodes.word('P', move.id);
  }

  protected get here(): ClientsHere {
    return this.#here();
  }

  /** Whether a session has neither ended nor been replaced by another one of its client. */
  protected isStillHere(session: Session): boolean {
    return this.here.sessions.find(session.clientId) === session;
  }

  protected shardOf(id: string): number {
    return shardOf(id, this.shards.length);
  }

  /** @returns whether the other node has heard it @throws ShardError */
  protected tell(move: Kind, letter: 'O' | 'S' | 'D', ...parts: (string | Uint8Array)[]): Promise<boolean> {
    return insistToTell(this.nodes, move.other, move.home, this.nodes.word(letter, move.id, ...parts));
  }

  protected tellUnknown({ other, home, id }: Kind, isAgain: boolean): void {
    const word = this.nodes.word('G', id, isAgain ? '+' : '');
    this.nodes.tell(other, home, word).catch(() => {}); // it asks
  }

  protected add(move: Kind, clientId: string, moving: MovingSession): void {
    const { session, gate, subscriptions } = moving;
    const { router } = this.here;
    if (gate !== undefined) {
      for (const { filter, options } of subscriptions) router.subscribe(filter, gate, options);
      router.logout(session);
    }
    move.sessions.set(clientId, moving);
    this.#byClientId.set(clientId, move);
  }

  /** A session's way is over: it is subscribed itself again, if it is still there. @param isNext it goes on its way again */
  protected settle(move: Kind, clientId: string, isNext = false): void {
    const moving = move.sessions.get(clientId);
    if (moving === undefined) return;
    const { router } = this.here;
    const { session, gate, subscriptions } = moving;
    if (gate !== undefined) {
      gate.close();
      if (this.isStillHere(session))
        for (const { filter, options } of subscriptions) router.subscribe(filter, session, options);
      router.retire(gate);
    }
    move.sessions.delete(clientId);
    if (this.#byClientId.get(clientId) === move) this.#byClientId.delete(clientId);
    if (isNext) return;
    const waiting = this.#onOver.get(clientId) ?? [];
    this.#onOver.delete(clientId);
    for (const then of waiting) then();
  }

  /** Ends the connection and the session of a client id here. Messages that wait in the session are lost, and reported. */
  lose(clientId: string, other: string): void {
    const { sessions, onLost } = this.here;
    const lostBefore = sessions.droppedTotal;
    sessions.move(clientId);
    const lost = sessions.droppedTotal - lostBefore;
    if (lost > 0) onLost(clientId, this.nodes.nameOf(other), lost);
  }
}
