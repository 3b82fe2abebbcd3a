import { Crowd, getRequest } from '../test/crowd.js';
import { startGateway } from '../test/gateway-process.js';
import { until } from '../test/until.js';
import { settled } from './settled.js';

/**
 * Does memory come back? RSS with 10,000 connections before and after 1,000,000 messages over them; without
 * connections before and after; and after each of 20 rounds in which 10,000 connect and leave.
 *
 *     npm run build && taskset -c 1 node dist/bench/memory-returns.js
 */

const connections = 10_000;
const messages = 1_000_000;
const batchLines = 1_000;
const rounds = 20;

const gateway = await startGateway({ cpu: 0, flags: ['--log-level', 'warn'] });
const crowd = new Crowd(gateway.port);
crowd.countMarkers('#'); // one in each message

const idleStart = await settled(gateway);
await fill();
const fullBefore = await settled(gateway);
await sendAll();
const fullAfter = await settled(gateway);
await empty();
const idleAfter = await settled(gateway);
console.log(`Node ${process.version}; RSS in MB`);
console.log(`0 connections, at the start        ${mb(idleStart)}`);
console.log(`${connections} connections                 ${mb(fullBefore)}`);
console.log(`… after ${messages} messages       ${mb(fullAfter)}   ${percent(fullAfter, fullBefore)}`);
console.log(`0 connections again                ${mb(idleAfter)}   ${percent(idleAfter, idleStart)}`);

const peaks: number[] = [];
const floors: number[] = [];
for (let round = 1; round <= rounds; round++) {
  await fill();
  peaks.push(await settled(gateway));
  await empty();
  floors.push(await settled(gateway));
  process.stderr.write(`round ${round}: ${mb(peaks.at(-1)!)} full, ${mb(floors.at(-1)!)} empty\n`);
}
console.log(`${rounds} rounds of ${connections} that come and go:`);
console.log(`full:  ${peaks.map(mb).join(' ')}   last to first ${percent(peaks.at(-1)!, peaks[0]!)}`);
console.log(`empty: ${floors.map(mb).join(' ')}   last to first ${percent(floors.at(-1)!, floors[0]!)}`);
await gateway.kill();
process.exit();

async function fill(): Promise<void> {
  await crowd.add(connections, (n) => getRequest(`/test/${n}`));
}

async function empty(): Promise<void> {
  await crowd.clear();
  await until('the server has noticed', async () => (await gateway.stats()).connections.open === 0);
}

async function sendAll(): Promise<void> {
  const expected = crowd.markers + messages;
  for (let sent = 0; sent < messages; sent += batchLines) {
    const lines = Array.from({ length: batchLines }, () => line(Math.floor(Math.random() * connections)));
    const response = await fetch(`${gateway.apiUrl}/send`, { method: 'POST', body: lines.join('\n') });
    const { delivered } = (await response.json()) as { delivered: number };
    if (delivered !== batchLines) throw new Error(`${delivered} of ${batchLines} were delivered`);
  }
  await until('all have arrived', () => crowd.markers >= expected, 60_000);
}

function line(id: number): string {
  return JSON.stringify({ id: String(id), data: 'x'.repeat(64) });
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function percent(after: number, before: number): string {
  return `${after >= before ? '+' : ''}${(((after - before) / before) * 100).toFixed(1)} %`;
}
