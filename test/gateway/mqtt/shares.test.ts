import t, { type Test } from 'tap';
import { subscribe, unsubscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import { type GatewayProcess, startProcess } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { connectRaw } from './raw-client.js';

oneProcessFile("shares of one process's budgets");

/** One client, and one address, cannot use up what all share; the others are served as if it were not there. */

const subscribeFailed = 0x80;

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startProcess({ flags });
  t.teardown(() => gateway.kill());
  return gateway;
}

/** In packets of 200. @returns the return codes */
async function subscribeTo(client: RawMqtt, filters: readonly string[]): Promise<number[]> {
  const codes: number[] = [];
  for (let n = 0; n < filters.length; n += 200) {
    client.send(subscribe(1, ...filters.slice(n, n + 200).map((filter) => [filter, 0] as [string, number])));
    codes.push(...((await client.next()) as unknown as { returnCodes: number[] }).returnCodes);
  }
  return codes;
}

const grantedOf = (codes: readonly number[]) => codes.filter((code) => code !== subscribeFailed).length;
const refusedOf = async (gateway: GatewayProcess) => (await gateway.stats()).mqtt.filtersRefused;

const lineOf = ({ log }: GatewayProcess, refusal: string) => {
  const line = log.split('\n').find((each) => each.includes(`"refusal":"${refusal}"`));
  return line && JSON.parse(line);
};

