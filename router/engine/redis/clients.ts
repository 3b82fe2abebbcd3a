import { shardOf } from '../../../redis-access/shards.js';
import type { ClientRegistry, ClientsHere, HandedOver } from '../cluster.js';
import { Arrivals } from './arrivals.js';
import { Departures } from './departures.js';
import type { Nodes } from './nodes.js';
import type { Shard } from './shard.js';

/** So long a CONNECT waits for the first word of the node that had its client id. */
const answerMsMax = 2_000;
/** Of one call. */
const batchMax = 500;
/** Client ids that connected while Redis was away. Past it those of longest ago are not made good. */
const unclaimedMax = 100_000;
/** Between two calls that go through all clients of nodes that are gone. */
const sweepMs = 100;

interface Claim {
  readonly clientId: string;
  readonly clean: boolean;
  readonly ready: () => void;
  /** Run of the node that is asked for it; undefined until Redis has answered, which may be after that node has. */
  previous: string | undefined;
  /** Run of the node that has nothing. */
  nothingAt: string | undefined;
  /** Called when Redis has answered. */
  readonly onAnswer: (() => void)[];
  asked: boolean;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Which node has which client, in a hash of the client id's server. A claim is one call, in which Redis asks the node
 * before:
 *
 *     node N   CONNECT x ── claim x ──> x: O -> N ── W x ──> node O   closes its connection
 *                                                                     no session that stays: N x ──> node N   CONNACK
 *                                                                     else it goes over, see Departures
 */
export class Clients implements ClientRegistry {
  readonly #nodes: Nodes;
  readonly #shards: readonly Shard[];
  readonly #arrivals: Arrivals;
  readonly #departures: Departures;
  readonly #whenPublished: (then: () => void) => void;
  #here: ClientsHere | undefined;
  /** The newest of each client id that is not over. */
  readonly #waiting = new Map<string, Claim>();
  /** To be claimed at the end of the turn, by shard. */
  readonly #claims: Claim[][];
  readonly #releases: Set<string>[];
  #scheduled = false;
  /** Sessions that began while their server was away. */
  readonly #unclaimed = new Set<string>();
  #sweeper: NodeJS.Timeout | undefined;
  readonly #counters = { claimed: 0, asked: 0, unanswered: 0 };

