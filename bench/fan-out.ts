import type { GatewayProcess } from '../test/gateway-process.js';
import { until } from '../test/until.js';
import { Contenders } from './contenders.js';
import { closeStreams, openStreams } from './streams.js';

/**
 * What does delivering one message to 10,000 connections cost? Server CPU a delivery, beside a bare
 * uWebSockets.js loop that writes the same text to all, or another build. Server on core 0; run this on core 1:
 *
 *     npm run build && taskset -c 1 node dist/bench/fan-out.js [--beside /tmp/base/dist/cli/encke.js]
 */

const connections = 10_000;
const fanOuts = 40;
const payload = 'x'.repeat(64);

const contenders = await Contenders.start('server.js');
await contenders.compare(
  9,
  'µs of server CPU a delivery',
  (server) => measure(server, '/send/all'),
  (server) => measure(server, contenders.besideBuild ? '/send/all' : '/fan-out/all'),
);
await contenders.end();

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
