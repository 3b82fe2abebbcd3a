import { shardOf } from '../../../../redis-access/shards.js';
import type { ClientUser } from '../../cluster.js';
import { inBatches, patienceMs } from '../calls.js';
import type { Nodes } from '../nodes.js';
import type { Shard } from '../shard.js';

/**
 * A claim that nobody has heard is repeated so long, if the node before is in the list: its connection has broken for a
 * moment, or it was killed within the last 3 s.
 */
const unheardMsMax = 500;
/** A node before that has much to do is waited for so long at most, while it says anything. */
const busyMsMax = 10_000;
const busySilenceMs = 1_000;
/** Most client ids that wait for a release until their server is back. Later lookups of further ones are in vain. */
const releasedMax = 100_000;

export interface ClaimsParts {
  readonly nodes: Nodes;
  readonly shards: readonly Shard[];
  /** Whether the session of this client id is on its way here. */
  readonly arrives: (clientId: string) => boolean;
  /** Whether this node has a session of the client id. */
  readonly isHere: (clientId: string) => boolean;
  /** The server of the client id could not be asked in time. */
  readonly onUnclaimed: (clientId: string) => void;
  /** The node before has not answered, or is gone: what is here goes on. */
  readonly onUnanswered: (clientId: string) => void;
  /** The client is here, and another user has its client id on that node. */
  readonly onAnothers: (clientId: string, run: string) => void;
}

/** A client id, until it is this node's. */
export class Claim {
  readonly clientId: string;
  readonly clean: boolean;
  readonly user: ClientUser;
  /** Goes on with its CONNECT; undefined = its client is here already. */
  readonly ready: ((isAnothers: boolean) => void) | undefined;
  untilMs = performance.now() + patienceMs;
  /** The later end of the wait, while that node says anything. */
  busyUntilMs = performance.now() + busyMsMax;
  isSent = false;
  /** The call may have run before. */
  isRepeated = false;
  /** Another user has the client id on a node that is gone. */
  isForced = false;
  /** Run of the node that is asked for the client id; undefined until Redis has answered, which may be after that node has. */
  previous: string | undefined;
  /** Number of the call; a later call has a higher one. */
  number = 0;
  /** Run of the node that has let go of the client id. */
  freeAt: string | undefined;
  /** Since when no node hears the claim. */
  unheardMs: number | undefined;
  /** Called when Redis has answered, or is asked no more. */
  readonly onAnswer: (() => void)[] = [];

  constructor(clientId: string, clean: boolean, user: ClientUser, ready: Claim['ready']) {
    this.clientId = clientId;
    this.clean = clean;
    this.user = user;
    this.ready = ready;
  }

  /** The flags of this claim, as clients.lua takes them. */
  get flags(): string {
    const isForced = this.isForced || this.user.isSuperuser;
    return `${this.clean ? 1 : 0}${this.isRepeated ? '+' : ''}${isForced ? '!' : ''}`;
  }
}

/**
 * Claims of client ids, and their ends, all of a turn in one call. A claim is one call, in which Redis asks the node
 * before; it is sent again while its server is away, refuses, or that node cannot hear it:
 *
 *     node N   CONNECT x ── claim x ──> x: O -> N ── W x ──> node O   closes its connection
 *                                                                     no session that stays: N x ──> node N   CONNACK
 *                                                                     else it goes over, see Departures
 *
 * If another user has the client id on that node, nothing of this is done, and CONNECT is refused.
 */
export class Claims {
  readonly #parts: ClaimsParts;
  /** The newest claim of each client id, until it is over. */
  readonly #waiting = new Map<string, Claim>();
  /** Claims that are to be sent, by shard. */
  readonly #new: Set<Claim>[];
  readonly #released: Set<string>[];
  /** Claims and releases that are to be sent once more, with the next tick. */
  readonly #later: (() => void)[] = [];
  /** When each server came back last. */
  readonly #backMs: number[];
  /** When each node has last said something about client ids, by run. */
  readonly #heardMs = new Map<string, number>();
  #scheduled = false;
  readonly counters = { claimed: 0, asked: 0, unanswered: 0 };

