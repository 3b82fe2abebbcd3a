import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { startGateway } from '../test/gateway-process.js';
import { until } from '../test/until.js';

/**
 * What does a stuck reader cost the kernel? 1,000 open streams that nobody reads, and 4 MB sent to each: pages of all TCP
 * sockets, of both ends, as loopback has both. Arguments are flags for the server:
 *
 *     npm run build && node dist/bench/stuck-readers.js [--socket-unsent-bytes-max 0]
 */

const readers = 1_000;
const messages = 70;
const payload = 'x'.repeat(60_000);

const flags = ['--log-level', 'warn', '--slow-consumer-policy', 'drop-newest', ...process.argv.slice(2)];
const gateway = await startGateway({ flags });
const sockets: Socket[] = [];
for (let n = 0; n < readers; n++) {
  const socket = connect(gateway.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write('GET /stream/all HTTP/1.1\r\nHost: localhost\r\n\r\n');
  socket.once('data', () => socket.pause());
  sockets.push(socket);
}
await until('all are open', async () => (await gateway.stats()).connections.open === readers, 30_000);
const before = tcpBytes();
for (let n = 0; n < messages; n++) await gateway.send('all', payload);
const stats = await gateway.stats();
const each = (tcpBytes() - before) / readers;
console.log(
  `${stats.slowConsumers.now} of ${readers} are behind; ${Math.round(each / 1024)} KB of kernel memory each`,
);
await gateway.kill();
process.exit();

function tcpBytes(): number {
  const pages = /^TCP: .* mem (\d+)/m.exec(readFileSync('/proc/net/sockstat', 'utf8'))![1];
  return Number(pages) * 4096;
}
