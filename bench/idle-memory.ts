import { Crowd, getRequest } from '../test/crowd.js';
import { startGateway } from '../test/gateway-process.js';
import { until } from '../test/until.js';
import { settled } from './settled.js';

/**
 * What does an idle connection cost? RSS of the server with 1,000, 10,000 and 18,000 open `/test` streams, each
 * on an id of its own, against a server that has just started, and against one that already holds 1,000 (so
 * that code that runs for the first time is not counted as memory of connections).
 */

const counts = [1_000, 10_000, 18_000];

const gateway = await startGateway({ cpu: 0, flags: ['--log-level', 'warn', ...process.argv.slice(2)] });
const crowd = new Crowd(gateway.port);
const rows: { open: number; rssBytes: number }[] = [];
const start = await settled(gateway);
for (const count of counts) {
  const first = crowd.open;
  await crowd.add(count - first, (n) => getRequest(`/test/${first + n}`));
  await until('all are counted', async () => (await gateway.stats()).connections.open === count);
  rows.push({ open: count, rssBytes: await settled(gateway) });
}
await crowd.clear();
await gateway.kill();

const [warm] = rows;
console.log(`Node ${process.version}, RSS at the start ${(start / 1e6).toFixed(1)} MB`);
console.log('connections | RSS MB | B a connection, from the start | B a connection, beyond the first 1,000');
for (const { open, rssBytes } of rows) {
  const fromStart = ((rssBytes - start) / open).toFixed(0);
  const beyond = open === warm!.open ? '-' : ((rssBytes - warm!.rssBytes) / (open - warm!.open)).toFixed(0);
  console.log(`${open} | ${(rssBytes / 1e6).toFixed(1)} | ${fromStart} | ${beyond}`);
}