  constructor(parts: ClaimsParts) {
    this.#parts = parts;
    const { shards, nodes } = parts;
    this.#new = shards.map(() => new Set());
    this.#released = shards.map(() => new Set());
    this.#backMs = shards.map(() => 0);
    for (const [index, shard] of shards.entries())
      shard.onBack(() => {
        this.#backMs[index] = performance.now();
      });
    nodes.on('N', (from, body) => {
      this.hear(from);
      for (const clientId of body.toString().split('\0')) this.#hearFree(from, clientId);
    });
  }

  /** Claims that wait now. */
  get size(): number {
    return this.#waiting.size;
  }

  of(clientId: string): Claim | undefined {
    return this.#waiting.get(clientId);
  }

  begin(clientId: string, clean: boolean, user: ClientUser, ready?: Claim['ready']): void {
    const older = this.#waiting.get(clientId);
    const isAnothers = older?.ready !== undefined && older.user.key !== user.key;
    // The connection of the older claim may be gone: the session comes here all the same, and is that user's.
    if (ready !== undefined && isAnothers && !user.isSuperuser) return ready(true);
    this.end(clientId);
    const index = this.#shardOf(clientId);
    this.#released[index]!.delete(clientId);
    const claim = new Claim(clientId, clean, user, ready);
    this.#waiting.set(clientId, claim);
    this.#new[index]!.add(claim);
    this.#schedule();
  }

  release(clientId: string): void {
    const released = this.#released[this.#shardOf(clientId)]!;
    if (released.size < releasedMax) released.add(clientId);
    this.#schedule();
  }

  /** Whether a CONNECT waits for a session that comes from that node. */
  isAwaited(clientId: string, from: string): boolean {
    const claim = this.#waiting.get(clientId);
    return claim?.ready !== undefined && (claim.previous === undefined || claim.previous === from);
  }

  /** Notes that this node lives. */
  hear(from: string): void {
    this.#heardMs.set(from, performance.now());
  }

  /** The session of this client id could not be sent: its claim waits no longer than 2 s in all. */
  hurry(clientId: string): void {
    const claim = this.#waiting.get(clientId);
    if (claim !== undefined) claim.busyUntilMs = claim.untilMs;
  }

