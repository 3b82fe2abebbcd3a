import { shardOf } from '../../../../redis-access/shards.js';
import type { Session } from '../../../session/session.js';
import { SessionGate } from '../../../session/session-gate.js';
import type { Subscription } from '../../../session/session-state.js';
import type { ClientsHere } from '../../cluster.js';
import type { Nodes } from '../nodes.js';
import type { Shard } from '../shard.js';

/** Nothing has come of the other node for so long: it is over. */
const silenceMsMax = 10_000;
/** Run of the old node and a number. */
export const moveIdBytes = 16 + 8;

export interface MovesParts {
  readonly nodes: Nodes;
  readonly shards: readonly Shard[];
  readonly here: () => ClientsHere;
}

/** One session on its way. The gate is subscribed in its place. */
export interface MovingSession {
  readonly session: Session;
  readonly gate: SessionGate;
  readonly subscriptions: readonly Subscription[];
}

/** Some sessions on their way between this node and another. */
export class Move {
  readonly id: string;
  /** Run of the other node. */
  readonly other: string;
  /** Shard of their client ids, where what is long lies. */
  readonly home: number;
  readonly sessions = new Map<string, MovingSession>();
  /** Of each shard: its mark has come. */
  readonly marked: boolean[];
  timer: NodeJS.Timeout | undefined;

  constructor(id: string, other: string, home: number, shards: number) {
    this.id = id;
    this.other = other;
    this.home = home;
    this.marked = Array.from({ length: shards }, () => false);
  }
}

/** Those in one direction. */
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

  /** Now. */
  get size(): number {
    return this.byId.size;
  }

  has(clientId: string): boolean {
    return this.#byClientId.has(clientId);
  }

  /** @param clientId of one that is on its way */
  whenOver(clientId: string, then: () => void): void {
    const others = this.#onOver.get(clientId);
    if (others === undefined) this.#onOver.set(clientId, [then]);
    else others.push(then);
  }

  /** The other node has gone. */
  forget(run: string): void {
    for (const move of [...this.byId.values()]) if (move.other === run) this.giveUp(move);
  }

  /** Nothing more comes of it. */
  abstract giveUp(move: Kind): void;

  protected get here(): ClientsHere {
    return this.#here();
  }

  protected begin(move: Kind): void {
    this.byId.set(move.id, move);
    this.wait(move);
  }

  /** Something has come of it. */
  protected wait(move: Kind): void {
    clearTimeout(move.timer);
    move.timer = setTimeout(() => this.giveUp(move), silenceMsMax);
  }

  protected end(move: Kind): void {
    clearTimeout(move.timer);
    this.byId.delete(move.id);
  }

  /** @param session that is subscribed to nothing from now on @param isOpen for the ids of a shard, now */
  protected add(
    move: Kind,
    session: Session,
    subscriptions: readonly Subscription[],
    isOpen: (shard: number) => boolean,
  ): void {
    const { router } = this.here;
    const gate = new SessionGate((id) => isOpen(shardOf(id, this.shards.length)), session);
    for (const { filter, options } of subscriptions) router.subscribe(filter, gate, options);
    router.logout(session);
    move.sessions.set(session.clientId, { session, gate, subscriptions });
    this.#byClientId.set(session.clientId, move);
  }

  /** Its way is over: it is subscribed itself again, where it is still there. */
  protected settle(move: Kind, clientId: string): void {
    const moving = move.sessions.get(clientId);
    if (moving === undefined) return;
    const { router, sessions } = this.here;
    const { session, gate, subscriptions } = moving;
    if (sessions.find(clientId) === session)
      for (const { filter, options } of subscriptions) router.subscribe(filter, session, options);
    router.retire(gate);
    move.sessions.delete(clientId);
    if (this.#byClientId.get(clientId) === move) this.#byClientId.delete(clientId);
    const waiting = this.#onOver.get(clientId) ?? [];
    this.#onOver.delete(clientId);
    for (const then of waiting) then();
  }

  /** @returns whether all have come now, for the first time */
  protected mark(move: Kind, shard: number): boolean {
    if (move.marked[shard]) return false;
    move.marked[shard] = true;
    this.wait(move);
    return move.marked.every((marked) => marked);
  }

  /** Its connection here ends, and its session; what waits in it is lost, and told. */
  lose(clientId: string, other: string): void {
    const { sessions, onLost } = this.here;
    const lostBefore = sessions.droppedTotal;
    sessions.move(clientId);
    const lost = sessions.droppedTotal - lostBefore;
    if (lost > 0) onLost(clientId, this.nodes.nameOf(other), lost);
  }
}
