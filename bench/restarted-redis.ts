/**
 * The question: what does a Redis server have to do when it comes back, and all nodes with it? 10, 50 and 100 nodes in one
 * process, each with ids of its own that have history; the server is killed and started again with its data. Until all are
 * there again: time, bytes and commands at the server. They are to grow with the nodes, not with their square.
 *
 *     npm run build && node dist/bench/restarted-redis.js [ids of a node] [nodes ...]
 */
import type { RedisEngine } from '../router/engine/redis/engine.js';
import { HistoryRules } from '../router/history/history-rules.js';
import { Message } from '../router/index.js';
import { RedisServer } from '../test/redis-server.js';
import { redisEngineAt } from '../test/router/engine/redis/engine-parts.js';
import { until } from '../test/until.js';

const ids = Number(process.argv[2] ?? 200);
const sizes = process.argv.length > 3 ? process.argv.slice(3).map(Number) : [10, 50, 100];
const rules = new HistoryRules([{ filter: '#', messages: 100, ageSec: 600 }]);
const untilMs = 60_000;

console.log(
  `Node ${process.version}; ${ids} ids on each node, a message for each; Redis is killed, and started again`,
);
console.log(
  'nodes | all are there again after | commands, of a node | bytes to Redis, from Redis, of a node',
);
for (const count of sizes) await measure(count);
process.exit();

async function measure(count: number): Promise<void> {
  const redis = await RedisServer.start({ appendonly: true });
  const nodes: RedisEngine[] = [];
  for (let n = 0; n < count; n++) nodes.push(await nodeOf(redis, n));
  await Promise.all(nodes.map((node, n) => publishEach(node, n)));
  await redis.restart();
  const startedMs = performance.now();
  await until(
    'all nodes are there again',
    () =>
      nodes.every((node) => {
        const { connected, peers } = node.stats();
        return connected && peers === count - 1;
      }),
    untilMs,
  );
  const seconds = (performance.now() - startedMs) / 1000;
  const info = await redis.client().info();
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)![1]);
  const each = (name: string) => Math.round(field(name) / count);
  console.log(
    [
      String(count).padEnd(5),
      `${seconds.toFixed(2)} s`.padEnd(25),
      `${field('total_commands_processed')}, ${each('total_commands_processed')}`.padEnd(19),
      `${each('total_net_input_bytes')}, ${each('total_net_output_bytes')}`,
    ].join(' | '),
  );
  await Promise.all(nodes.map((node) => node.stop()));
  await redis.stop();
}

async function nodeOf(redis: RedisServer, n: number): Promise<RedisEngine> {
  const node = redisEngineAt([redis.url], { rules, node: { name: `node-${n}`, group: '', role: 'both' } });
  await node.open();
  await node.start(() => 1);
  for (let i = 0; i < ids; i++) node.addInterest(`user/${n}/${i}`);
  await new Promise<void>((resolve) => node.whenInterested(resolve));
  return node;
}

async function publishEach(node: RedisEngine, n: number): Promise<void> {
  const payload = Buffer.alloc(64, 'x');
  let left = ids;
  await new Promise<void>((resolve) => {
    const onOutcome = () => --left === 0 && resolve();
    for (let i = 0; i < ids; i++) node.publish(new Message(`user/${n}/${i}`, payload, 0, 1), { onOutcome });
  });
}
