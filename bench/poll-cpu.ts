import { type GatewayProcess, startGateway } from '../test/gateway-process.js';
import { ToolProcess } from '../test/msggen/tool-process.js';
import { until } from '../test/until.js';
import { sideBySide } from './side-by-side.js';

/**
 * What does a message cost by long-poll, beside a stream? 10,000 waiting polls, each polling again at once, and 10,000
 * streams in turn at one gateway, 1,000 messages/s to random ids for a minute: server CPU a message, the sending over
 * HTTP included. A message that is lost or doubled ends it. Server on core 0; run this on core 1:
 *
 *     npm run build && taskset -c 1 node dist/bench/poll-cpu.js [connections] [messages/s] [seconds] [pairs] [stream transport]
 */

const [connections = 10_000, ratePerSec = 1_000, seconds = 60, pairs = 3] = process.argv.slice(2).map(Number);
const stream = process.argv[6] ?? 'ndjson';

const gateway = await startGateway({ cpu: 0, flags: ['--log-level', 'warn'] });
await sideBySide(
  { ours: 'long-poll', theirs: stream, unit: 'µs of server CPU a message', pairs },
  () => measure(gateway, 'long-poll'),
  () => measure(gateway, stream),
);
await gateway.kill();
process.exit();

async function measure(server: GatewayProcess, transport: string): Promise<number> {
  const flags = ['-c', String(connections), '-r', '2000', '-t', transport, '--url', server.url, '--json'];
  const flood = new ToolProcess(['floodtest', ...flags]);
  await until('all are open', () => flood.stderr.includes(`connected ${connections} `), 120_000);
  const cpuBefore = server.cpuSec;
  const load = ['--rate', String(ratePerSec), '--senders', '100', '--max-id', String(connections), '--stamp'];
  const during = ['--until', `${seconds}s`, '--url', server.apiUrl, '--json'];
  const { sent } = await new ToolProcess(['msggen', ...load, ...during]).summary();
  const cpuSec = server.cpuSec - cpuBefore;
  const rows = flood.stderr.split('\n').length;
  await until('what is on its way has come', () => flood.stderr.split('\n').length > rows + 1);
  flood.child.kill('SIGINT');
  const { messages, lost, duplicated, latencyMs, own } = await flood.summary();
  if (messages !== sent || lost + duplicated > 0) {
    throw new Error(
      `${transport}: ${sent} sent, ${messages} received, ${lost} lost, ${duplicated} duplicated`,
    );
  }
  process.stderr.write(
    `${transport}: ${messages} messages, latency p99 ${latencyMs.p99} ms, max ${latencyMs.max} ms, floodtest ${own.cpuSec.toFixed(2)} s CPU\n`,
  );
  await until('all have left', async () => (await server.stats()).router.logins === 0, 30_000);
  return (cpuSec * 1e6) / sent;
}
