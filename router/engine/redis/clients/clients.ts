import { shardOf } from '../../../../redis-access/shards.js';
import type { ClientRegistry, ClientsHere, HandedOver } from '../../cluster.js';
import type { Nodes } from '../nodes.js';
import type { Shard } from '../shard.js';
import { Arrivals } from './arrivals.js';
import { inBatches, insistToTell } from './calls.js';
import { Claims } from './claims.js';
import { Departures } from './departures.js';
import { moveIdIn } from './moves.js';

/** Client ids that connected while Redis was away. Past it those of longest ago are not made good. */
const unclaimedMax = 100_000;
/** Claims under way past which no more are made good: a server that refuses is asked again and again. */
const claimsMax = 5_000;
/** Between two looks at what is to be made good, and two calls that go through all clients of nodes that are gone. */
const makeGoodMs = 250;
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
  /** Of clients that are here, and whose ids could not be claimed yet. */
  readonly #unclaimed = new Set<string>();
  /** Redis is to be asked which node has them; and the node that has refused them, if one has. */
  readonly #doubtful = new Map<string, string | undefined>();
  /** Servers that are being asked. */
  readonly #asking = new Set<number>();
  #madeGoodMs = 0;
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
      onUnanswered: (clientId) => {
        this.#departures.recall(clientId);
        this.#arrivals.dismiss(clientId);
      },
    });
    const moves = { nodes, shards, here: () => this.#here! };
    this.#departures = new Departures({
      ...moves,
      onBack: (clientId, refusedBy) => void this.#doubtful.set(clientId, refusedBy),
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
    nodes.onGone((_node, run) => this.#forget(run));
    for (const [index, shard] of shards.entries()) shard.onBack(() => this.#doubt(index));
    nodes.onListed = () => this.#doubt();
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

  /** @param stalledMs for so long this process itself has looked at nothing */
  tick(nowMs: number, stalledMs: number): void {
    this.#claims.tick(nowMs, stalledMs);
    this.#departures.tick(nowMs, stalledMs);
    this.#arrivals.tick(nowMs, stalledMs);
    if (nowMs - this.#madeGoodMs < makeGoodMs) return;
    this.#madeGoodMs = nowMs;
    this.#makeGood();
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
      this.#unclaimed.delete(clientId); // else it would be claimed back, and both connections closed
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

  #noteUnclaimed(clientId: string): void {
    this.#unclaimed.add(clientId);
    if (this.#unclaimed.size > unclaimedMax) this.#unclaimed.delete(this.#unclaimed.values().next().value!);
  }

  /**
   * A server is back, or the others have this node back: other nodes may have claimed what is here, unheard.
   * @param index of the server; without it, client ids of all servers are meant
   */
  #doubt(index?: number): void {
    for (const clientId of this.#here?.clientIds() ?? []) {
      if (this.#unclaimed.has(clientId) || this.#arrivals.has(clientId) || this.#departures.has(clientId))
        continue;
      if (index === undefined || this.#shardOf(clientId) === index) this.#doubtful.set(clientId, undefined);
    }
    this.#makeGood();
  }

  /** Client ids that could not be claimed are; of the others it is asked whose they are. */
  #makeGood(): void {
    const { shards } = this.#parts;
    if (!shards.some(({ usable }) => usable)) return;
    const { sessions } = this.#here ?? {};
    for (const clientId of this.#unclaimed) {
      if (this.#claims.size >= claimsMax) break;
      const session = sessions?.find(clientId); // undefined = its CONNECT is about to be handled
      const isUsable = shards[this.#shardOf(clientId)]!.usable;
      if (session === undefined || !isUsable || this.#claims.of(clientId) !== undefined) continue;
      this.#unclaimed.delete(clientId);
      // A session elsewhere comes here, unless the client has begun a clean one here.
      this.#claims.begin(clientId, session.endsWithConnection);
    }
    if (this.#doubtful.size === 0) return;
    const byShard = shards.map((): string[] => []);
    for (const clientId of this.#doubtful.keys()) byShard[this.#shardOf(clientId)]!.push(clientId);
    for (const [index, clientIds] of byShard.entries())
      if (shards[index]!.usable && !this.#asking.has(index)) void this.#askAll(index, clientIds);
  }

  /** One call after the other, until one fails. */
  async #askAll(index: number, clientIds: readonly string[]): Promise<void> {
    this.#asking.add(index);
    for (const some of inBatches(clientIds)) if (!(await this.#askWhose(index, some))) break;
    this.#asking.delete(index);
  }

  /** Asks whose these client ids are; connections and sessions of those that another node has go there. */
  async #askWhose(index: number, clientIds: readonly string[]): Promise<boolean> {
    const { nodes, shards } = this.#parts;
    const refusers = clientIds.map((clientId) => this.#doubtful.get(clientId));
    for (const clientId of clientIds) this.#doubtful.delete(clientId);
    const reply = await shards[index]!.call('keep', [nodes.run, ...clientIds]).catch(() => undefined);
    for (const [n, clientId] of clientIds.entries()) {
      const owner = Array.isArray(reply) ? String(reply[n]) : undefined;
      if (owner === undefined) this.#doubtful.set(clientId, refusers[n]);
      else if (owner === '' || this.#claims.of(clientId) !== undefined) continue;
      else if (owner === refusers[n]) this.#departures.lose(clientId, owner);
      else if (nodes.isHere(owner)) this.#want(owner, clientId, false, Infinity);
      else this.#unclaimed.add(clientId); // from a node that stands still
    }
    return reply !== undefined;
  }

  /** A node has gone: nobody waits for it, and what it had is nobody's. */
  #forget(run: string): void {
    this.#departures.forget(run);
    this.#arrivals.forget(run);
    this.#claims.forget(run);
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
