import { shardOf } from '../../../../redis-access/shards.js';
import type { ClientRegistry, ClientsHere, HandedOver } from '../../cluster.js';
import type { Nodes } from '../nodes.js';
import type { Shard } from '../shard.js';
import { Arrivals } from './arrivals.js';
import { inBatches } from './batches.js';
import { Claims } from './claims.js';
import { Departures } from './departures.js';

/** Client ids that connected while Redis was away. Past it those of longest ago are not made good. */
const unclaimedMax = 100_000;
/** Between two calls that go through all clients of nodes that are gone. */
const sweepMs = 100;

export interface ClientsParts {
  readonly nodes: Nodes;
  readonly shards: readonly Shard[];
  /** Calls back when all that this node has published so far is with Redis, or never will be. */
  readonly whenPublished: (then: () => void) => void;
}

/** Which node has which client, in a hash of the client id's server. */
export class Clients implements ClientRegistry {
  readonly #parts: ClientsParts;
  readonly #claims: Claims;
  readonly #arrivals: Arrivals;
  readonly #departures: Departures;
  #here: ClientsHere | undefined;
  /** Sessions that began while their server was away. */
  readonly #unclaimed = new Set<string>();
  /** Client ids that this node has let go of in this turn, by shard and by the run of the node that has claimed them. */
  readonly #free: Map<string, string[]>[];
  /** Next calls, one for each shard. */
  readonly #sweeps: (NodeJS.Timeout | undefined)[] = [];

