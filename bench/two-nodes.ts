/**
 * The question: how long does a message take from one node to another, and how many go through? Two nodes and one
 * redis-server or several; msggen sends to the one, all streams are on the other. With history (which the nodes share)
 * and without; counted and not.
 *
 *     npm run build && node dist/bench/two-nodes.js [streams] [messages in a request] [redis-servers] [with | without]
 */
import { Flood } from '../floodtest/flood.js';
import { sourceAddresses, sourceAddressesFor } from '../floodtest/plan.js';
import { serverUsage } from '../floodtest/server-usage.js';
import { formatLatency, LatencyHistogram } from '../msggen/latency.js';
import { startGateway } from '../test/gateway-process.js';
import { RedisServer } from '../test/redis-server.js';
import { until } from '../test/until.js';
import { everyShare } from './flood-share.js';
import { runMsggen } from './msggen-process.js';

const streams = Number(process.argv[2] ?? 1_000);
const batch = Number(process.argv[3] ?? 500);
const servers = Number(process.argv[4] ?? 1);
const only = process.argv[5];
const steadyRate = 1_000;
const steadySec = 10;
const fullSec = 8;
/** Code that runs for the first time is slow, and is not the question. */
const warmUpSec = 5;

/** As many as fit into one message a stream and turn, and the default. */
const histories = { 'without history': '# 0 0', 'with history': '# 100 60' };

for (const [name, rules] of Object.entries(histories))
  if (only === undefined || name.startsWith(`${only} `)) await measure(name, rules);
process.exit();

async function measure(name: string, rules: string): Promise<void> {
  const redis = await Promise.all(Array.from({ length: servers }, () => RedisServer.start()));
  const start = (node: string) =>
    startGateway({
      flags: [
        ...['--engine', 'redis', '--redis', redis.map(({ url }) => url).join(), '--node-name', node],
        ...['--history-rules', rules, '--log-level', 'warn'],
      ],
    });
  const [sender, receiver] = await Promise.all([start('sender'), start('receiver')]);
  const latency = new LatencyHistogram();
  const share = everyShare([receiver.port], streams, {
    ratePerSec: 4_000,
    sourceAddresses: sourceAddresses(sourceAddressesFor(streams)),
  });
  const flood = new Flood({ share, holdMs: undefined, serverPids: [] }, (row) =>
    latency.add(row.latency.toCounts()),
  );
  const flooding = flood.run();
  await until('all streams are open', () => flood.counts.connected === streams, 120_000);

  const processes = {
    sender: sender.pid,
    receiver: receiver.pid,
    ...Object.fromEntries(redis.map(({ pid }, n) => [`redis-server ${n + 1}`, pid])),
  };
  const phase = async (title: string, flags: string[]) => {
    latency.reset();
    const receivedBefore = flood.counts.messages;
    const cpuBefore = cpuOf({ ...processes, floodtest: flood.pids[0]! });
    const atMs = performance.now();
    const sent = await runMsggen([
      ...flags,
      ...['--max-id', String(streams), '--stamp', '--url', sender.apiUrl],
    ]);
    const seconds = (performance.now() - atMs) / 1000;
    const cpu = { ...cpuOf({ ...processes, floodtest: flood.pids[0]! }) };
    await until('all have arrived', () => flood.counts.messages - receivedBefore >= sent.sent, 20_000).catch(
      () => {},
    );
    const received = flood.counts.messages - receivedBefore;
    if (title === '') return;
    const shares = Object.entries(cpu).map(([process, { cpuSec }]) => {
      const used = cpuSec - cpuBefore[process]!.cpuSec;
      return `${process} ${percent(used / seconds)} (${((used * 1e6) / sent.sent).toFixed(1)} µs)`;
    });
    shares.push(
      `msggen ${percent(sent.cpuSec / seconds)} (${((sent.cpuSec * 1e6) / sent.sent).toFixed(1)} µs)`,
    );
    console.log(`${name}, ${title}`);
    console.log(
      `  sent ${sent.sent}, ${sent.achievedPerSec.toFixed(0)}/s; delivered ${sent.delivered}, received ${received}, lost ${sent.sent - received} (gaps seen up to here ${flood.counts.lost}), out of order ${flood.counts.outOfOrder}, errors ${sent.errorsTotal}`,
    );
    console.log(`  from when they were due to arrival ${formatLatency(latency.summaryMs())}`);
    console.log(`  of one core (and a message): ${shares.join(', ')}`);
  };
  await phase('', ['--rate', 'max', '--batch', '50', '--until', `${warmUpSec}s`]);
  await phase('', ['--rate', String(steadyRate), '--until', `${warmUpSec}s`]);
  await phase(`${steadyRate}/s, one by one`, ['--rate', String(steadyRate), '--until', `${steadySec}s`]);
  await phase('as fast as it goes, one by one', [
    ...['--rate', 'max', '--connections', '64', '--until', `${fullSec}s`],
  ]);
  for (const [title, flags] of [
    [`as fast as it goes, ${batch} in a request`, []],
    [`as fast as it goes, ${batch} in a request, not counted`, ['--no-wait']],
  ] as const)
    await phase(title, [
      ...['--rate', 'max', '--batch', String(batch), '--connections', '4', '--until', `${fullSec}s`],
      ...flags,
    ]);
  for (const node of [sender, receiver])
    if (node.log !== '') console.log(`log of process ${node.pid}: ${node.log}`);
  flood.stop();
  await flooding;
  await Promise.all([sender.kill(), receiver.kill()]);
  await Promise.all(redis.map((server) => server.stop()));
}

function cpuOf(pids: Record<string, number>): Record<string, { cpuSec: number }> {
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, serverUsage([pid])!]));
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
