import { shardOf } from '../../../redis-access/shards.js';
import type { EdgeOutcome } from '../../graph/graph.js';
import type {
  CopiesOutcome,
  EdgeChange,
  EdgesPage,
  FriendsPage,
  ListOfId,
  SharedGraph,
} from '../../graph/shared-graph.js';
import type { Message } from '../../message.js';
import { inBatches } from './calls.js';
import type { Counts } from './counts.js';
import type { ShardError } from './errors.js';
import { bodyOf, countedHeadOf } from './message-format.js';
import type { Shard } from './shard.js';

/** Most edges of one call: it takes Redis 1 ms, in which nothing else runs there. */
const edgesPerCall = 256;
/** Most edges of one answer, or a few more, in a walk through all. */
const edgesPerRead = 2_000;
/** Copies may wait so long for Redis, ms. */
const copyMsMax = 5_000;

export interface RedisGraphParts {
  readonly shards: readonly { readonly shard: Shard; readonly counts: Counts }[];
  readonly subscriptionsMax: number;
}

/**
 * Keeps the friends graph in Redis, see functions/graph.lua. No node holds a copy of it: a node that sends to followers reads
 * them page by page, behind all changes that were answered before.
 */
export class RedisGraph implements SharedGraph {
  readonly #parts: RedisGraphParts;
  readonly copiesMax = 1_000;
  readonly counts = { ids: 0, edges: 0 };