  /** Ends the claim of this client id. @param isAnothers the client id is not this node's, but another user's */
  end(clientId: string, isAnothers = false): void {
    const claim = this.#waiting.get(clientId);
    if (claim === undefined) return;
    const index = this.#shardOf(clientId);
    this.#waiting.delete(clientId);
    this.#new[index]!.delete(claim);
    // A session that has ended meanwhile is not its CONNECT's, which goes on in another turn.
    this.#released[index]!.delete(clientId);
    if (claim.ready !== undefined) claim.ready(isAnothers);
    else if (isAnothers) this.#parts.onAnothers(clientId, claim.previous!);
    else if (!this.#parts.isHere(clientId)) this.release(clientId);
    this.#answered(claim);
  }

  endAll(): void {
    for (const clientId of [...this.#waiting.keys()]) this.end(clientId);
  }

  /** A node has gone: nobody waits for it. */
  forget(run: string): void {
    this.#heardMs.delete(run);
    for (const { clientId, previous } of [...this.#waiting.values()])
      if (previous === run && !this.#parts.arrives(clientId)) this.#goOnWithout(clientId);
  }

  /** @param stalledMs for so long this process itself has looked at nothing */
  tick(nowMs: number, stalledMs: number): void {
    for (const claim of [...this.#waiting.values()]) {
      const { clientId, previous = '' } = claim;
      claim.untilMs += stalledMs;
      const isBusy = nowMs - (this.#heardMs.get(previous) ?? 0) < busySilenceMs;
      if (nowMs < claim.untilMs || (nowMs < claim.busyUntilMs && (isBusy || this.#parts.arrives(clientId))))
        continue;
      if (previous === '') this.#parts.onUnclaimed(clientId);
      else this.counters.unanswered++;
      this.#goOnWithout(clientId);
    }
    for (const add of this.#later.splice(0)) add();
    this.#send();
  }

  #shardOf(clientId: string): number {
    return shardOf(clientId, this.#parts.shards.length);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  /** Releases go first: a client that has ended and connected again in this turn has its claim. */
  #send(): void {
    const { shards, isHere } = this.#parts;
    for (const [index, shard] of shards.entries()) {
      if (!shard.open) continue;
      const released = [...this.#released[index]!].filter((id) => !this.#waiting.has(id) && !isHere(id));
      this.#released[index]!.clear();
      for (const some of inBatches(released))
        shard.callBegun('release', some).catch(() => {
          this.#later.push(...some.map((clientId) => () => this.release(clientId)));
        });
      if (!shard.usable) continue; // the other node is heard on the subscribed connection
      const claims = [...this.#new[index]!];
      this.#new[index]!.clear();
      for (const some of inBatches(claims)) void this.#ask(index, some);
    }
  }

  async #ask(index: number, claims: readonly Claim[]): Promise<void> {
    const shard = this.#parts.shards[index]!;
    for (const claim of claims) claim.isSent = true;
    const args = claims.flatMap((claim) => [claim.flags, claim.clientId, claim.user.key]);
    const reply = await shard.callBegun('claim', args).catch(() => undefined);
    if (!Array.isArray(reply)) {
      for (const claim of claims) this.#again(index, claim);
      return;
    }
    for (const [n, claim] of claims.entries()) {
      const [previous, heard, isAnothers] = reply.slice(3 * n + 1, 3 * n + 4);
      if (claim.previous === undefined) this.counters.claimed++;
      claim.number = Number(reply[0]);
      claim.previous = String(previous);
      if (this.#waiting.get(claim.clientId) === claim)
        this.#decide(index, claim, Number(heard), isAnothers === 1);
      this.#answered(claim);
    }
  }

  #again(index: number, claim: Claim): void {
    claim.isRepeated = true;
    this.#later.push(() => {
      if (this.#waiting.get(claim.clientId) === claim) this.#new[index]!.add(claim);
    });
  }

  #answered(claim: Claim): void {
    for (const then of claim.onAnswer.splice(0)) then();
  }

  /** @param heard, isAnothers see clients.lua; but what a node had that is gone is nobody's */
  #decide(index: number, claim: Claim, heard: number, isAnothers: boolean): void {
    const { clientId, freeAt } = claim;
    const previous = claim.previous!;
    const { nodes, arrives, isHere } = this.#parts;
    const isOwn = previous === nodes.run;
    if (isAnothers && (isOwn || heard > 0 || nodes.isHere(previous))) return this.end(clientId, true);
    claim.isForced ||= isAnothers;
    if (isAnothers) return this.#again(index, claim);
    if (arrives(clientId) || (isOwn && heard > 0 && !isHere(clientId))) return;
    if (isOwn || previous === '' || freeAt === previous) return this.end(clientId);
    if (heard > 0) {
      this.counters.asked++;
      return;
    }
    const nowMs = performance.now();
    claim.unheardMs ??= nowMs;
    const untilMs = Math.max(claim.unheardMs + unheardMsMax, this.#backMs[index]! + patienceMs);
    if (nodes.isHere(previous) && nowMs < untilMs) this.#again(index, claim);
    else this.#goOnWithout(clientId);
  }

  #goOnWithout(clientId: string): void {
    this.#parts.onUnanswered(clientId);
    this.end(clientId);
  }

  #hearFree(from: string, clientId: string): void {
    const claim = this.#waiting.get(clientId);
    if (claim === undefined) return;
    claim.freeAt = from;
    if (claim.previous === from && !this.#parts.arrives(clientId)) this.end(clientId);
  }
}
