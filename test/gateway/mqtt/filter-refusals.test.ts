import t, { type Test } from 'tap';
import { publish, subscribe, unsubscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { connectRaw } from './raw-client.js';

oneProcessFile('SUBSCRIBE and its answer; nothing crosses');

/** A filter that is refused is answered 0x80, counted by reason, and logged once a connection. */

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  return gateway;
}

const refusedOf = async (gateway: GatewayProcess) => (await gateway.stats()).mqtt.filtersRefused;

const linesOf = ({ log }: GatewayProcess) =>
  log
    .split('\n')
    .filter((line) => line.includes('"filter-refused"'))
    .map((line) => JSON.parse(line));

t.test('a subscription of a kind that there is not, such as $share, is refused', async (t) => {
  const gateway = await start(t);
  const client = await connectRaw(t, gateway, { clientId: 'sharing' });
  const filters = [
    '$share/g/t',
    '$queue/t',
    '$share/g/#',
    '$share',
    '$exclusive/t',
    '$local/t',
    'mine/$share/g',
  ];
  client.send(subscribe(1, ...filters.map((filter) => [filter, 1] as [string, number])));
  t.match(await client.next(), { returnCodes: [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1] });
  t.equal((await refusedOf(gateway))['subscription-kind'], 6);
  await until('it is logged', () => linesOf(gateway).length > 0);
  t.match(linesOf(gateway), [
    { clientId: 'sharing', address: '127.0.0.1', refusal: 'subscription-kind', filter: '$share/g/t' },
  ]);
  t.match(linesOf(gateway)[0].msg, /not supported: subscribe to the filter behind it/);
  client.send(unsubscribe(2, '$share/g/t'));
  t.match(await client.next(), { type: 'UNSUBACK', id: 2 }, 'and UNSUBSCRIBE of it is answered');
  client.send(subscribe(3, ['$own/t', 1], ['$SYS/#', 0]));
  t.match(await client.next(), { returnCodes: [1, 0] }, 'other topics that begin with $ are topics');
  client.send(publish('$own/t', 'x'));
  t.match(
    (await client.untilPong()).filter((packet) => 'topic' in packet && packet.topic === '$own/t'),
    [{ payload: 'x' }],
    'and what is published to them comes',
  );
});

t.test('--mqtt-rewrite may make a plain subscription of a shared one', async (t) => {
  const gateway = await start(t, '--mqtt-rewrite', 'sub $share/# ^\\$share/[^/]+/(.+)$ $1');
  const client = await connectRaw(t, gateway);
  client.send(subscribe(1, ['$share/g/t', 1]));
  t.match(await client.next(), { returnCodes: [1] });
  client.send(publish('t', 'x'));
  t.match(await client.untilPong(), [{ topic: 't', payload: 'x' }]);
});

t.test('a client may have any number of filters, 1,000 here', async (t) => {
  const gateway = await start(t);
  const client = await connectRaw(t, gateway);
  const filters = Array.from({ length: 1000 }, (_, n) => [`f/${n}/+`, 1] as [string, number]);
  client.send(subscribe(1, ...filters));
  t.match(await client.next(), { returnCodes: filters.map(() => 1) });
  t.same(linesOf(gateway), []);
});

t.test('each reason is counted, and a connection has one line in the log', async (t) => {
  const gateway = await start(
    t,
    ...['--mqtt-max-subscriptions', '3', '--mqtt-subscriptions-total-max', '4'],
    ...['--id-bytes-max', '100', '--topic-levels-max', '5'],
  );
  const one = await connectRaw(t, gateway, { clientId: 'one' });
  one.send(subscribe(1, ['a', 0], ['b', 0], ['c', 0], ['d', 0], ['e', 0]));
  t.match(await one.next(), { returnCodes: [0, 0, 0, 0x80, 0x80] });
  const two = await connectRaw(t, gateway, { clientId: 'two' });
  two.send(subscribe(1, ['x'.repeat(101), 0], ['1/2/3/4/5/6', 0], ['a', 0], ['b', 0]));
  t.match(await two.next(), { returnCodes: [0x80, 0x80, 0, 0x80] });
  t.match(await refusedOf(gateway), {
    'too-many': 2,
    'too-many-total': 1,
    'too-long': 1,
    'too-many-levels': 1,
    'subscription-kind': 0,
  });
  await until('both are logged', () => linesOf(gateway).length >= 2);
  t.match(linesOf(gateway), [
    { clientId: 'one', refusal: 'too-many', setting: '--mqtt-max-subscriptions', limit: 3 },
    { clientId: 'two', refusal: 'too-long', setting: '--id-bytes-max', limit: 100, bytes: 101 },
  ]);
  t.equal(linesOf(gateway).length, 2);
  await one.disconnect();
  const again = await connectRaw(t, gateway, { clientId: 'one' });
  again.send(subscribe(1, ['1/2/3/4/5/6', 0]));
  await again.next();
  await until('the next connection has a line of its own', () => linesOf(gateway).length === 3);
});

t.test('a filter of --mqtt-auto-subscribe that is refused is counted and logged too', async (t) => {
  const gateway = await start(t, '--mqtt-auto-subscribe', 'own/$c=0', '--id-bytes-max', '20');
  await connectRaw(t, gateway, { clientId: 'c'.repeat(17) });
  t.equal((await refusedOf(gateway))['too-long'], 1);
  await until('it is logged', () => linesOf(gateway).length === 1);
});
