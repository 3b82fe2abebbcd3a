import t, { type Test } from 'tap';
import { publish, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { type GatewayProcess, startProcess } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { connectRaw } from './raw-client.js';

oneProcessFile("limits of one process's memory");

/** Past a limit in bytes the new is refused, counted and logged, and the process goes on, in a heap as small as this. */

const mebibyte = 1024 * 1024;
/** One client can reach the limit of all; that it otherwise has a share is in shares.test.ts. */
const undivided = ['--budget-share-per-client', '1', '--budget-share-per-address', '1'];

async function start(t: Test, heapMb: number, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startProcess({ flags, nodeFlags: [`--max-old-space-size=${heapMb}`] });
  t.teardown(() => gateway.kill());
  return gateway;
}

async function answersSoon(gateway: GatewayProcess): Promise<number> {
  const startedMs = performance.now();
  await (await fetch(`${gateway.apiUrl}/health`)).text();
  return performance.now() - startedMs;
}

/** Of 32 levels that they share with no other. */
const deep = (n: number) => `${n}/${`${n}/`.repeat(30)}+`;

t.test('filters of 32 levels are refused before they take the heap, and the process goes on', async (t) => {
  // All that there is room for in a heap of 128 MB, so that the sum is what is tried.
  const gateway = await start(t, 128, '--logins-bytes-total-max', `${70 * mebibyte}`, ...undivided);
  const client = await connectRaw(t, gateway, { clientId: 'greedy' });
  const perPacket = 200;
  let [granted, refused, slowestMs] = [0, 0, 0];
  for (let n = 0; refused < 3 * perPacket; n += perPacket) {
    client.send(
      subscribe(1, ...Array.from({ length: perPacket }, (_, at) => [deep(n + at), 0] as [string, number])),
    );
    const { returnCodes } = (await client.next()) as unknown as { returnCodes: number[] };
    for (const code of returnCodes) code === 0x80 ? refused++ : granted++;
    slowestMs = Math.max(slowestMs, await answersSoon(gateway));
  }
  t.ok(granted > 20_000, `${granted} filters were granted`);
  t.ok(gateway.alive);
  t.ok(slowestMs < 2_000, `/health took ${slowestMs.toFixed(0)} ms at most`);
  const { mqtt, router, memory } = await gateway.stats();
  t.equal(mqtt.filtersRefused['logins-bytes'], refused);
  t.ok(
    router.loginsBytes >= 70 * mebibyte && router.loginsBytes < 70.1 * mebibyte,
    `${router.loginsBytes} B`,
  );
  t.comment(
    `${(memory.heapUsedBytes / 1e6).toFixed(0)} MB of heap, counted ${(router.loginsBytes / 1e6).toFixed(0)}`,
  );
  await until('it is logged', () => gateway.log.includes('--logins-bytes-total-max'));
  const response = await fetch(`${gateway.url}/stream/1`);
  t.equal(response.status, 503, 'streams and polls are refused, too');
  t.equal(response.headers.get('retry-after'), '10');
  t.match(await response.text(), /no room for more ids/);
  t.equal((await fetch(`${gateway.url}/poll/1`)).status, 503);
  t.equal((await gateway.stats()).connections.refused['logins-bytes'], 2);

  client.send(publish('1/1', 'x'));
  await client.disconnect();
  await until('all is given back', async () => (await gateway.stats()).router.loginsBytes === 0);
  const again = await connectRaw(t, gateway);
  again.send(subscribe(1, [deep(1), 0]));
  t.match(await again.next(), { returnCodes: [0] });
});

t.test('sessions are refused past their bytes, and those that there are go on', async (t) => {
  const gateway = await start(t, 256, '--mqtt-clients-bytes-total-max', `${64 * 1024}`);
  const names = Array.from({ length: 50 }, (_, n) => `${n}-${'x'.repeat(1_000)}`);
  const codes: number[] = [];
  for (const clientId of names) {
    const client = await connectRaw(t, gateway, { clientId, clean: false }).catch(() => undefined);
    codes.push(client === undefined ? 3 : 0);
  }
  const accepted = codes.filter((code) => code === 0).length;
  t.ok(accepted > 25 && accepted < 35, `${accepted} were accepted`);
  const { sessions, connacks } = (await gateway.stats()).mqtt;
  t.equal(connacks[3], 50 - accepted);
  t.equal(sessions.refused, 50 - accepted);
  t.ok(sessions.clientsBytes >= 64 * 1024);
  await connectRaw(t, gateway, { clientId: names[0]!, clean: false });
  t.pass('who has a session comes back to it');
});

t.test('filters that overlap are refused before a publish has to look at too many of them', async (t) => {
  const gateway = await start(t, 256, '--mqtt-filter-visits-max', '1024', ...undivided);
  const client = await connectRaw(t, gateway, { clientId: 'overlapping' });
  const filters = Array.from({ length: 1 << 12 }, (_, n) => {
    const levels = Array.from({ length: 12 }, (_, level) => ((n >> level) & 1 ? '+' : 'a'));
    return [`${levels.join('/')}/x`, 0] as [string, number];
  });
  let refused = 0;
  for (let n = 0; n < filters.length; n += 512) {
    client.send(subscribe(1, ...filters.slice(n, n + 512)));
    const { returnCodes } = (await client.next()) as unknown as { returnCodes: number[] };
    refused += returnCodes.filter((code) => code === 0x80).length;
  }
  t.ok(refused > 3_000 && refused < filters.length, `${refused} of ${filters.length} were refused`);
  t.equal((await gateway.stats()).mqtt.filtersRefused['too-many-visits'], refused);
  await until('it is logged', () => gateway.log.includes('--mqtt-filter-visits-max'));
  client.send(subscribe(2, ['b/+/c', 0], ['+/x', 0]));
  t.match(await client.next(), { returnCodes: [0, 0] }, 'others are not concerned');
});
