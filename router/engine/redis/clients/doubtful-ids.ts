import { shardOf } from '../../../../redis-access/shards.js';
import type { Session } from '../../../session/session.js';
import type { ClientsHere } from '../../cluster.js';
import { inBatches } from '../calls.js';
import type { Nodes } from '../nodes.js';
import type { Shard } from '../shard.js';
import type { Claims } from './claims.js';
import type { Setback } from './departures.js';

/** Most client ids that connected while Redis was away. Past it the oldest ones are not claimed later. */
const unclaimedMax = 100_000;
/** Past so many claims under way no client id is claimed later: a server that refuses is asked again and again. */
const claimsMax = 5_000;
/** Time between two looks at the client ids that are to be claimed or asked for. */
const makeGoodMs = 250;
/** A session whose moves fail again and again is offered less and less often, down to once in 10 s. */
const retryMsMax = 10_000;
/** From so many failures in a row on, an operator is told. */
const failuresTold = 3;

/** A refusal counts the second time: the node may be about to handle the client's CONNECT. */
const refusalsMax = 2;

/** How the moves of a session have ended that has not gone over. */
interface Setbacks {
  /** Run of the node that has refused the session last, and how often it has. */
  readonly refusedBy: string;
  readonly refusals: number;
  /** Moves in a row that have failed without an answer. */
  readonly failures: number;
}

const noSetbacks: Setbacks = { refusedBy: '', refusals: 0, failures: 0 };

export interface DoubtfulIdsParts {
  readonly nodes: Nodes;
  readonly shards: readonly Shard[];
  readonly here: () => ClientsHere | undefined;
  readonly claims: Pick<Claims, 'of' | 'begin' | 'size'>;
  readonly isMoving: (clientId: string) => boolean;
  /** That node has the client id: connection and session go there. */
  readonly onOwner: (run: string, clientId: string) => void;
  /** That node does not take the session of this client id. */
  readonly onRefused: (run: string, clientId: string) => void;
}

/**
 * Knows the client ids that are in use here, while it is not known whether they are this node's. It claims them later, or
 * asks Redis whose they are.
 */
export class DoubtfulIds {
  readonly #parts: DoubtfulIdsParts;
  /** Ids of clients that are here, which could not be claimed yet. */
  readonly #unclaimed = new Set<string>();
  /** Client ids that Redis is to be asked for, and not before when. */
  readonly #doubts = new Map<string, number>();
  readonly #setbacks = new WeakMap<Session, Setbacks>();
  /** Indexes of the servers that are being asked. */
  readonly #asking = new Set<number>();
  #madeGoodMs = 0;

  constructor(parts: DoubtfulIdsParts) {
    this.#parts = parts;
  }

