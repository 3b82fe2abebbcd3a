import { Crowd, getRequest } from '../test/crowd.js';
import { startGateway } from '../test/gateway-process.js';
import { mqttSubscriber } from '../test/mqtt-bytes.js';
import { until } from '../test/until.js';
import { settled } from './settled.js';

/**
 * What does an idle connection cost? RSS of the server with 1,000, 10,000 and 18,000 connections, each on an id
 * of its own: open `/test` streams, or (with `mqtt`) MQTT over WebSocket with one subscription and keep-alive on. It
 * is warm when the first figure is taken (1,000 have come, got 20 messages each
 * and gone, and 1,000 others are there), so that code which runs for the first time, and the young generation
 * that the start has left behind, are not counted for or against the connections.
 *
 *     npm run build && taskset -c 1 node dist/bench/idle-memory.js [mqtt]
 */

const first = 1_000;
const counts = [10_000, 18_000];
const warmingMessages = 20;

const opening =
  process.argv[2] === 'mqtt' ? (n: number) => mqttSubscriber(n) : (n: number) => getRequest(`/test/${n}`);
const gateway = await startGateway({ cpu: 0, flags: ['--log-level', 'warn'] });
const crowd = new Crowd(gateway.port);
const start = await settled(gateway);
await warmUp();
await openUpTo(first);
const warm = await settled(gateway);

console.log(`Node ${process.version}; RSS ${mb(start)} MB at the start, ${mb(warm)} MB warm with ${first}`);
console.log('connections | RSS MB | B a connection beyond the first 1,000 | B a connection from the start');
for (const count of counts) {
  await openUpTo(count);
  const rss = await settled(gateway);
  const beyond = ((rss - warm) / (count - first)).toFixed(0);
  const fromStart = ((rss - start) / count).toFixed(0);
  console.log(`${count} | ${mb(rss)} | ${beyond} | ${fromStart}`);
}
await crowd.clear();
await gateway.kill();
process.exit();

async function warmUp(): Promise<void> {
  await openUpTo(first);
  crowd.countMarkers('~');
  for (let round = 0; round < warmingMessages; round++) {
    const lines = Array.from({ length: first }, (_, n) =>
      JSON.stringify({ id: String(n), data: `~${'x'.repeat(63)}` }),
    );
    await fetch(`${gateway.apiUrl}/send`, { method: 'POST', body: lines.join('\n') });
  }
  await until('all have arrived', () => crowd.markers === first * warmingMessages);
  await crowd.clear();
  await until('all have left', async () => (await gateway.stats()).connections.open === 0);
}

async function openUpTo(count: number): Promise<void> {
  const from = crowd.open;
  await crowd.add(count - from, (n) => opening(from + n));
  await until('all are counted', async () => (await gateway.stats()).router.logins === count);
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
