/**
 * The question: what does a connection on an id of its own cost in a node among others, and in Redis? RSS with
 * 18,000 `/test` streams on each of two nodes, once it has settled, beside a node alone with the embedded engine.
 *
 *     npm run build && node dist/bench/cluster-memory.js [streams on each node] [embedded | redis]
 */
import { Flood } from '../floodtest/flood.js';
import { sourceAddresses, sourceAddressesFor } from '../floodtest/plan.js';
import { serverUsage } from '../floodtest/server-usage.js';
import { type GatewayProcess, startGateway } from '../test/gateway-process.js';
import { RedisServer } from '../test/redis-server.js';
import { until } from '../test/until.js';
import { everyShare } from './flood-share.js';
import { runMsggen } from './msggen-process.js';
import { settled } from './settled.js';

const each = Number(process.argv[2] ?? 18_000);
const only = process.argv[3];
const messagesPerSec = 5_000;

interface Reading {
  nodes: number[];
  redis: number;
}

console.log(`Node ${process.version}, ${each} streams on each node; growth of RSS, B a stream`);
console.log('engine, nodes  | at the start, MB | all open       | a message each | redis-server');
if (only !== 'redis') await measure('embedded', 1);
if (only !== 'embedded') await measure('redis', 2);
process.exit();

async function measure(engine: 'embedded' | 'redis', count: number): Promise<void> {
  const redis = await RedisServer.start();
  const nodes = await Promise.all(
    Array.from({ length: count }, (_, n) =>
      startGateway({
        flags: [
          ...['--log-level', 'warn', '--node-name', `node-${n + 1}`],
          ...(engine === 'redis' ? ['--engine', 'redis', '--redis', redis.url] : []),
        ],
      }),
    ),
  );
  const start = await read(nodes, redis);
  const streams = each * count;
  const share = everyShare(
    nodes.map(({ port }) => port),
    streams,
    { ratePerSec: 4_000, sourceAddresses: sourceAddresses(sourceAddressesFor(streams)) },
  );
  const flood = new Flood({ share, holdMs: undefined, serverPids: [] }, () => {});
  const flooding = flood.run();
  await until('all streams are open', () => flood.counts.connected === streams, 300_000);
  const open = await read(nodes, redis);
  await runMsggen([
    ...['--rate', String(messagesPerSec), '--until', `${Math.ceil(streams / messagesPerSec)}s`],
    ...['--max-id', String(streams), '--url', nodes[0]!.apiUrl, '--no-wait'],
  ]);
  const used = await read(nodes, redis);
  const grown = (reading: Reading) =>
    reading.nodes.map((bytes, n) => Math.round((bytes - start.nodes[n]!) / each)).join(', ');
  const redisGrown = (reading: Reading) => Math.round((reading.redis - start.redis) / streams);
  const redisShown = engine === 'redis' ? `${redisGrown(open)}, then ${redisGrown(used)}` : '-';
  console.log(
    [
      `${engine}, ${count}`.padEnd(14),
      start.nodes
        .map((bytes) => (bytes / 1e6).toFixed(1))
        .join(', ')
        .padEnd(16),
      grown(open).padEnd(14),
      grown(used).padEnd(14),
      redisShown,
    ].join(' | '),
  );
  flood.stop();
  await flooding;
  await Promise.all(nodes.map((node) => node.kill()));
  await redis.stop();
}

async function read(nodes: readonly GatewayProcess[], redis: RedisServer): Promise<Reading> {
  const bytes = await Promise.all(nodes.map((node) => settled(node)));
  return { nodes: bytes, redis: serverUsage([redis.pid])!.rssBytes };
}