  noteUnclaimed(clientId: string): void {
    this.#unclaimed.add(clientId);
    if (this.#unclaimed.size > unclaimedMax) this.#unclaimed.delete(this.#unclaimed.values().next().value!);
  }

  /** The client id is not here any more, or another node has won it. */
  forget(clientId: string): void {
    this.#unclaimed.delete(clientId);
  }

  /** The client has connected here: what kept its session from going over says nothing of its next move. */
  forgive(clientId: string): void {
    const session = this.#parts.here()?.sessions.find(clientId);
    if (session !== undefined) this.#setbacks.delete(session);
  }

  /** A session has not gone over. */
  noteBack(session: Session, setback: Setback, other: string): void {
    const { clientId } = session;
    this.#doubts.set(clientId, 0);
    if (setback === 'mark-lost') return;
    const { refusedBy, refusals, failures } = this.#setbacks.get(session) ?? noSetbacks;
    if (setback === 'refused') {
      const times = refusedBy === other ? refusals + 1 : 1;
      return void this.#setbacks.set(session, { refusedBy: other, refusals: times, failures: 0 });
    }
    this.#setbacks.set(session, { refusedBy, refusals, failures: failures + 1 });
    const waitMs = failures === 0 ? 0 : Math.min(retryMsMax, makeGoodMs * 2 ** (failures - 1));
    this.#doubts.set(clientId, performance.now() + waitMs);
    if (failures + 1 === failuresTold) this.#parts.here()?.onKept(session, this.#parts.nodes.nameOf(other));
  }

  /**
   * A server is back, or the others have this node back: other nodes may have claimed what is here, unheard.
   * @param index of the server; without it, client ids of all servers are meant
   */
  doubtAll(index?: number): void {
    const { isMoving } = this.#parts;
    for (const clientId of this.#parts.here()?.clientIds() ?? []) {
      if (this.#unclaimed.has(clientId) || isMoving(clientId)) continue;
      if (index === undefined || this.#shardOf(clientId) === index) this.#doubts.set(clientId, 0);
    }
    this.#makeGood(performance.now());
  }

  tick(nowMs: number): void {
    if (nowMs - this.#madeGoodMs >= makeGoodMs) this.#makeGood(nowMs);
  }

  /** Claims the client ids that could not be claimed before, and asks whose the others are. */
  #makeGood(nowMs: number): void {
    this.#madeGoodMs = nowMs;
    const { shards, claims, here } = this.#parts;
    if (!shards.some(({ usable }) => usable)) return;
    for (const clientId of this.#unclaimed) {
      if (claims.size >= claimsMax) break;
      const session = here()?.sessions.find(clientId); // undefined = its CONNECT is about to be handled
      const isUsable = shards[this.#shardOf(clientId)]!.usable;
      if (session === undefined || !isUsable || claims.of(clientId) !== undefined) continue;
      this.#unclaimed.delete(clientId);
      // A session elsewhere comes here, unless the client has begun a clean one here.
      claims.begin(clientId, session.endsWithConnection, here()!.userOf(session));
    }
    if (this.#doubts.size === 0) return;
    const byShard = shards.map((): string[] => []);
    for (const [clientId, notBeforeMs] of this.#doubts) {
      if (here()?.sessions.find(clientId) === undefined) this.#doubts.delete(clientId);
      else if (notBeforeMs <= nowMs) byShard[this.#shardOf(clientId)]!.push(clientId);
    }
    for (const [index, clientIds] of byShard.entries())
      if (clientIds.length > 0 && shards[index]!.usable && !this.#asking.has(index))
        void this.#askAll(index, clientIds);
  }

  /** Makes one call after the other, until one fails. */
  async #askAll(index: number, clientIds: readonly string[]): Promise<void> {
    this.#asking.add(index);
    for (const some of inBatches(clientIds)) if (!(await this.#askWhose(index, some))) break;
    this.#asking.delete(index);
  }

  /** Asks whose these client ids are; connections and sessions of those that another node has go there. */
  async #askWhose(index: number, clientIds: readonly string[]): Promise<boolean> {
    const { nodes, shards, claims, onOwner, onRefused } = this.#parts;
    for (const clientId of clientIds) this.#doubts.delete(clientId);
    const args = clientIds.flatMap((clientId) => [clientId, this.#keyOf(clientId)]);
    const reply = await shards[index]!.callBegun('keep', args).catch(() => undefined);
    for (const [n, clientId] of clientIds.entries()) {
      const owner = Array.isArray(reply) ? String(reply[n]) : undefined;
      if (owner === undefined) this.#doubts.set(clientId, 0);
      else if (owner === '' || claims.of(clientId) !== undefined) continue;
      else if (this.#hasRefused(owner, clientId)) onRefused(owner, clientId);
      else if (nodes.isHere(owner)) onOwner(owner, clientId);
      else this.noteUnclaimed(clientId); // from a node that stands still
    }
    return reply !== undefined;
  }

  #hasRefused(owner: string, clientId: string): boolean {
    const session = this.#parts.here()?.sessions.find(clientId);
    const { refusedBy, refusals } = (session && this.#setbacks.get(session)) ?? noSetbacks;
    return refusedBy === owner && refusals >= refusalsMax;
  }

  /** The key of the user of a client id. */
  #keyOf(clientId: string): string {
    const here = this.#parts.here();
    const session = here?.sessions.find(clientId);
    return session === undefined ? '' : here!.userOf(session).key;
  }

  #shardOf(clientId: string): number {
    return shardOf(clientId, this.#parts.shards.length);
  }
}
