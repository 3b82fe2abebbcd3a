import t from 'tap';
import { lifeMs, qosByShares } from '../../floodtest/mqtt-plan.js';
import {
  assignmentOf,
  CONNECTIONS_PER_ADDRESS,
  connectionsOf,
  mqttSourceAddressesFor,
  processesFor,
  sourceAddresses,
  sourceAddressesFor,
  sourceOf,
} from '../../floodtest/plan.js';
import { gatewayAt, MQTT, share } from './share.js';

/** How connections are spread over processes, sources, gateways, QoS and lives. */

t.test('the shares of the processes add up', async (t) => {
  for (const [connections, processes] of [
    [10, 3],
    [9, 3],
    [1, 1],
    [100_001, 6],
  ] as const) {
    let sum = 0;
    for (let index = 0; index < processes; index++)
      sum += connectionsOf(share({ index, processes, connections }));
    t.equal(sum, connections);
  }
});

t.test('a device and the subscriber to its topics are at the same gateway', async (t) => {
  const devices = { count: 5, ratePerSec: 1, topic: 'd{n}/{m}', topicsEach: 1, sizeBytes: 1 };
  const gateways = [gatewayAt(1), gatewayAt(2)];
  const plan = share({
    connections: 2 + 7 + 5,
    gateways,
    ids: 5,
    mqtt: { ...MQTT, everything: 0, devices },
  });
  const places = Array.from({ length: 14 }, (_, number) => {
    const place = assignmentOf(plan, number);
    return `${place.role} ${place.number} at ${place.gateway.port}`;
  });
  t.same(places.slice(0, 2), ['everything 0 at 1', 'everything 1 at 2']);
  t.same(places.slice(9), [
    'device 0 at 1',
    'device 1 at 2',
    'device 2 at 1',
    'device 3 at 2',
    'device 4 at 1',
  ]);
  t.same(
    places
      .slice(2, 9)
      .map((place) => place.slice(-1))
      .join(''),
    '1212112',
    'subscriber 5 is with device 0',
  );
});

t.test('shares of QoS come out exactly, over any row of numbers', async (t) => {
  for (const [shares, of100] of [
    [
      [1, 0, 0],
      [100, 0, 0],
    ],
    [
      [0, 0, 1],
      [0, 0, 100],
    ],
    [
      [0.8, 0.2, 0],
      [80, 20, 0],
    ],
    [
      [0.5, 0.3, 0.2],
      [50, 30, 20],
    ],
    [
      [0.33, 0.33, 0.34],
      [33, 33, 34],
    ],
  ] as [[number, number, number], number[]][]) {
    const counts = [0, 0, 0];
    for (let number = 0; number < 100; number++) counts[qosByShares(shares, number)]!++;
    t.same(counts, of100);
  }
});

t.test('the share of the short-lived comes out exactly, spread over all', async (t) => {
  const lives = { share: 0.05, minMs: 10, maxMs: 20 };
  const chosen = Array.from({ length: 1000 }, (_, number) => lifeMs(lives, number, 1000));
  const ms = chosen.filter((life) => life !== undefined);
  t.equal(ms.length, 50);
  t.ok(ms.every((life) => life >= 10 && life <= 20));
  t.ok(new Set(ms).size > 40, 'each lives as long as it likes');
  const firstHalf = chosen.slice(0, 500).filter((life) => life !== undefined).length;
  t.ok(firstHalf > 10 && firstHalf < 40, `${firstHalf} in the first half`);
  t.equal(lifeMs(undefined, 1, 1000), undefined);
});

t.test('processes and source addresses grow with the connections', async (t) => {
  t.equal(processesFor(1), 1);
  t.ok(processesFor(1_000_000) >= 56, 'at most 18,000 each');
  t.equal(sourceAddressesFor(1000), 0, 'the kernel chooses');
  t.equal(sourceAddressesFor(10_000), 1);
  t.equal(sourceAddressesFor(1_000_000), 50);
  t.equal(mqttSourceAddressesFor(64), 0);
  t.equal(mqttSourceAddressesFor(1000), 16, 'of one address 64 may be without their CONNECT');
  t.equal(mqttSourceAddressesFor(1_000_000), 1000);
  t.same(sourceAddresses(2), ['127.0.0.2', '127.0.0.3']);
  t.equal(sourceAddresses(300).at(-1), '127.0.1.45');
  t.equal(new Set(sourceAddresses(1000)).size, 1000);
});

t.test('no two connections have the same source, and ports stay below those of the kernel', async (t) => {
  const connections = 2 * CONNECTIONS_PER_ADDRESS;
  const spread = share({ connections, sourceAddresses: sourceAddresses(2), sourcePortOffset: 22_000 });
  const sources = new Set<string>();
  for (let number = 0; number < connections; number++) {
    const { localAddress, localPort } = sourceOf(spread, number, 0)!;
    if (localPort < 10_000 || localPort > 32_767) t.fail(`port ${localPort}`);
    sources.add(`${localAddress}:${localPort}`);
  }
  t.equal(sources.size, connections);
  t.not(
    sourceOf(spread, 5, 1)!.localPort,
    sourceOf(spread, 5, 0)!.localPort,
    'the next attempt takes another',
  );
  t.equal(sourceOf(share({}), 5, 0), undefined);
});
