import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type GatewayProcess, startGateway } from '../test/gateway-process.js';
import { sideBySide } from './side-by-side.js';
import { closeStreams, openStreams } from './streams.js';

/**
 * What does a message through the send API cost when the server is nearly idle? 1,000 messages a second, one by one
 * over one keep-alive connection, each to a random id of 10,000 open streams: the server sleeps between two of them, so
 * most of the time is the kernel's, for waking up, receiving and sending. Beside the smallest uWebSockets.js program
 * that does the same. A server is warmed up first: until V8 has optimized the path, a message costs 10 to 20 µs more.
 * Arguments are flags for the server. Server on core 0; run this on core 1:
 *
 *     npm run build && taskset -c 1 node dist/bench/send-paced.js [--history-rules '# 0 0']
 */

const connections = 10_000;
const messagesPerSec = 1_000;
const measuredSec = 8;
const warmUpMessagesPerSec = 20_000;
const warmUpSec = 3;
const payload = 'x'.repeat(64);

const encke = await startGateway({ cpu: 0, flags: ['--log-level', 'warn', ...process.argv.slice(2)] });
const bare = await startGateway({
  cpu: 0,
  program: fileURLToPath(new URL('bare/server.js', import.meta.url)),
});

await sideBySide(
  { ours: 'encke', theirs: 'bare uWS', unit: 'µs of server CPU a message', pairs: 5 },
  () => measure(encke),
  () => measure(bare),
);
await encke.kill();
await bare.kill();
process.exit();

async function measure(server: GatewayProcess): Promise<number> {
  const crowd = await openStreams(server, connections, (n) => `/test/${n}`);
  await publish(server, warmUpSec, warmUpMessagesPerSec);
  const cpuBefore = server.cpuSec;
  const sent = await publish(server, measuredSec, messagesPerSec);
  const cpuSec = server.cpuSec - cpuBefore;
  await closeStreams(server, crowd);
  return (cpuSec * 1e6) / sent;
}

/** Sends what is due by the clock, the next request only when the answer is here. @returns how many were answered */
async function publish(server: GatewayProcess, sec: number, perSec: number): Promise<number> {
  const socket = connect(server.apiPort, '127.0.0.1').setNoDelay(true);
  await once(socket, 'connect');
  const startedMs = performance.now();
  for (let sent = 0; ; sent++) {
    const dueMs = startedMs + (sent * 1000) / perSec;
    if (dueMs - startedMs >= sec * 1000) {
      socket.destroy();
      return sent;
    }
    if (dueMs - performance.now() > 0.5) await sleep(1);
    const id = Math.floor(Math.random() * connections);
    socket.write(
      `POST /send/${id} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${payload.length}\r\n\r\n${payload}`,
    );
    const [answer] = await once(socket, 'data');
    if (!String(answer).endsWith('{"delivered":1}')) throw new Error(String(answer));
  }
}
