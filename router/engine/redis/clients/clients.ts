import { shardOf } from '../../../../redis-access/shards.js';
import type { ClientRegistry, ClientsHere, ClientUser, HandedOver } from '../../cluster.js';
import { inBatches, insistToTell } from '../calls.js';
import type { Nodes } from '../nodes.js';
import type { Shard } from '../shard.js';
import { Arrivals } from './arrivals.js';
import { Claims } from './claims.js';
import { Departures } from './departures.js';
import { DoubtfulIds } from './doubtful-ids.js';
import { moveIdIn } from './moves.js';

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
  readonly #doubtful: DoubtfulIds;
  #here: ClientsHere | undefined;
  /** Client ids that this node has let go of in this turn, by shard and by the run of the node that has claimed them. */
  readonly #free: Map<string, string[]>[];
  /** Timers of the next calls of `sweep`, one for each shard. */
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
      onUnclaimed: (clientId) => this.#doubtful.noteUnclaimed(clientId),
      onUnanswered: (clientId) => {
        this.#departures.recall(clientId);
        this.#arrivals.dismiss(clientId);
      },
      onAnothers: (clientId, run) => this.#want(run, clientId, false, Infinity),
    });
    const moves = { nodes, shards, here: () => this.#here! };
    this.#departures = new Departures({
      ...moves,
      onBack: (session, setback, other) => this.#doubtful.noteBack(session, setback, other),
    });
    this.#arrivals = new Arrivals({
      ...moves,
      isAwaited: (clientId, from) => this.#claims.isAwaited(clientId, from),
      onHeard: (from) => this.#claims.hear(from),
      onArrived: (clientId) => this.#claims.end(clientId),
      onFailed: (clientId) => this.#claims.hurry(clientId),
      whenDeparted: (clientId, then) =>
        this.#departures.has(clientId) ? this.#departures.whenOver(clientId, then) : then(),
    });
    this.#doubtful = new DoubtfulIds({
      nodes,
      shards,
      here: () => this.#here,
      claims: this.#claims,
      isMoving: (clientId) => this.#arrivals.has(clientId) || this.#departures.has(clientId),
      onOwner: (run, clientId) => this.#want(run, clientId, false, Infinity),
      onRefused: (run, clientId) => this.#departures.lose(clientId, run),
    });
    nodes.on('M', (_from, body) => {
      const [id, shards] = moveIdIn(body);
      for (const moves of [this.#departures, this.#arrivals]) moves.hearMark(id, [...shards]);
    });
    nodes.on('P', (from, body, shard) => {
      const [id, rest] = moveIdIn(body);
      this.#claims.hear(from);
      const isKnown = this.#departures.hearQuestion(id, rest[0] !== 0) || this.#arrivals.hearQuestion(id);
      if (!isKnown) nodes.tell(from, shard, nodes.word('G', id)).catch(() => {}); // it asks again
    });
    nodes.on('G', (_from, body) => {
      const [id, rest] = moveIdIn(body);
      for (const moves of [this.#departures, this.#arrivals]) moves.hearUnknown(id, rest.length > 0);
    });
    nodes.on('W', (from, body) => {
      const [number, ...wanted] = body.toString().split('\0');
      for (const each of wanted) this.#want(from, each.slice(1), each[0] === '1', Number(number));
    });
    nodes.on('K', (_from, body) => {
      const [, ...kept] = body.toString().split('\0');
      // Their release may have been lost, and nobody else would get them.
      for (const clientId of kept)
        if (this.#here?.isWanted(clientId) !== true) this.#claims.release(clientId);
    });
    nodes.onGone((_node, run) => this.#forget(run));
    for (const [index, shard] of shards.entries()) shard.onBack(() => this.#doubtful.doubtAll(index));
    nodes.onListed = () => this.#doubtful.doubtAll();
  }

  serve(here: ClientsHere): void {
    this.#here = here;
  }

  claim(clientId: string, clean: boolean, user: ClientUser, ready: (isAnothers: boolean) => void): void {
    this.#doubtful.forgive(clientId);
    this.#claims.begin(clientId, clean, user, ready);
  }

  release(clientId: string): void {
    this.#doubtful.forget(clientId);
    this.#claims.release(clientId);
  }

  handOver(): Promise<HandedOver> {
    return this.#departures.giveAway();
  }

  /** @param stalledMs for so long this process itself has looked at nothing */
  tick(nowMs: number, stalledMs: number): void {
    this.#claims.tick(nowMs, stalledMs);
    this.#departures.tick(nowMs, stalledMs);
    this.#arrivals.tick(nowMs, stalledMs);
    this.#doubtful.tick(nowMs);
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
   * so what it sends there comes behind. @param number of its claim; Infinity = it is newer than any of this node
   */
  #want(from: string, clientId: string, clean: boolean, number: number): void {
    const here = this.#here;
    if (here === undefined) return this.#tellFree(from, clientId);
    const again = () => this.#want(from, clientId, clean, number);
    if (this.#waitsForMove(clientId, again)) return;
    const claim = this.#claims.of(clientId);
    // Which of both is the older one is known when Redis has answered this node's.
    if (claim?.isSent && claim.previous === undefined) return void claim.onAnswer.push(again);
    const isOlder = claim !== undefined && (!claim.isSent || number < claim.number);
    // The client is here, and that node hears so.
    if (isOlder && claim.ready === undefined) return this.#tellFree(from, clientId);
    // A CONNECT here waits for another node: the session comes here first, and then goes on, with its subscriptions.
    const awaited = claim?.ready === undefined ? '' : (claim.previous ?? '');
    if (!isOlder && awaited !== '' && awaited !== this.#parts.nodes.run)
      return void claim!.onAnswer.push(again);
    if (!isOlder) {
      this.#doubtful.forget(clientId); // else it would be claimed back, and both connections closed
      this.#claims.end(clientId);
    }
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
    const { nodes } = this.#parts;
    const shard = this.#shardOf(clientId);
    const free = this.#free[shard]!;
    const others = free.get(to);
    if (others !== undefined) return void others.push(clientId);
    free.set(to, [clientId]);
    setImmediate(() => {
      const clientIds = free.get(to)!;
      free.delete(to);
      for (const some of inBatches(clientIds))
        insistToTell(nodes, to, shard, nodes.word('N', some.join('\0'))).catch(() => {});
    });
  }

  #shardOf(clientId: string): number {
    return shardOf(clientId, this.#parts.shards.length);
  }

  /** A node has gone: nobody waits for it, and what it had is nobody's. */
  #forget(run: string): void {
    this.#departures.forget(run);
    this.#arrivals.forget(run);
    this.#claims.forget(run);
    const { nodes, shards } = this.#parts;
    // It is enough that one node sweeps.
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
