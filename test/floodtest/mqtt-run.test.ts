/**
 * floodtest over MQTT as a process, against a gateway that loses, doubles and reorders on purpose: every count must be
 * exact.
 */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CSV_HEADER, MQTT_CSV_HEADER } from '../../floodtest/recording.js';
import { serverUsage } from '../../floodtest/server-usage.js';
import { newPublisher, nowUs } from '../../msggen/stamp.js';
import type { ToolProcess } from '../msggen/tool-process.js';
import { until } from '../until.js';
import { FaultyMqttGateway } from './faulty-mqtt-gateway.js';
import { startFlood, summaryAfter } from './mqtt-flood.js';

async function faultyGateway(t: Pick<Test, 'teardown'>): Promise<FaultyMqttGateway> {
  const gateway = await new FaultyMqttGateway().listen();
  t.teardown(() => gateway.close());
  return gateway;
}

/** Starts a flood, and waits until it says itself that all are logged in. */
async function flood(gateway: FaultyMqttGateway, connections: number, flags = ''): Promise<ToolProcess> {
  const tool = startFlood([gateway.url], `--connections ${connections} ${flags}`.trim());
  await until('all are connected', () => tool.stderr.includes(`connected ${connections} `));
  return tool;
}

/** A publisher that was there before: floodtest cannot know where its numbers stand. */
function oldPublisher(): string {
  return newPublisher(nowUs() - 60e6);
}

for (const qos of [0, 1, 2]) {
  t.test(`QoS ${qos}: what is lost, doubled and reordered is counted exactly, in its row`, async (t) => {
    const gateway = await faultyGateway(t);
    const tool = await flood(gateway, 4, `--qos ${qos}`);
    const publisher = oldPublisher();
    const send = (id: string, seqs: number[], dup = false) =>
      gateway.subscriberOf(id).publishStamped(id, publisher, seqs, { qos, dup });
    send('1', [1, 2, 5, 6, 10]); // 3, 4, 7, 8, 9 are lost
    send('2', [1, 2, 2, 3, 3, 3]); // three doubles
    send('3', [1, 3, 2, 6, 4, 5, 7]); // 2, 4, 5 come late, nothing is lost
    send('4', [1, 4, 3, 3, 5]); // 2 is lost, 3 is late and doubled
    if (qos === 1) send('4', [4, 5], true); // the protocol's own repetition
    const messages = qos === 1 ? 25 : 23;
    const summary = await summaryAfter(tool, `chunks ${messages}`);
    const redelivered = qos === 1 ? 2 : 0;
    const expected = { messages, stamped: messages, lost: 6, duplicated: 4, outOfOrder: 4, redelivered };
    t.match(summary, { ...expected, publishers: 1, reached: 4, closed: 0, failed: 0 });
    t.match(summary[`qos${qos}`], expected);
    t.ok(summary[`qos${qos}`].latencyMs.max > 0);
    for (const other of [0, 1, 2].filter((level) => level !== qos)) {
      t.match(summary[`qos${other}`], { messages: 0, lost: 0, latencyMs: null });
    }
    const acknowledged = gateway.clients.map((client) => client.acknowledged.length);
    t.equal(
      acknowledged.reduce((sum, count) => sum + count),
      qos === 0 ? 0 : messages,
      'PUBACKs or PUBCOMPs',
    );
    const pubrecs = gateway.clients.flatMap(({ heads }) => heads).filter((head) => head === 0x50);
    t.equal(pubrecs.length, qos === 2 ? messages : 0, 'PUBRECs');
  });
}

t.test('QoS 2 is sent again with DUP until it is released, and not after', async (t) => {
  const gateway = await faultyGateway(t);
  gateway.releases = false;
  const tool = await flood(gateway, 1, '--qos 2');
  const client = gateway.subscriberOf('1');
  const publisher = oldPublisher();
  const send = (seq: number, packetId: number, dup: boolean) =>
    client.publishStamped('1', publisher, [seq], { qos: 2, packetId, dup });
  send(1, 7, false);
  send(1, 7, true); // not released: allowed
  client.sendPacket(0x62, Buffer.of(0, 7));
  await until('it is complete', () => client.acknowledged.includes(7));
  send(1, 7, true); // released: a second message
  send(2, 8, true); // the first of them got lost: allowed
  const summary = await summaryAfter(tool, 'chunks 4');
  t.match(summary.qos2, { messages: 4, lost: 0, redelivered: 1, duplicated: 1, outOfOrder: 0 });
});

