/**
 * The question: what does interest cost? One node has 100,000 ids, or 100,000 filters `user/<n>/#`, on one Redis server
 * and on two: bytes in the node and in Redis, CPU for each subscription, and for each message that is sent to them from
 * another node. Then a node with the one filter `+/status`, which a hundredth of all messages match.
 *
 *     npm run build && node dist/bench/interest.js [ids]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { serverUsage } from '../floodtest/server-usage.js';
import { HistoryRules } from '../router/history/history-rules.js';
import { Message } from '../router/index.js';
import { matches } from '../router/topic-filter.js';
import { RedisServer } from '../test/redis-server.js';
import { redisEngineAt } from '../test/router/engine/redis/engine-parts.js';

const wanted = Number(process.argv[2] ?? 100_000);
const messages = 100_000;
const payload = Buffer.alloc(64, 'x');
/** Published and not yet in Redis. */
const inflightMax = 1_000;
const settleMs = 1_500;

interface Case {
  readonly name: string;
  readonly servers: number;
  /** The n-th subscription. */
  readonly filterOf: (n: number) => string;
  readonly subscriptions: number;
  /** Where the n-th message goes. */
  readonly idOf: (n: number) => string;
}

const toUsers = (n: number) => `user/${n % wanted}/x`;
const cases: readonly Case[] = [1, 2].flatMap((servers) => [
  { name: 'ids', servers, filterOf: toUsers, subscriptions: wanted, idOf: toUsers },
  { name: 'user/<n>/#', servers, filterOf: (n) => `user/${n}/#`, subscriptions: wanted, idOf: toUsers },
]);
const toSensors = (n: number) => `${n}/${n % 100 === 0 ? 'status' : 'temperature'}`;
const wide: readonly Case[] = [0, 1].map((subscriptions) => ({
  name: subscriptions === 0 ? 'nothing' : '+/status',
  servers: 1,
  filterOf: () => '+/status',
  subscriptions,
  idOf: toSensors,
}));

type Task =
  | { open: number; urls: string[] }
  | { subscribe: number }
  | { publish: number }
  | 'memory'
  | 'received';

interface Answer {
  /** RSS after a collection. */
  readonly bytes?: number;
  /** Messages that came, and those of them that somebody here had asked for. */
  readonly received?: number;
  readonly matched?: number;
}

if (process.send === undefined) {
  console.log(
    `Node ${process.version}; ${wanted} subscriptions of one node; ${messages} messages of 64 B, no history`,
  );
  console.log(
    'subscribed to | servers | B in the node | B in Redis | µs a subscription: node, Redis | µs a message: publisher, Redis, node | received | matched',
  );
  for (const [index] of [...cases, ...wide].entries()) await measure(index);
  process.exit();
} else work();

async function measure(index: number): Promise<void> {
  const { name, servers, subscriptions } = [...cases, ...wide][index]!;
  const redis = await Promise.all(Array.from({ length: servers }, () => RedisServer.start()));
  const urls = redis.map(({ url }) => url);
  const [node, publisher] = [start(), start()];
  for (const child of [node, publisher]) await ask(child, { open: index, urls });
  const pids = { node: [node.pid!], publisher: [publisher.pid!], redis: redis.map(({ pid }) => pid) };
  const cpuOf = () => Object.entries(pids).map(([part, all]) => [part, serverUsage(all)!.cpuSec] as const);
  const used = async () => {
    const infos = await Promise.all(redis.map((server) => server.client().info('memory')));
    return infos.reduce((sum, info) => sum + Number(/^used_memory:(\d+)/m.exec(info)![1]), 0);
  };
  const costs = (before: ReturnType<typeof cpuOf>, each: number) => {
    const after = Object.fromEntries(cpuOf());
    return Object.fromEntries(
      before.map(([part, sec]) => [part, (((after[part]! - sec) * 1e6) / each).toFixed(1)]),
    );
  };

  await pause();
  const bytesBefore = (await ask(node, 'memory')).bytes!;
  const redisBefore = await used();
  const subscribed = cpuOf();
  await ask(node, { subscribe: subscriptions });
  const login = costs(subscribed, Math.max(1, subscriptions));
  await pause();
  const bytes = ((await ask(node, 'memory')).bytes! - bytesBefore) / Math.max(1, subscriptions);
  const redisBytes = ((await used()) - redisBefore) / Math.max(1, subscriptions);

  await ask(publisher, { publish: messages / 4 }); // until it is warm
  await ask(node, 'received');
  const published = cpuOf();
  await ask(publisher, { publish: messages });
  await pause();
  const { received, matched } = await ask(node, 'received');
  const message = costs(published, messages);
  console.log(
    [
      name.padEnd(13),
      String(servers).padEnd(7),
      ...[bytes, redisBytes].map((one) => (subscriptions > 1 ? one.toFixed(0) : '')),
      subscriptions > 1 ? `${login.node}, ${login.redis}` : '',
      `${message.publisher}, ${message.redis}, ${message.node}`,
      received,
      matched,
    ].join(' | '),
  );
  for (const child of [node, publisher]) child.kill();
  await Promise.all(redis.map((server) => server.stop()));
}

function start(): ChildProcess {
  return fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
    execArgv: ['--expose-gc', '--max-semi-space-size=2'],
  });
}

async function ask(child: ChildProcess, task: Task): Promise<Answer> {
  child.send(task);
  const [answer] = await once(child, 'message');
  return answer as Answer;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, settleMs));
}

/** A node, or the publisher. */
function work(): void {
  let engine: ReturnType<typeof redisEngineAt>;
  let one: Case;
  let received = 0;
  let matched = 0;
  const doTask = async (task: Task): Promise<Answer> => {
    if (task === 'memory') {
      for (let i = 0; i < 3; i++) globalThis.gc!();
      return { bytes: process.memoryUsage.rss() };
    }
    if (task === 'received') {
      const answer = { received, matched };
      received = matched = 0;
      return answer;
    }
    if ('open' in task) {
      one = [...cases, ...wide][task.open]!;
      engine = redisEngineAt(task.urls, { rules: new HistoryRules([]) });
      await engine.open();
      const isWide = one.subscriptions <= 1;
      await engine.start(({ id }) => {
        received++;
        if (!isWide || matches(one.filterOf(0), id)) matched++;
        return 1;
      });
    } else if ('subscribe' in task) {
      for (let n = 0; n < task.subscribe; n++) engine.addInterest(one.filterOf(n));
      await new Promise<void>((resolve) => engine.whenInterested(resolve));
    } else await publish(task.publish);
    return {};
  };
  const publish = async (count: number) => {
    let inflight = 0;
    let wake = () => {};
    const onOutcome = () => {
      inflight--;
      wake();
    };
    for (let n = 0; n < count; n++) {
      inflight++;
      engine.publish(new Message(one.idOf(n), payload, 0, 1), { onOutcome });
      if (inflight < inflightMax && n < count - 1) continue;
      const most = n === count - 1 ? 0 : inflightMax / 2;
      await new Promise<void>((resolve) => {
        wake = () => inflight <= most && resolve();
        wake();
      });
    }
  };
  process.on('message', async (task: Task) => process.send!(await doTask(task)));
  process.on('disconnect', () => process.exit());
}