/** Of 32 levels each, which they share with no other. */
const deep = (name: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${name}${n}/${`${n}/`.repeat(30)}+`);

/** {a,+}^levels/x */
const overlapping = (levels: number, root = '') =>
  Array.from({ length: 1 << levels }, (_, n) => {
    const path = Array.from({ length: levels }, (_, level) => ((n >> level) & 1 ? '+' : 'a'));
    return `${root}${path.join('/')}/x`;
  });

const mebibyte = 1024 * 1024;

t.test(
  'one client gets an eighth of the bytes for filters, its address half, others what they ask for',
  async (t) => {
    const gateway = await start(t, '--logins-bytes-total-max', `${8 * mebibyte}`);
    const greedy = await connectRaw(t, gateway, { clientId: 'greedy' });
    const granted = grantedOf(await subscribeTo(greedy, deep('g', 1_000)));
    t.ok(granted > 300 && granted < 450, `${granted} filters of 3 KB fit an eighth of 8 MB`);
    t.equal((await refusedOf(gateway))['client-share'], 1_000 - granted);
    await until('it is logged', () => lineOf(gateway, 'client-share') !== undefined);
    t.match(lineOf(gateway, 'client-share'), {
      clientId: 'greedy',
      setting: '--budget-share-per-client',
      limit: 0.125,
      of: '--logins-bytes-total-max',
      all: 8 * mebibyte,
    });
    t.equal(
      grantedOf(await subscribeTo(await connectRaw(t, gateway), deep('o', 100))),
      100,
      'another has its own',
    );
    t.same(await subscribeTo(await connectRaw(t, gateway), ['#', 'a/+', '+/+/state']), [0, 0, 0]);
    greedy.send(unsubscribe(1, ...deep('g', 200)));
    await greedy.next();
    const again = grantedOf(await subscribeTo(greedy, deep('h', 400)));
    t.ok(again > 140 && again <= 210, `what it gives back it may have again: ${again} for 200`);

    // Sessions that stay behind count for their address, too.
    for (let n = 0; n < 8; n++) {
      const client = await connectRaw(t, gateway, { clientId: `away-${n}`, clean: false });
      await subscribeTo(client, deep(`a${n}`, 1_000));
      await client.disconnect();
    }
    const { router } = await gateway.stats();
    t.ok(router.loginsBytes < 4.7 * mebibyte, `${router.loginsBytes} B of 8 MB`);
    t.ok((await refusedOf(gateway))['address-share'] > 2_000);
    await until('it is logged', () => lineOf(gateway, 'address-share') !== undefined);
    t.match(lineOf(gateway, 'address-share'), {
      address: '127.0.0.1',
      setting: '--budget-share-per-address',
      limit: 0.5,
    });
    t.equal(
      (await fetch(`${gateway.url}/poll/1?timeout=0`)).status,
      204,
      'streams and polls have their room',
    );
  },
);

t.test('one client cannot use up the places of the tree that messages look at', async (t) => {
  const gateway = await start(t);
  const greedy = await connectRaw(t, gateway, { clientId: 'greedy' });
  const granted = grantedOf(await subscribeTo(greedy, overlapping(12)));
  t.ok(granted > 30 && granted < 600, `${granted} of 4,096 were granted`);
  t.equal((await refusedOf(gateway))['client-share'], 4_096 - granted);
  const plain = ['#', '+', '+/x', 'b/+/c', 'a/#', 'a/+/a/a/#', '$SYS/#', 'a/b/c'];
  t.same(
    await subscribeTo(await connectRaw(t, gateway), plain),
    plain.map(() => 0),
    'others are not concerned',
  );
  t.same(await subscribeTo(greedy, ['+/+/+/+/+/x']), [subscribeFailed], 'it has its share');
  t.same(
    await subscribeTo(greedy, plain),
    plain.map(() => 0),
    'and of simple ones it may have more',
  );
});

t.test('where one leaves what others have built on, those are held to their own share', async (t) => {
  const gateway = await start(t);
  const last = await connectRaw(t, gateway, { clientId: 'last' });
  for (let round = 0; round < 10; round++) {
    const filters = overlapping(8, `${'+/'.repeat(round)}r${round}/`);
    const first = await connectRaw(t, gateway);
    await subscribeTo(first, filters);
    await subscribeTo(last, filters);
    await first.disconnect();
  }
  t.ok((await refusedOf(gateway))['client-share'] > 1_000);
  t.equal(grantedOf(await subscribeTo(await connectRaw(t, gateway), ['+/+/state', '#', 'x/+/+/y'])), 3);
});

t.test('simple filters are granted when others have filled the places of the tree', async (t) => {
  const gateway = await start(
    t,
    ...[
      '--mqtt-filter-visits-max',
      '1024',
      '--budget-share-per-client',
      '1',
      '--budget-share-per-address',
      '1',
    ],
  );
  await subscribeTo(await connectRaw(t, gateway, { clientId: 'filler' }), overlapping(10));
  const other = await connectRaw(t, gateway, { clientId: 'other' });
  t.same(await subscribeTo(other, ['+/+/a/+/a/a']), [subscribeFailed]);
  await until('it is logged', () => gateway.log.includes('"clientId":"other"'));
  const line = gateway.log.split('\n').find((each) => each.includes('"clientId":"other"'))!;
  t.match(JSON.parse(line).largestHolder, { clientId: 'filler', address: '127.0.0.1' });
  t.same(await subscribeTo(other, ['#', 'a/+/a/a', '+/#', 'a/a/#']), [0, 0, 0, 0]);
});

t.test('a queue has at most a share of what all queues may hold', async (t) => {
  const gateway = await start(
    t,
    ...['--mqtt-sessions-bytes-total-max', `${8 * mebibyte}`, '--mqtt-max-inflight', '1'],
    ...['--message-bytes-max', '20000'],
  );
  const hoarder = await connectRaw(t, gateway, { clientId: 'hoarder', clean: false });
  hoarder.send(subscribe(1, ['mine', 1]));
  await hoarder.next();
  await hoarder.disconnect();
  for (let n = 0; n < 200; n++) await gateway.send('mine', 'x'.repeat(10_000));
  const { sessions } = (await gateway.stats()).mqtt;
  t.ok(sessions.bytes > 0.9 * mebibyte && sessions.bytes <= mebibyte, `${sessions.bytes} B of 8 MB`);
  t.ok(sessions.dropped['mqueue-full'] > 90);
  t.equal(sessions.dropped['sessions-bytes'], 0);
});