t.test('frames of one byte, several packets in one frame, fragments and pings', async (t) => {
  const gateway = await faultyGateway(t);
  gateway.frameBytes = 1;
  const tool = await flood(gateway, 2, '--qos 1');
  const client = gateway.subscriberOf('2');
  client.publishStamped('2', oldPublisher(), [1, 2, 3], { qos: 1 });
  const packet = Buffer.from('3006000132616263', 'hex');
  client.sendFrame(0x82, Buffer.concat([packet, packet, packet.subarray(0, 4)]));
  client.sendFrame(0x89, Buffer.from('are you there'));
  client.sendFrame(0x02, packet.subarray(4));
  client.sendFrame(0x80, packet);
  const summary = await summaryAfter(tool, 'chunks 7');
  t.match(summary, { messages: 7, stamped: 3, lost: 0, connected: 2 });
  t.same(client.acknowledged, [1, 2, 3]);
  t.same(client.pongs, ['are you there']);
});

t.test('CONNECT and SUBSCRIBE say what was asked for', async (t) => {
  const gateway = await faultyGateway(t);
  const tool = await flood(
    gateway,
    3,
    '--id-prefix user/ --qos 1 --keep-alive 77 --clean-session false --client-id-prefix häns- --mqtt-token secret',
  );
  const asked = gateway.clients.map(({ clientId, filter, qos }) => [clientId, filter, qos]).sort();
  t.same(asked, [
    ['häns-1', 'user/1', 1],
    ['häns-2', 'user/2', 1],
    ['häns-3', 'user/3', 1],
  ]);
  t.match(gateway.clients[0], {
    path: '/mqtt',
    keepAliveSec: 77,
    connectFlags: 0xc0,
    username: 'floodtest',
    password: 'secret',
  });
  tool.child.kill('SIGINT');
  const summary = await tool.summary();
  t.notMatch(JSON.stringify(summary), /secret/, 'the token is in no record');
  t.match(summary.asked.mqtt, { cleanSession: false, keepAliveSec: 77, qosShares: [0, 1, 0] });
});

t.test('a ws URL names the endpoint, and --topic the filter', async (t) => {
  const gateway = await faultyGateway(t);
  const url = `${gateway.url.replace('http', 'ws')}/push?x=1`;
  const tool = startFlood([url], '--connections 2 --topic a/{n}/+');
  await until('all are connected', () => tool.stderr.includes('connected 2 '));
  t.same(
    gateway.subscribed.map(({ path }) => path),
    ['/push?x=1', '/push?x=1'],
  );
  t.same(gateway.subscribed.map(({ filter }) => filter).sort(), ['a/1/+', 'a/2/+']);
  t.match(gateway.clients[0]!.connectFlags, 2);
  tool.child.kill('SIGINT');
  await tool.ended();
});

t.test('refusals are counted by what was said', async (t) => {
  for (const [refuse, reason] of [
    [(gateway: FaultyMqttGateway) => (gateway.upgradeStatus = 503), 'HTTP 503'],
    [(gateway: FaultyMqttGateway) => (gateway.subprotocol = 'soap'), 'no subprotocol mqtt'],
    [(gateway: FaultyMqttGateway) => (gateway.returnCode = 5), 'CONNACK 5, not authorized'],
    [(gateway: FaultyMqttGateway) => (gateway.granted = 0x80), 'SUBACK 0x80'],
  ] as const) {
    const gateway = await faultyGateway(t);
    refuse(gateway);
    const tool = startFlood([gateway.url], '--connections 3 --hold 1ms');
    t.match(await tool.summary(), { connected: 0, refused: 3, failed: 0, refusals: { [reason]: 3 } });
    t.equal(tool.child.exitCode, 1);
  }
});

t.test('a close is counted with its code, a breach of the protocol with what it was', async (t) => {
  const gateway = await faultyGateway(t);
  const tool = await flood(gateway, 4);
  gateway.subscriberOf('1').sendFrame(0x88, Buffer.from('\x03\xf0slow consumer', 'latin1'));
  gateway.subscriberOf('2').sendFrame(0x81, Buffer.from('hello'));
  gateway.subscriberOf('3').sendPacket(0x36, Buffer.from('000161', 'hex'));
  const summary = await summaryAfter(tool, 'connected 1  closed 3');
  t.match(summary, {
    connected: 1,
    closed: 3,
    closures: {
      'WebSocket 1008, slow consumer': 1,
      'protocol error: a text frame': 1,
      'protocol error: a malformed PUBLISH': 1,
    },
  });
});

