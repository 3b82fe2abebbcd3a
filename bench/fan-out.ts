import { fileURLToPath } from 'node:url';
import { type GatewayProcess, startGateway } from '../test/gateway-process.js';
import { until } from '../test/until.js';
import { sideBySide } from './side-by-side.js';
import { closeStreams, openStreams } from './streams.js';

/**
 * What does delivering one message to 10,000 connections cost? Server CPU a delivery, beside a bare
 * uWebSockets.js loop that writes the same text to all. Server on core 0; run this on core 1:
 *
 *     npm run build && taskset -c 1 node dist/bench/fan-out.js
 */

const connections = 10_000;
const fanOuts = 40;
const payload = 'x'.repeat(64);

const encke = await startGateway({ cpu: 0, flags: ['--log-level', 'warn'] });
const bare = await startGateway({
  cpu: 0,
  program: fileURLToPath(new URL('bare/server.js', import.meta.url)),
});

await sideBySide(
  { ours: 'encke', theirs: 'bare uWS', unit: 'µs of server CPU a delivery', pairs: 9 },
  () => measure(encke, '/send/all'),
  () => measure(bare, '/fan-out/all'),
);
await encke.kill();
await bare.kill();
process.exit();

/** Each fan-out has arrived everywhere before the next one starts: nothing is ever backpressured. */
async function measure(server: GatewayProcess, path: string): Promise<number> {
  const crowd = await openStreams(server, connections, () => '/test/all');
  const cpuBefore = server.cpuSec;
  for (let round = 0; round < fanOuts; round++) {
    const expected = crowd.markers + connections;
    await fetch(server.apiUrl + path, { method: 'POST', body: payload });
    await until('all have it', () => crowd.markers >= expected, 60_000);
  }
  const cpuSec = server.cpuSec - cpuBefore;
  await closeStreams(server, crowd);
  return (cpuSec * 1e6) / (fanOuts * connections);
}