  constructor(parts: RedisGraphParts) {
    this.#parts = parts;
    parts.shards[0]?.shard.onPulse(() => void this.#count());
  }

  async change(changes: readonly EdgeChange[]): Promise<EdgeOutcome[]> {
    const outcomes: EdgeOutcome[] = [];
    for (const some of inBatches(changes, edgesPerCall)) outcomes.push(...(await this.#changeSome(some)));
    return outcomes;
  }

  async list(which: ListOfId, id: string, most: number, after: string): Promise<FriendsPage | undefined> {
    const behind = textOf(after);
    if (behind === undefined) return undefined;
    const { shard } = this.#parts.shards[this.#indexOf(id)]!;
    const list = which === 'subscribers' ? 'f' : 's';
    // One more than asked for tells whether there is another page.
    const answer = (await readFrom(shard, 'related', [list, id, behind, most + 1])) as [number, Buffer[]];
    const [count, found] = answer;
    const ids = found.slice(0, most).map(String);
    return { count, ids, next: found.length > most ? cursorOf(ids.at(-1)!) : undefined };
  }

  async edges(
    most: number,
    after: string,
    wants: (subscriber: string) => boolean,
  ): Promise<EdgesPage | undefined> {
    const { shards } = this.#parts;
    const place = textOf(after) ?? '';
    const [, index, behind] = /^(\d+) (.*)$/s.exec(place) ?? [];
    if (after !== '' && (index === undefined || Number(index) >= shards.length)) return undefined;
    const edges: [string, string][] = [];
    let at = Number(index ?? 0);
    let last = behind ?? '';
    let read = 0;
    while (read < most && at < shards.length) {
      const { shard } = shards[at]!;
      const wanted = Math.min(most - read, edgesPerRead);
      const answer = (await readFrom(shard, 'edges', [last, wanted])) as (Buffer | Buffer[])[];
      for (let i = 0; i < answer.length; i += 2) {
        last = String(answer[i]);
        const followed = answer[i + 1] as Buffer[];
        read += followed.length;
        if (wants(last)) for (const id of followed) edges.push([last, String(id)]);
      }
      if (answer.length > 0) continue;
      at++;
      last = '';
    }
    await this.#count();
    const next = at < shards.length ? cursorOf(`${at} ${last}`) : undefined;
    return { count: this.counts.edges, edges, next };
  }

  async copy(message: Message, followers: readonly string[]): Promise<CopiesOutcome> {
    const body = bodyOf(message);
    const byShard = this.#byShard(followers, (id) => id);
    const all = byShard.map(([index, ids]) => this.#copyOn(index, message, body, ids));
    const outcomes = await allOf(all);
    return {
      delivered: outcomes.reduce((sum, { delivered }) => sum + delivered, 0),
      unanswered: Math.max(0, ...outcomes.map(({ unanswered }) => unanswered)),
    };
  }

  #copyOn(index: number, { id }: Message, body: Buffer, ids: readonly string[]): Promise<CopiesOutcome> {
    const { shard, counts } = this.#parts.shards[index]!;
    return new Promise((resolve, reject) => {
      const number = counts.expect(id, resolve);
      const notAfterMs = shard.clock.at(performance.now() + copyMsMax);
      const head = countedHeadOf(shard.parts.run, number);
      shard.callBegun('copies', [notAfterMs, head, body, ...ids]).then(
        (copies) => counts.sent(number, copies as number),
        (error) => {
          counts.forget(number);
          refused(shard, error).catch(reject);
        },
      );
    });
  }

  async #changeSome(changes: readonly EdgeChange[]): Promise<EdgeOutcome[]> {
    const outcomes = changes.map(
      ({ subscriber, subscribee }): EdgeOutcome => (subscriber === subscribee ? 'self' : 'unchanged'),
    );
    const places = changes.flatMap((_, at) => (outcomes[at] === 'self' ? [] : [at]));
    const isSplit = (at: number) => {
      const { subscriber, subscribee } = changes[at]!;
      return this.#indexOf(subscriber) !== this.#indexOf(subscribee);
    };
    const split = new Set(places.filter(isSplit));
    await this.#relate(changes, outcomes, places, 'subscriber', (at) => (split.has(at) ? 's' : 'b'));
    const accepted = [...split].filter((at) => outcomes[at] !== 'too-many-subscriptions');
    await this.#relate(changes, outcomes, accepted, 'subscribee', () => 'f');
    return outcomes;
  }

  /** @param places of the changes that are made @param end the id of an edge whose server is called */
  async #relate(
    changes: readonly EdgeChange[],
    outcomes: EdgeOutcome[],
    places: readonly number[],
    end: 'subscriber' | 'subscribee',
    lists: (at: number) => string,
  ): Promise<void> {
    const calls = this.#byShard(places, (at) => changes[at]![end]).map(async ([index, here]) => {
      const args = here.flatMap((at) => {
        const { subscriber, subscribee, remove } = changes[at]!;
        return [`${remove ? '-' : '+'}${lists(at)}`, subscriber, subscribee];
      });
      const { shard } = this.#parts.shards[index]!;
      const call = shard.call('relate', [this.#parts.subscriptionsMax, ...args]);
      const reply = (await call.catch((error) => refused(shard, error))) as number[];
      for (const [i, at] of here.entries())
        if (reply[i] === 1) outcomes[at] = 'changed';
        else if (reply[i] === -1) outcomes[at] = 'too-many-subscriptions';
    });
    await allOf(calls);
  }

  async #count(): Promise<void> {
    const calls = this.#parts.shards.map(({ shard }) =>
      shard.use((redis) => redis.hmget(`${shard.parts.library.name}:g`, 'ids', 'edges')),
    );
    const all = await allOf(calls).catch(() => undefined); // it is asked again
    if (all === undefined) return;
    this.counts.ids = all.reduce((sum, [ids]) => sum + Number(ids), 0);
    this.counts.edges = all.reduce((sum, [, edges]) => sum + Number(edges), 0);
  }

  /** @returns the index of each shard that has some of them, and those */
  #byShard<Each>(all: readonly Each[], idOf: (each: Each) => string): [index: number, here: Each[]][] {
    const byShard = this.#parts.shards.map((): Each[] => []);
    for (const each of all) byShard[this.#indexOf(idOf(each))]!.push(each);
    return [...byShard.entries()].filter(([, here]) => here.length > 0);
  }

  #indexOf(id: string): number {
    return shardOf(id, this.#parts.shards.length);
  }
}

/** Waits for all of them, also where one rejects: none is under way afterwards. */
async function allOf<Each>(calls: readonly Promise<Each>[]): Promise<Each[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((each) => {
    if (each.status === 'rejected') throw each.reason;
    return each.value;
  });
}

/** @throws Error with a sentence for the caller */
async function refused({ parts }: Shard, error: ShardError): Promise<never> {
  if (error.kind === 'away') throw new Error(`Redis at ${parts.name} is away.`);
  if (error.kind !== 'refused') throw new Error(`Redis at ${parts.name} is behind.`);
  throw new Error(`Redis at ${parts.name} refuses: ${error.message.replace(/\.$/, '')}.`);
}

function readFrom(shard: Shard, name: string, args: readonly (string | number)[]): Promise<unknown> {
  return shard.read(name, args).catch((error: ShardError) => refused(shard, error));
}

function cursorOf(text: string): string {
  return Buffer.from(text).toString('base64url');
}

function textOf(cursor: string): string | undefined {
  return /^[A-Za-z0-9_-]*$/.test(cursor) ? Buffer.from(cursor, 'base64url').toString() : undefined;
}
