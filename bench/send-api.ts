import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type GatewayProcess, startGateway } from '../test/gateway-process.js';
import { sideBySide } from './side-by-side.js';
import { closeStreams, openStreams } from './streams.js';

/**
 * What does a message through the send API cost? 50 keep-alive connections at full speed, each message to a
 * random id of 10,000 open streams: server CPU a message, beside the smallest uWebSockets.js program that does
 * the same. Arguments are flags for the server: that program keeps no history. Server on core 0; run this on core 1:
 *
 *     npm run build && taskset -c 1 node dist/bench/send-api.js [--history-rules '# 0 0']
 */

const connections = 10_000;
const publishers = 50;
const messages = 60_000;
const payload = 'x'.repeat(64);

const encke = await startGateway({ cpu: 0, flags: ['--log-level', 'warn', ...process.argv.slice(2)] });
const bare = await startGateway({
  cpu: 0,
  program: fileURLToPath(new URL('bare/server.js', import.meta.url)),
});

await sideBySide(
  { ours: 'encke', theirs: 'bare uWS', unit: 'µs of server CPU a message', pairs: 9 },
  () => measure(encke),
  () => measure(bare),
);
await encke.kill();
await bare.kill();
process.exit();

async function measure(server: GatewayProcess): Promise<number> {
  const crowd = await openStreams(server, connections, (n) => `/test/${n}`);
  const cpuBefore = server.cpuSec;
  await Promise.all(Array.from({ length: publishers }, () => publish(server, messages / publishers)));
  const cpuSec = server.cpuSec - cpuBefore;
  await closeStreams(server, crowd);
  return (cpuSec * 1e6) / messages;
}

/** One keep-alive connection: the next request leaves when the answer is here. Raw, so that the client is not what is measured. */
function publish(server: GatewayProcess, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = count;
    const socket = connect(server.apiPort, '127.0.0.1', send);
    socket.on('error', reject);
    socket.on('data', (answer) => {
      if (!answer.toString('latin1').endsWith('{"delivered":1}')) return reject(new Error(answer.toString()));
      if (--left > 0) return send();
      socket.end();
      resolve();
    });
    function send() {
      const id = Math.floor(Math.random() * connections);
      socket.write(
        `POST /send/${id} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${payload.length}\r\n\r\n${payload}`,
      );
    }
  });
}
