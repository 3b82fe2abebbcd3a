import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { Nodes } from '../../../../router/engine/redis/nodes.js';
import type { Shard } from '../../../../router/engine/redis/shard.js';
import { RedisServer } from '../../../redis-server.js';
import { until } from '../../../until.js';
import { Functions, run } from './functions.js';

/** The list of nodes in Redis, and what it costs with many of them. */

const redis = await RedisServer.start();
t.teardown(() => redis.stop());
const functions = await Functions.open(redis);
const admin = redis.client();

/** A node's connection to a server, shared by all its parts. */
class OneOfMany {
  readonly usable = true;
  readonly open = true;
  readonly #pulses: ((version: number) => void)[] = [];
  readonly nodeRun: string;

  constructor(nodeRun: string) {
    this.nodeRun = nodeRun;
  }

  call(name: string, args: (string | number | Buffer)[]): Promise<unknown> {
    return functions.call(name, ...args);
  }

  onBack(): void {}

  onPulse(listener: (version: number) => void): void {
    this.#pulses.push(listener);
  }

  publishRaw(): void {}

  async pulse(): Promise<void> {
    const version = (await functions.call('alive', this.nodeRun)) as number;
    for (const listener of this.#pulses) listener(version);
  }
}

function nodeOf(n: number): { shard: OneOfMany; nodes: Nodes } {
  const nodeRun = (n + 1).toString(16).padStart(16, '0');
  const shard = new OneOfMany(nodeRun);
  const node = { name: `host-${n}.example.com-8000`, group: '', role: 'both' as const };
  const nodes = new Nodes({ name: 'encke', run: nodeRun, node, shards: [shard as unknown as Shard] });
  return { shard, nodes };
}

/** One second of the lives of some. */
async function second(some: readonly { shard: OneOfMany; nodes: Nodes }[]): Promise<void> {
  await Promise.all(some.map(({ shard }) => shard.pulse()));
  for (const { nodes } of some) nodes.tick(performance.now() + 1_000);
  await functions.redis.publish(`encke:n:${run('f')}`, 'x'); // behind all that they have asked
  await delay(1);
}

async function traffic(): Promise<{ calls: number; outBytes: number }> {
  const stats = await admin.info('stats');
  const commands = await admin.info('commandstats');
  await admin.config('RESETSTAT');
  return {
    calls: Number(/^cmdstat_fcall:calls=(\d+)/m.exec(commands)?.[1] ?? 0),
    outBytes: Number(/^total_net_output_bytes:(\d+)/m.exec(stats)![1]),
  };
}

t.test('500 nodes know each other, and hear of each other once', async (t) => {
  const all = Array.from({ length: 500 }, (_, n) => nodeOf(n));
  await traffic();
  // They start within ten seconds.
  for (let n = 0; n < 500; n += 50) {
    await Promise.all(all.slice(n, n + 50).map(({ nodes }) => nodes.join()));
    await second(all.slice(0, n + 50));
  }
  await second(all);
  t.ok(all.every(({ nodes }) => nodes.peers.length === 499));
  const started = await traffic();
  // Each joins, says once a second that it is there, and asks then what has changed: not once for each that came.
  t.ok(started.calls < 500 * (2 + 2 * 12), `${started.calls} calls while they started`);
  const each = started.outBytes / 500 / 499;
  t.ok(each < 300, `${Math.round(each)} bytes for each other node that a node has heard of`);

  for (let n = 0; n < 5; n++) await second(all);
  const quiet = await traffic();
  t.ok(quiet.calls <= 5 * 500 + 10, `${quiet.calls} calls in 5 quiet seconds`);
  t.ok(quiet.outBytes < 5 * 500 * 100, `${quiet.outBytes} bytes in 5 quiet seconds`);

  const gone: string[] = [];
  for (const { nodes } of all.slice(0, 10)) nodes.onGone(({ name }) => gone.push(name));
  await all[499]!.nodes.leave();
  await second(all.slice(0, 499));
  await second(all.slice(0, 499));
  t.same(gone, Array(10).fill('host-499.example.com-8000'), 'who leaves is gone with the next second');
  const left = await traffic();
  t.ok(left.outBytes < 2 * 499 * 400, `${left.outBytes} bytes to tell 499 of one`);
  await Promise.all(all.map(({ nodes }) => nodes.leave()));
});

t.test('a node that is silent for 3 s is gone for the others, and one again when it goes on', async (t) => {
  await functions.call('leave', run('a'));
  const [one, two] = [nodeOf(1_000), nodeOf(1_001)];
  await one.nodes.join();
  await two.nodes.join();
  await second([one, two]);
  const knows = () => one.nodes.isHere(two.nodes.run);
  t.ok(knows());
  for (let n = 0; n < 7; n++) {
    await delay(500);
    await second([one]);
  }
  await second([one]);
  t.notOk(knows(), 'gone');
  await second([two]);
  await second([two]);
  await second([one]);
  t.ok(knows(), 'there again');
});

t.test('where all have been silent, as when Redis stood still, nobody is gone', async (t) => {
  const [one, two] = [nodeOf(2_000), nodeOf(2_001)];
  await one.nodes.join();
  await two.nodes.join();
  await second([one, two]);
  redis.pause();
  await delay(3_500);
  redis.resume();
  await second([one]);
  await second([one]);
  t.ok(one.nodes.isHere(two.nodes.run));
});

t.test('words of nodes that are not in the list yet wait until it is read, a thousand at most', async (t) => {
  let giveList = (_list: unknown) => {};
  let asked = 0;
  const answers: string[] = [];
  const list = {
    usable: true,
    open: true,
    onBack() {},
    onPulse() {},
    call: (name: string) => {
      if (name !== 'changes' || asked++ > 0) return Promise.resolve([1, 0, 1]);
      return new Promise((resolve) => {
        giveList = resolve;
      });
    },
    publishRaw: (channel: string) => answers.push(channel),
  };
  const node = { name: 'a', group: '', role: 'both' as const };
  const nodes = new Nodes({ name: 'encke', run: run('a'), node, shards: [list as unknown as Shard] });
  const newcomer = run('b');
  const question = Buffer.from(`Q${newcomer}\0\0\0\x01\x02id`);
  for (let n = 0; n < 1_500; n++) nodes.hear(question, 0);
  t.strictSame(answers, []);
  giveList([1, 1, 1, newcomer, JSON.stringify({ name: 'b', group: '', role: 'both', startedMs: 1 })]);
  await until('those that waited are answered', () => answers.length >= 1_000);
  await delay(1);
  t.equal(answers.length, 1_000);
  t.strictSame([...new Set(answers)], [`encke:n:${newcomer}`]);
  nodes.hear(question, 0);
  t.equal(answers.length, 1_001, 'one that is known is answered at once');
});