  /** @param whenPublished calls back when all that this node has published so far is with Redis, or never will be */
  constructor(nodes: Nodes, shards: readonly Shard[], whenPublished: (then: () => void) => void) {
    this.#nodes = nodes;
    this.#shards = shards;
    this.#whenPublished = whenPublished;
    this.#claims = shards.map(() => []);
    this.#releases = shards.map(() => new Set());
    const parts = { nodes, shards, here: () => this.#here! };
    this.#departures = new Departures(parts);
    this.#arrivals = new Arrivals({
      ...parts,
      isAwaited: (clientId, from) => {
        const claim = this.#waiting.get(clientId);
        return claim !== undefined && (claim.previous === undefined || claim.previous === from);
      },
      onArriving: (clientId) => this.#extend(clientId),
      onArrived: (clientId) => this.#end(this.#waiting.get(clientId)),
    });
    nodes.on('M', (_from, body, shard) => {
      const id = body.toString('latin1');
      this.#departures.hearMark(id, shard);
      this.#arrivals.hearMark(id, shard);
    });
    nodes.on('W', (from, body) => this.#want(from, body.toString('utf8', 1), body[0] === 0x31));
    nodes.on('N', (from, body) => this.#hearNothing(from, body.toString()));
    nodes.onGone((_node, run) => this.#forget(run));
    for (const [index, shard] of shards.entries()) shard.onBack(() => void this.#makeGood(index));
  }

  serve(here: ClientsHere): void {
    this.#here = here;
  }

  claim(clientId: string, clean: boolean, ready: () => void): void {
    this.#end(this.#waiting.get(clientId));
    const index = shardOf(clientId, this.#shards.length);
    this.#releases[index]!.delete(clientId);
    if (!this.#shards[index]!.open) {
      this.#noteUnclaimed(clientId);
      return ready();
    }
    const claim: Claim = {
      clientId,
      clean,
      ready,
      previous: undefined,
      nothingAt: undefined,
      onAnswer: [],
      asked: false,
      timer: undefined,
    };
    this.#waiting.set(clientId, claim);
    this.#claims[index]!.push(claim);
    this.#schedule();
  }

  release(clientId: string): void {
    this.#unclaimed.delete(clientId);
    this.#releases[shardOf(clientId, this.#shards.length)]!.add(clientId);
    this.#schedule();
  }

  handOver(): Promise<HandedOver> {
    return this.#departures.giveAway();
  }

  stats() {
    return {
      ...this.#counters,
      waiting: this.#waiting.size,
      departing: this.#departures.size,
      arriving: this.#arrivals.size,
    };
  }

  stop(): void {
    clearTimeout(this.#sweeper);
    for (const claim of [...this.#waiting.values()]) this.#end(claim);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  /** Releases go first: who has ended and connected again in this turn has its claim. */
  #flush(): void {
    this.#scheduled = false;
    for (const [index, shard] of this.#shards.entries()) {
      const released = [...this.#releases[index]!].filter((clientId) => !this.#isHere(clientId));
      this.#releases[index]!.clear();
      for (const some of inBatches(released))
        shard.call('release', [this.#nodes.run, ...some]).catch(() => {});
      for (const some of inBatches(this.#claims[index]!)) void this.#send(shard, some);
      this.#claims[index] = [];
    }
  }

  #isHere(clientId: string): boolean {
    return this.#waiting.has(clientId) || this.#here?.sessions.find(clientId) !== undefined;
  }

  async #send(shard: Shard, claims: readonly Claim[]): Promise<void> {
    for (const claim of claims) claim.asked = true;
    const args = claims.flatMap(({ clientId, clean }) => [clean ? '1' : '0', clientId]);
    let reply: (string | number)[] = [];
    try {
      reply = (await shard.call('claim', [this.#nodes.run, ...args])) as (string | number)[];
    } catch {
      for (const { clientId } of claims) this.#noteUnclaimed(clientId);
    }
    this.#counters.claimed += claims.length;
    for (const [n, claim] of claims.entries())
      this.#settle(claim, String(reply[2 * n] ?? ''), Number(reply[2 * n + 1] ?? 0));
  }

  /** @param heard connections of the node before that have heard of it; see clients.lua */
  #settle(claim: Claim, previous: string, heard: number): void {
    const { clientId } = claim;
    claim.previous = previous;
    const isCurrent = this.#waiting.get(clientId) === claim;
    if (isCurrent) this.#decide(claim, previous, heard);
    for (const then of claim.onAnswer) then();
  }

  #decide(claim: Claim, previous: string, heard: number): void {
    const { clientId } = claim;
    const arrives = this.#arrivals.has(clientId);
    const comes =
      previous === this.#nodes.run && heard > 0 && this.#here!.sessions.find(clientId) === undefined;
    const nobodyIsThere = previous === this.#nodes.run || heard === 0 || claim.nothingAt === previous;
    if (!arrives && !comes && nobodyIsThere) return this.#end(claim);
    this.#counters.asked++;
    if (!arrives) claim.timer = setTimeout(() => this.#giveUp(claim), answerMsMax);
  }

  #giveUp(claim: Claim): void {
    this.#counters.unanswered++;
    this.#end(claim);
  }

  /** Its session is on its way: Arrivals says when that is over, whatever becomes of it. */
  #extend(clientId: string): void {
    clearTimeout(this.#waiting.get(clientId)?.timer);
  }

  #end(claim: Claim | undefined): void {
    if (claim === undefined) return;
    clearTimeout(claim.timer);
    if (this.#waiting.get(claim.clientId) === claim) this.#waiting.delete(claim.clientId);
    claim.ready();
  }

  #hearNothing(from: string, clientId: string): void {
    const claim = this.#waiting.get(clientId);
    if (claim === undefined) return;
    claim.nothingAt = from;
    if (claim.previous === from && !this.#arrivals.has(clientId)) this.#end(claim);
  }

  /**
   * Another node has claimed the client id. It is told once all that the client has sent here is handled, and with Redis:
   * so what it sends there comes behind.
   */
  #want(from: string, clientId: string, clean: boolean): void {
    const here = this.#here;
    if (here === undefined) return this.#say(from, clientId);
    const again = () => this.#want(from, clientId, clean);
    if (this.#wait(clientId, again)) return;
    const claim = this.#waiting.get(clientId);
    // Which claim is the older one is known when Redis has answered this node's.
    if (claim?.asked === true && claim.previous === undefined) return void claim.onAnswer.push(again);
    const isOlder = claim !== undefined && claim.previous === from;
    if (!isOlder) this.#end(claim);
    here.finish(clientId, isOlder, () => this.#whenPublished(() => this.#letGo(from, clientId, clean)));
  }

  #letGo(to: string, clientId: string, clean: boolean): void {
    if (this.#wait(clientId, () => this.#letGo(to, clientId, clean))) return;
    const { sessions } = this.#here!;
    const session = sessions.find(clientId);
    if (session === undefined || session.clean || clean) {
      this.#move(to, clientId);
      this.#say(to, clientId);
    } else {
      sessions.depart(clientId);
      this.#departures.depart(to, session);
    }
  }

  /** @returns whether its session is on its way, here or from here; `then` is called when it is not */
  #wait(clientId: string, then: () => void): boolean {
    const moves = [this.#arrivals, this.#departures].find((some) => some.has(clientId));
    moves?.whenOver(clientId, then);
    return moves !== undefined;
  }

  #say(to: string, clientId: string): void {
    const shard = shardOf(clientId, this.#shards.length);
    this.#nodes.tell(to, shard, this.#nodes.word('N', clientId)).catch(() => {});
  }

  /** What waits in it is lost. */
  #move(to: string, clientId: string): void {
    const { sessions, onLost } = this.#here!;
    const lostBefore = sessions.droppedTotal;
    sessions.move(clientId);
    const lost = sessions.droppedTotal - lostBefore;
    if (lost > 0) onLost(clientId, this.#nodes.nameOf(to), lost);
  }

  #noteUnclaimed(clientId: string): void {
    this.#unclaimed.add(clientId);
    if (this.#unclaimed.size > unclaimedMax) this.#unclaimed.delete(this.#unclaimed.values().next().value!);
  }

  /**
   * A server is back. Who connected meanwhile is claimed; all others were claimed before, and what another node has
   * claimed while this one could not hear of it is closed here.
   */
  async #makeGood(index: number): Promise<void> {
    const here = this.#here;
    if (here === undefined) return;
    const shard = this.#shards[index]!;
    const own = here.clientIds().filter((clientId) => shardOf(clientId, this.#shards.length) === index);
    const late = own.filter((clientId) => this.#unclaimed.has(clientId));
    for (const clientId of late) {
      this.#unclaimed.delete(clientId);
      // What its session was elsewhere is over: it has begun anew here.
      this.claim(clientId, true, () => {});
    }
    const kept = own.filter((clientId) => !this.#waiting.has(clientId));
    for (const some of inBatches(kept)) {
      const reply = await shard.call('keep', [this.#nodes.run, ...some]).catch(() => undefined);
      if (!Array.isArray(reply)) return; // lost again
      for (const [n, owner] of reply.entries()) {
        const clientId = some[n]!;
        if (owner !== '' && !this.#waiting.has(clientId) && !this.#isMoving(clientId))
          this.#move(String(owner), clientId);
      }
    }
  }

  #isMoving(clientId: string): boolean {
    return this.#arrivals.has(clientId) || this.#departures.has(clientId);
  }

  /** A node has gone: nobody waits for it, and what it had is nobody's. */
  #forget(run: string): void {
    for (const claim of [...this.#waiting.values()])
      if (claim.previous === run && !this.#arrivals.has(claim.clientId)) this.#end(claim);
    this.#departures.forget(run);
    this.#arrivals.forget(run);
    // One node is enough.
    if (this.#nodes.peers.some((peer) => peer.run < this.#nodes.self.run)) return;
    clearTimeout(this.#sweeper);
    for (const shard of this.#shards) this.#sweep(shard, '0');
  }

  #sweep(shard: Shard, cursor: string): void {
    this.#sweeper = setTimeout(async () => {
      const next = await shard.call('sweep', [this.#nodes.run, cursor]).catch(() => '0');
      if (String(next) !== '0') this.#sweep(shard, String(next));
    }, sweepMs).unref();
  }
}

function inBatches<Item>(items: readonly Item[]): (readonly Item[])[] {
  const batches = [];
  for (let at = 0; at < items.length; at += batchMax) batches.push(items.slice(at, at + batchMax));
  return batches;
}