  constructor(parts: ClientsParts) {
    this.#parts = parts;
    const { nodes, shards } = parts;
    this.#free = shards.map(() => new Map());
    this.#claims = new Claims({
      nodes,
      shards,
      arrives: (clientId) => this.#arrivals.has(clientId),
      isHere: (clientId) => this.#here?.sessions.find(clientId) !== undefined,
      onUnclaimed: (clientId) => this.#noteUnclaimed(clientId),
    });
    const moves = { nodes, shards, here: () => this.#here! };
    this.#departures = new Departures(moves);
    this.#arrivals = new Arrivals({
      ...moves,
      isAwaited: (clientId, from) => this.#claims.isAwaited(clientId, from),
      onArriving: (clientId) => this.#claims.extend(clientId),
      onArrived: (clientId) => this.#claims.end(clientId),
    });
    nodes.on('M', (_from, body, shard) => {
      const id = body.toString('latin1');
      this.#departures.hearMark(id, shard);
      this.#arrivals.hearMark(id, shard);
    });
    nodes.on('W', (from, body) => {
      for (const wanted of body.toString().split('\0')) this.#want(from, wanted.slice(1), wanted[0] === '1');
    });
    nodes.onGone((_node, run) => this.#forget(run));
    for (const [index, shard] of shards.entries()) shard.onBack(() => void this.#makeGood(index));
    nodes.onListed = () => shards.forEach((_, index) => void this.#makeGood(index));
  }

  serve(here: ClientsHere): void {
    this.#here = here;
  }

  claim(clientId: string, clean: boolean, ready: () => void): void {
    this.#claims.begin(clientId, clean, ready);
  }

  release(clientId: string): void {
    this.#unclaimed.delete(clientId);
    this.#claims.release(clientId);
  }

  handOver(): Promise<HandedOver> {
    return this.#departures.giveAway();
  }

  stats() {
    return {
      ...this.#claims.counters,
      waiting: this.#claims.size,
      departing: this.#departures.size,
      arriving: this.#arrivals.size,
    };
  }

  stop(): void {
    this.#endSweeps();
    this.#claims.endAll();
  }

  /**
   * Another node has claimed the client id. It is told once all that the client has sent here is handled, and with Redis:
   * so what it sends there comes behind.
   */
  #want(from: string, clientId: string, clean: boolean): void {
    const here = this.#here;
    if (here === undefined) return this.#tellFree(from, clientId);
    const again = () => this.#want(from, clientId, clean);
    if (this.#waitsForMove(clientId, again)) return;
    const claim = this.#claims.of(clientId);
    // Which of both is the older one is known when Redis has answered this node's.
    if (claim?.isSent && claim.previous === undefined) return void claim.onAnswer.push(again);
    const isOlder = claim !== undefined && (!claim.isSent || claim.previous === from);
    if (!isOlder) this.#claims.end(clientId);
    here.finish(clientId, isOlder, () => this.#parts.whenPublished(() => this.#letGo(from, clientId, clean)));
  }

  #letGo(to: string, clientId: string, clean: boolean): void {
    if (this.#waitsForMove(clientId, () => this.#letGo(to, clientId, clean))) return;
    const { sessions } = this.#here!;
    const session = sessions.find(clientId);
    if (session === undefined || session.endsWithConnection || clean) {
      this.#departures.lose(clientId, to);
      this.#tellFree(to, clientId);
    } else {
      sessions.depart(clientId);
      this.#departures.depart(to, session);
    }
  }

  /** @returns whether its session is on its way, here or from here; `then` is called when it is not */
  #waitsForMove(clientId: string, then: () => void): boolean {
    const moves = [this.#arrivals, this.#departures].find((some) => some.has(clientId));
    moves?.whenOver(clientId, then);
    return moves !== undefined;
  }

  #tellFree(to: string, clientId: string): void {
    const { nodes, shards } = this.#parts;
    const shard = shardOf(clientId, shards.length);
    const free = this.#free[shard]!;
    const others = free.get(to);
    if (others !== undefined) return void others.push(clientId);
    free.set(to, [clientId]);
    setImmediate(() => {
      const clientIds = free.get(to)!;
      free.delete(to);
      for (const some of inBatches(clientIds))
        nodes.tell(to, shard, nodes.word('N', some.join('\0'))).catch(() => {});
    });
  }

  #noteUnclaimed(clientId: string): void {
    this.#unclaimed.add(clientId);
    if (this.#unclaimed.size > unclaimedMax) this.#unclaimed.delete(this.#unclaimed.values().next().value!);
  }

  /**
   * A server is back, or the others have this node back. Client ids that connected meanwhile are claimed. All others were
   * claimed before, and those that another node has claimed while this one could not hear of it are closed here.
   */
  async #makeGood(index: number): Promise<void> {
    const here = this.#here;
    if (here === undefined) return;
    const { nodes, shards } = this.#parts;
    const own = here.clientIds().filter((clientId) => shardOf(clientId, shards.length) === index);
    for (const clientId of own) {
      if (!this.#unclaimed.delete(clientId)) continue;
      // Its session elsewhere is over: it has begun anew here.
      this.claim(clientId, true, () => {});
    }
    const kept = own.filter((clientId) => this.#claims.of(clientId) === undefined);
    for (const some of inBatches(kept)) {
      const reply = await shards[index]!.call('keep', [nodes.run, ...some]).catch(() => undefined);
      if (!Array.isArray(reply)) return; // lost again
      for (const [n, owner] of reply.entries()) {
        const clientId = some[n]!;
        const isMoving = this.#arrivals.has(clientId) || this.#departures.has(clientId);
        if (owner !== '' && this.#claims.of(clientId) === undefined && !isMoving)
          this.#departures.lose(clientId, String(owner));
      }
    }
  }

  /** A node has gone: nobody waits for it, and what it had is nobody's. */
  #forget(run: string): void {
    this.#claims.forget(run);
    this.#departures.forget(run);
    this.#arrivals.forget(run);
    const { nodes, shards } = this.#parts;
    // One node is enough.
    if (nodes.peers.some((peer) => peer.run < nodes.self.run)) return;
    this.#endSweeps();
    for (const index of shards.keys()) this.#sweep(index, '0');
  }

  #sweep(index: number, cursor: string): void {
    const { nodes, shards } = this.#parts;
    this.#sweeps[index] = setTimeout(async () => {
      const next = await shards[index]!.call('sweep', [nodes.run, cursor]).catch(() => '0');
      if (String(next) !== '0') this.#sweep(index, String(next));
    }, sweepMs).unref();
  }

  #endSweeps(): void {
    for (const sweep of this.#sweeps) clearTimeout(sweep);
  }
}
