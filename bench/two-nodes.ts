/**
 * The question: how long does a message take from one node to another, how many go through, and what does each process pay for
 * one? Two nodes and one redis-server or several; all streams are on the one node, and messages are sent to the other one:
 * with history and without; one by one and in batches; counted and not.
 *
 *     npm run build && node dist/bench/two-nodes.js [--history with|without] [--redis-servers 2] [--streams 1000]
 *                                                   [--batch 500] [--only one-by-one|batches] [--sec 8]
 *                                                   [--connections 64]
 *
 * One by one, messages come over that many connections, one under way on each. The client is raw; with `--msggen` it is `encke msggen`,
 * whose own CPU is the larger part there.
 */
import { parseArgs } from 'node:util';
import { Flood } from '../floodtest/flood.js';
import { sourceAddresses, sourceAddressesFor } from '../floodtest/plan.js';
import { serverUsage } from '../floodtest/server-usage.js';
import { formatLatency, LatencyHistogram } from '../msggen/latency.js';
import { type GatewayProcess, startProcess } from '../test/gateway-process.js';
import { RedisServer } from '../test/redis-server.js';
import { until } from '../test/until.js';
import { everyShare } from './flood-share.js';
import { runMsggen } from './msggen-process.js';
import { runPosts } from './posts.js';

const { values } = parseArgs({
  options: {
    history: { type: 'string' },
    'redis-servers': { type: 'string', default: '1' },
    streams: { type: 'string', default: '1000' },
    batch: { type: 'string', default: '500' },
    only: { type: 'string' },
    sec: { type: 'string', default: '8' },
    connections: { type: 'string', default: '64' },
    msggen: { type: 'boolean', default: false },
  },
});
const streams = Number(values.streams);
const fullSec = Number(values.sec);
const steadyPerSec = 1_000;
const connections = Number(values.connections);
/** Code that runs for the first time is slow, and is not the question: V8 has optimized it after some 100,000 messages. */
const warmUpSec = 8;

interface Load {
  sent: number;
  delivered: number | null;
  errors: number;
  cpuSec: number;
  /** While the client sent, without its start. */
  perSec: number;
}

type Send = (sender: GatewayProcess) => Promise<Load>;

const rulesOf = { with: '# 100 60', without: '# 0 0' };
for (const history of ['with', 'without'] as const)
  if (values.history === undefined || values.history === history) await measure(history);
process.exit();

async function measure(history: keyof typeof rulesOf): Promise<void> {
  const servers = await Promise.all(
    Array.from({ length: Number(values['redis-servers']) }, () => RedisServer.start()),
  );
  const start = (node: string) =>
    startProcess({
      flags: [
        ...['--engine', 'redis', '--redis', servers.map(({ url }) => url).join(), '--node-name', node],
        ...['--history-rules', rulesOf[history], '--log-level', 'warn'],
      ],
    });
  const [sender, receiver] = await Promise.all([start('sender'), start('receiver')]);
  const share = everyShare([receiver.port], streams, {
    ratePerSec: 4_000,
    sourceAddresses: sourceAddresses(sourceAddressesFor(streams)),
  });
  const latency = new LatencyHistogram();
  const flood = new Flood({ share, holdMs: undefined, serverPids: [] }, (row) =>
    latency.add(row.latency.toCounts()),
  );
  const flooding = flood.run();
  await until('all streams are open', () => flood.counts.connected === streams, 120_000);

  const pids = {
    sender: sender.pid,
    receiver: receiver.pid,
    ...Object.fromEntries(servers.map(({ pid }, n) => [`redis-server ${n + 1}`, pid])),
    floodtest: flood.pids[0]!,
  };
  const phase = async (title: string, send: Send) => {
    latency.reset();
    const receivedBefore = flood.counts.messages;
    const before = cpuOf(pids);
    const redisBefore = await callsOf(sender);
    const load = await send(sender);
    const received = () => flood.counts.messages - receivedBefore;
    await until('all have arrived', () => received() >= load.sent, 20_000).catch(() => {});
    if (title === '') return;
    const redis = await callsOf(sender);
    const after = cpuOf(pids);
    const used = Object.entries(pids).map(([name]) => [name, after[name]! - before[name]!] as const);
    const shares = [...used, ['client', load.cpuSec] as const].map(
      ([name, sec]) => `${name} ${((sec * 1e6) / load.sent).toFixed(1)}`,
    );
    const inCall = (redis.forwarded - redisBefore.forwarded) / (redis.batches - redisBefore.batches);
    console.log(`${history} history, ${title}`);
    console.log(
      `  ${load.perSec.toFixed(0)}/s: sent ${load.sent}, counted ${load.delivered}, received ${received()}, errors ${load.errors}, out of order ${flood.counts.outOfOrder}; ${inCall.toFixed(1)} in a call of Redis`,
    );
    console.log(`  from when they were due to arrival: ${formatLatency(latency.summaryMs())}`);
    console.log(`  µs of CPU a message: ${shares.join(', ')}`);
  };
  const oneByOne = (perSec: number, seconds: number): Send => {
    if (values.msggen) {
      const rate = perSec > 0 ? String(perSec) : 'max';
      return msggen(['--rate', rate, '--connections', String(connections), '--until', `${seconds}s`]);
    }
    return async ({ apiPort: port }) => {
      const posts = await runPosts({ port, connections, perSec, seconds, maxId: streams });
      return { ...posts, perSec: posts.sent / posts.seconds };
    };
  };
  const batches = (seconds: number, ...flags: string[]) =>
    msggen([
      ...['--rate', 'max', '--batch', values.batch, '--connections', '4', '--until', `${seconds}s`],
      ...flags,
    ]);
  if (values.only !== 'batches') {
    await phase('', oneByOne(0, warmUpSec));
    await phase('', oneByOne(steadyPerSec, 1));
    await phase(`${steadyPerSec}/s, one by one`, oneByOne(steadyPerSec, fullSec));
    await phase('as fast as it goes, one by one', oneByOne(0, fullSec));
  }
  if (values.only !== 'one-by-one') {
    await phase('', batches(warmUpSec));
    await phase(`as fast as it goes, ${values.batch} in a request`, batches(fullSec));
    await phase(`the same, not counted`, batches(fullSec, '--no-wait'));
  }
  for (const node of [sender, receiver])
    if (node.log !== '') console.log(`log of process ${node.pid}: ${node.log}`);
  flood.stop();
  await flooding;
  await Promise.all([sender.kill(), receiver.kill()]);
  await Promise.all(servers.map((server) => server.stop()));
}

function msggen(flags: readonly string[]): Send {
  return async ({ apiUrl }) => {
    const summary = await runMsggen([...flags, '--max-id', String(streams), '--stamp', '--url', apiUrl]);
    return { ...summary, errors: summary.errorsTotal, perSec: summary.achievedPerSec };
  };
}

async function callsOf(node: GatewayProcess): Promise<{ forwarded: number; batches: number }> {
  const { engine } = await node.stats();
  return engine;
}

function cpuOf(pids: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, serverUsage([pid])!.cpuSec]));
}
