import { shardOf } from '../../../../redis-access/shards.js';
import type { Nodes } from '../nodes.js';
import type { Shard } from '../shard.js';
import { inBatches } from './batches.js';

/** So long a CONNECT waits for the first word of the node that had its client id. */
const answerMsMax = 2_000;

export interface ClaimsParts {
  readonly nodes: Nodes;
  readonly shards: readonly Shard[];
  /** Whether its session is on its way here. */
  readonly arrives: (clientId: string) => boolean;
  /** Whether it has a session here. */
  readonly isHere: (clientId: string) => boolean;
  /** It could not be claimed, as its server is away. */
  readonly onUnclaimed: (clientId: string) => void;
}

/** A client that has connected here, until its client id is this node's. */
export class Claim {
  readonly clientId: string;
  readonly clean: boolean;
  readonly ready: () => void;
  isSent = false;
  /** Run of the node that is asked for it; undefined until Redis has answered, which may be after that node has. */
  previous: string | undefined;
  /** Run of the node that has let go of it. */
  freeAt: string | undefined;
  /** Called when Redis has answered. */
  readonly onAnswer: (() => void)[] = [];
  timer: NodeJS.Timeout | undefined;

  constructor(clientId: string, clean: boolean, ready: () => void) {
    this.clientId = clientId;
    this.clean = clean;
    this.ready = ready;
  }
}

/**
 * Claims of client ids, and their ends, all of a turn in one call. A claim is one call, in which Redis asks the node
 * before:
 *
 *     node N   CONNECT x ── claim x ──> x: O -> N ── W x ──> node O   closes its connection
 *                                                                     no session that stays: N x ──> node N   CONNACK
 *                                                                     else it goes over, see Departures
 */
export class Claims {
  readonly #parts: ClaimsParts;
  /** The newest of each client id that is not over. */
  readonly #waiting = new Map<string, Claim>();
  /** Of this turn, by shard. */
  readonly #new: Claim[][];
  readonly #released: Set<string>[];
  #scheduled = false;
  readonly counters = { claimed: 0, asked: 0, unanswered: 0 };

  constructor(parts: ClaimsParts) {
    this.#parts = parts;
    this.#new = parts.shards.map(() => []);
    this.#released = parts.shards.map(() => new Set());
    parts.nodes.on('N', (from, body) => {
      for (const clientId of body.toString().split('\0')) this.#hearFree(from, clientId);
    });
  }

  /** Now. */
  get size(): number {
    return this.#waiting.size;
  }

  of(clientId: string): Claim | undefined {
    return this.#waiting.get(clientId);
  }

  begin(clientId: string, clean: boolean, ready: () => void): void {
    this.end(clientId);
    const index = this.#shardOf(clientId);
    this.#released[index]!.delete(clientId);
    if (!this.#parts.shards[index]!.open) {
      this.#parts.onUnclaimed(clientId);
      return ready();
    }
    const claim = new Claim(clientId, clean, ready);
    this.#waiting.set(clientId, claim);
    this.#new[index]!.push(claim);
    this.#schedule();
  }

  release(clientId: string): void {
    this.#released[this.#shardOf(clientId)]!.add(clientId);
    this.#schedule();
  }

  /** Whether a session that comes from that node is waited for. */
  isAwaited(clientId: string, from: string): boolean {
    const claim = this.#waiting.get(clientId);
    return claim !== undefined && (claim.previous === undefined || claim.previous === from);
  }

  /** Its session is on its way: Arrivals says when that is over, whatever becomes of it. */
  extend(clientId: string): void {
    clearTimeout(this.#waiting.get(clientId)?.timer);
  }

  /** It waits no longer. */
  end(clientId: string): void {
    const claim = this.#waiting.get(clientId);
    if (claim === undefined) return;
    clearTimeout(claim.timer);
    this.#waiting.delete(clientId);
    claim.ready();
  }

  endAll(): void {
    for (const clientId of [...this.#waiting.keys()]) this.end(clientId);
  }

  /** A node has gone: nobody waits for it. */
  forget(run: string): void {
    for (const { clientId, previous } of [...this.#waiting.values()])
      if (previous === run && !this.#parts.arrives(clientId)) this.end(clientId);
  }

  #shardOf(clientId: string): number {
    return shardOf(clientId, this.#parts.shards.length);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#send());
  }

  /** Releases go first: who has ended and connected again in this turn has its claim. */
  #send(): void {
    this.#scheduled = false;
    const { shards, nodes, isHere } = this.#parts;
    for (const [index, shard] of shards.entries()) {
      const released = [...this.#released[index]!].filter((id) => !this.#waiting.has(id) && !isHere(id));
      this.#released[index]!.clear();
      for (const some of inBatches(released)) shard.call('release', [nodes.run, ...some]).catch(() => {});
      for (const some of inBatches(this.#new[index]!)) void this.#ask(shard, some);
      this.#new[index] = [];
    }
  }

  async #ask(shard: Shard, claims: readonly Claim[]): Promise<void> {
    for (const claim of claims) claim.isSent = true;
    const args = claims.flatMap(({ clientId, clean }) => [clean ? '1' : '0', clientId]);
    let reply: (string | number)[] = [];
    try {
      reply = (await shard.call('claim', [this.#parts.nodes.run, ...args])) as (string | number)[];
    } catch {
      for (const { clientId } of claims) this.#parts.onUnclaimed(clientId);
    }
    this.counters.claimed += claims.length;
    for (const [n, claim] of claims.entries()) {
      claim.previous = String(reply[2 * n] ?? '');
      if (this.#waiting.get(claim.clientId) === claim) this.#decide(claim, Number(reply[2 * n + 1] ?? 0));
      for (const then of claim.onAnswer) then();
    }
  }

  /** @param heard connections of the node before that have heard of it; see clients.lua */
  #decide(claim: Claim, heard: number): void {
    const { clientId, previous, freeAt } = claim;
    const { nodes, arrives, isHere } = this.#parts;
    const isOwn = previous === nodes.run;
    const isComing = arrives(clientId) || (isOwn && heard > 0 && !isHere(clientId));
    if (!isComing && (isOwn || heard === 0 || freeAt === previous)) return this.end(clientId);
    this.counters.asked++;
    if (arrives(clientId)) return;
    claim.timer = setTimeout(() => {
      this.counters.unanswered++;
      this.end(clientId);
    }, answerMsMax);
  }

  #hearFree(from: string, clientId: string): void {
    const claim = this.#waiting.get(clientId);
    if (claim === undefined) return;
    claim.freeAt = from;
    if (claim.previous === from && !this.#parts.arrives(clientId)) this.end(clientId);
  }
}