t.test('pings keep a connection alive, and who does not answer them has ended', async (t) => {
  const gateway = await faultyGateway(t);
  const tool = await flood(gateway, 5, '--keep-alive 1');
  await until('all have pinged twice', () =>
    gateway.clients.every(({ heads }) => heads.filter((head) => head === 0xc0).length >= 2),
  );
  gateway.deaf = true;
  const summary = await summaryAfter(tool, 'connected 0  closed 5');
  t.match(summary.closures, { 'no PINGRESP': 5 });
});

t.test('retained messages are counted, and no account is kept of them', async (t) => {
  const gateway = await faultyGateway(t);
  const tool = await flood(gateway, 1);
  const publisher = oldPublisher();
  gateway.subscriberOf('1').publishStamped('1', publisher, [50], { retain: true });
  gateway.subscriberOf('1').publishStamped('1', publisher, [1, 2]);
  t.match(await summaryAfter(tool, 'chunks 3'), {
    messages: 3,
    retained: 1,
    stamped: 2,
    lost: 0,
    outOfOrder: 0,
  });
});

t.test('the subscriber to everything has a row of its own, with an account for each topic', async (t) => {
  const gateway = await faultyGateway(t);
  const tool = await flood(gateway, 3, '--connections 2 --everything 1');
  const everything = gateway.subscriberOf('#');
  t.equal(everything.qos, 1);
  const [a, b] = [oldPublisher(), oldPublisher()];
  everything.publishStamped('1', a, [1, 2, 4], { qos: 1 }); // 3 is lost
  everything.publishStamped('2', a, [1, 3, 2], { qos: 1 }); // 2 is late
  everything.publishStamped('2', b, [1, 2, 2], { qos: 1 }); // 2 is doubled
  everything.publishStamped('2', b, [2], { qos: 1, dup: true });
  gateway.subscriberOf('1').publishStamped('1', a, [1]);
  const summary = await summaryAfter(tool, 'everything 10');
  t.match(summary.everything, { messages: 10, lost: 1, outOfOrder: 1, duplicated: 1, redelivered: 1 });
  t.match(summary, { messages: 1, lost: 0, duplicated: 0, reached: 1 });
});

t.test(
  'the short-lived disconnect and others take their place; that is no failure and no loss',
  async (t) => {
    const gateway = await faultyGateway(t);
    const tool = await flood(gateway, 10, '--lives 20%:300ms-600ms');
    const publisher = oldPublisher();
    const livesOf = (clientId: string) => gateway.clients.filter((client) => client.clientId === clientId);
    const living = (lives: (n: number) => boolean) =>
      gateway.clients.map(({ clientId }) => clientId).filter((clientId) => lives(livesOf(clientId).length));
    await until('two have lived thrice', () => new Set(living((n) => n >= 3)).size === 2);
    t.equal(new Set(living((n) => n === 1)).size, 8, '20 % of ten live only a while');
    for (const client of gateway.clients.filter(({ gone }) => gone)) {
      t.equal(client.heads.at(-1), 0xe0, 'each has said DISCONNECT');
    }
    const [longLived] = livesOf(living((n) => n === 1)[0]!);
    longLived!.publishStamped(longLived!.filter!, publisher, [1, 5]);
    const [shortLived] = living((n) => n > 1);
    for (const seq of [1, 5]) {
      const lives = livesOf(shortLived!).length;
      await until('the next life begins', () => livesOf(shortLived!)[lives]?.filter !== undefined);
      const client = livesOf(shortLived!)[lives]!;
      client.publishStamped(client.filter!, publisher, [seq]);
    }
    const summary = await summaryAfter(tool, 'chunks 4');
    t.match(
      summary,
      { closed: 0, refused: 0, failed: 0, tried: 10, lost: 3 },
      'only the long-lived misses 2, 3, 4',
    );
    t.ok(summary.disconnected >= 4, `${summary.disconnected}`);
    t.ok(summary.connectedAtMost <= 10);
  },
);

t.test('a client that returns to its session has lost what it missed', async (t) => {
  const gateway = await faultyGateway(t);
  gateway.sessionPresent = true;
  const flags = '--lives 100%:2s-2100ms --clean-session false --qos 1';
  const tool = await flood(gateway, 1, flags);
  const publisher = oldPublisher();
  gateway.clients[0]!.publishStamped('1', publisher, [1, 2], { qos: 1 });
  await until('it has come back', () => gateway.clients[1]?.filter !== undefined);
  gateway.clients[1]!.publishStamped('1', publisher, [2], { qos: 1, dup: true });
  gateway.clients[1]!.publishStamped('1', publisher, [5], { qos: 1 });
  t.match(await summaryAfter(tool, 'chunks 4'), { messages: 4, redelivered: 1, duplicated: 0, lost: 2 });
});

t.test('devices publish, each at its QoS; what does not come back is lost', async (t) => {
  const gateway = await faultyGateway(t);
  const flags = '--devices 4 --publish-rate 40 --qos 0:50%,1:25%,2:25% --topics-each 2';
  const tool = await flood(gateway, 9, `--connections 4 --everything --hold 1s ${flags}`);
  const taken = () => gateway.taken.filter(({ topic }) => topic.startsWith('topic/device_user'));
  await until('each device has published', () => new Set(taken().map(({ clientId }) => clientId)).size === 4);
  const [first] = taken();
  const filters = ['#', first!.topic.replace(/[^/]+$/, '+')];
  for (const filter of filters) gateway.subscriberOf(filter).publish(first!.topic, first!.text);
  const subscribers = gateway.subscribed;
  const summary = await tool.summary();
  const total = taken().length;
  // At 40/s for a second; on a busy machine the second is longer.
  t.ok(total > 30 && total <= 40 * summary.elapsedSec, `${total} messages in ${summary.elapsedSec} s`);
  t.match(summary, { published: total, unpublished: 0, unacknowledged: 0, closed: 0 });
  t.same(subscribers.map(({ filter }) => filter).sort(), [
    '#',
    ...[1, 2, 3, 4].map((n) => `topic/device_user${n}/+`),
  ]);
  const seen = taken().map(({ topic }) => topic);
  t.equal(new Set(seen).size, 8, 'two topics each');
  const qosOfDevices = [1, 2, 3, 4].map(
    (n) => taken().find(({ topic }) => topic.startsWith(`topic/device_user${n}/`))!.qos,
  );
  t.same(qosOfDevices.toSorted(), [0, 0, 1, 2]);
  const mobiles = subscribers.filter(({ filter }) => filter !== '#');
  t.same(mobiles.map(({ qos }) => qos).sort(), [0, 0, 1, 2]);
  // All but the first message, which the fake has handed on as the only one.
  t.equal(summary.everything.lost, total - 1);
  t.equal(summary.lost, total - 1);
});

t.test('the record has further columns, behind the ones it always had', async (t) => {
  const gateway = await faultyGateway(t);
  const csv = join(mkdtempSync(join(tmpdir(), 'encke-floodtest-')), 'run.csv');
  const tool = await flood(gateway, 2, `--connections 1 --everything --csv ${csv}`);
  gateway.subscriberOf('#').publishStamped('9', oldPublisher(), [1, 3, 2, 2]);
  await summaryAfter(tool, 'everything 4');
  const [header, ...rows] = readFileSync(csv, 'utf8').trimEnd().split('\n');
  t.equal(header, `${CSV_HEADER},${MQTT_CSV_HEADER}`);
  const columns = header!.split(',');
  const records = rows.map((row) => {
    const fields = row.split(',');
    t.equal(fields.length, columns.length);
    return Object.fromEntries(fields.map((field, i) => [columns[i]!, field]));
  });
  t.match(records.at(-1), { connected: '2', messages: '0', lost: '0', published: '0', disconnected: '0' });
  t.match(records.at(-1), {
    everythingMessages: '4',
    everythingLost: '0',
    everythingDuplicated: '1',
    everythingOutOfOrder: '1',
  });
  t.ok(records.some(({ everythingLatencyMaxMs }) => Number(everythingLatencyMaxMs) > 0));
});

t.test('a rate beyond its means is told as its own limit, and Ctrl-C is heard all the same', async (t) => {
  const gateway = await faultyGateway(t);
  const asked = '--connections 4 --devices 100 --publish-rate 50000000 --hold 60s --processes 1';
  const tool = startFlood([gateway.url], asked);
  await until('it publishes', () => /published [1-9]/.test(tool.stderr), 30_000);
  const startMs = performance.now();
  const ownCpuSec = () => serverUsage([tool.child.pid!])!.cpuSec;
  const cpuSecBefore = ownCpuSec();
  tool.child.kill('SIGINT');
  await until('it says so', () => tool.stderr.includes('Stopping'), 30_000);
  const cpuSec = ownCpuSec() - cpuSecBefore; // wall time would also count the other processes of a busy machine
  t.ok(cpuSec < 1, `after ${cpuSec} s of its CPU time`);
  const summary = await tool.summary();
  t.comment(`${Math.round(performance.now() - startMs)} ms to the end`);
  t.equal(summary.ownLimit, true);
  t.ok(summary.busyShare > 0.9);
  t.ok(summary.late + summary.overdue > 0.05 * summary.published);
});
