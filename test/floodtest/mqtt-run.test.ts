/**
 * floodtest over MQTT as a process: against a gateway that loses, doubles and reorders on purpose every count must be
 * exact, and against the real one nothing is lost.
 */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CSV_HEADER, MQTT_CSV_HEADER } from '../../floodtest/recording.js';
import { newPublisher, nowUs } from '../../msggen/stamp.js';
import { startGateway } from '../gateway-process.js';
import { ToolProcess } from '../msggen/tool-process.js';
import { until } from '../until.js';
import { FaultyMqttGateway } from './faulty-mqtt-gateway.js';

async function faultyGateway(t: Pick<Test, 'teardown'>): Promise<FaultyMqttGateway> {
  const gateway = await new FaultyMqttGateway().listen();
  t.teardown(() => gateway.close());
  return gateway;
}

function start(url: string, ...flags: string[]): ToolProcess {
  return new ToolProcess(['floodtest', '--transport', 'mqtt-ws', '--url', url, '--json', ...flags]);
}

/** Starts a flood, and waits until it says itself that all are logged in. */
async function flood(
  gateway: FaultyMqttGateway,
  connections: number,
  ...flags: string[]
): Promise<ToolProcess> {
  const tool = start(gateway.url, '--connections', String(connections), ...flags);
  await until('all are connected', () => tool.stderr.includes(`connected ${connections} `));
  return tool;
}

async function summaryAfter(tool: ToolProcess, said: string) {
  await until(`it says "${said}"`, () => `${tool.stderr} `.replaceAll('\n', ' ').includes(`${said} `));
  tool.child.kill('SIGINT');
  return tool.summary();
}

/** A publisher that was there before: floodtest cannot know where its numbers stand. */
function oldPublisher(): string {
  return newPublisher(nowUs() - 60e6);
}

for (const qos of [0, 1, 2]) {
  t.test(`QoS ${qos}: what is lost, doubled and reordered is counted exactly, in its row`, async (t) => {
    const gateway = await faultyGateway(t);
    const tool = await flood(gateway, 4, '--qos', String(qos));
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
  const tool = await flood(gateway, 1, '--qos', '2');
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
  const tool = await flood(gateway, 2, '--qos', '1');
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
    ...['--id-prefix', 'user/', '--qos', '1', '--keep-alive', '77', '--clean-session', 'false'],
    ...['--client-id-prefix', 'häns-', '--mqtt-token', 'secret'],
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
  const tool = start(url, '--connections', '2', '--topic', 'a/{n}/+');
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
    const tool = start(gateway.url, '--connections', '3', '--hold', '1ms');
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
  const tool = await flood(gateway, 5, '--keep-alive', '1');
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
  const tool = await flood(gateway, 3, '--connections', '2', '--everything', '1');
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
    const tool = await flood(gateway, 10, '--lives', '20%:300ms-600ms');
    const publisher = oldPublisher();
    const before = new Map(gateway.clients.map((client) => [client.clientId, client]));
    for (const client of gateway.subscribed) client.publishStamped(client.filter!, publisher, [1]);
    await until('the short-lived have lived thrice', () => gateway.clients.length >= 10 + 2 * 2);
    const ids = new Map<string, number>();
    for (const { clientId } of gateway.clients) ids.set(clientId, (ids.get(clientId) ?? 0) + 1);
    t.equal([...ids.values()].filter((lives) => lives > 1).length, 2, '20 % of ten');
    for (const client of gateway.clients.filter(({ gone }) => gone)) {
      t.equal(client.heads.at(-1), 0xe0, 'each has said DISCONNECT');
    }
    const [shortLived] = [...ids].find(([, lives]) => lives > 1)!;
    const longLived = [...ids].find(([, lives]) => lives === 1)![0];
    const now = () => gateway.subscribed.find(({ clientId }) => clientId === shortLived);
    await until('it is there', () => now() !== undefined && now() !== before.get(shortLived));
    now()!.publishStamped(now()!.filter!, publisher, [5]);
    before.get(longLived)!.publishStamped(before.get(longLived)!.filter!, publisher, [5]);
    const summary = await summaryAfter(tool, 'chunks 12');
    t.match(
      summary,
      { closed: 0, refused: 0, failed: 0, tried: 10, lost: 3 },
      'only the long-lived misses 2, 3, 4',
    );
    t.ok(summary.disconnected >= 4, `${summary.disconnected}`);
    t.ok(summary.connectedAtMost <= 10);
  },
);

t.test('who comes back to its session has lost what it missed', async (t) => {
  const gateway = await faultyGateway(t);
  gateway.sessionPresent = true;
  const flags = ['--lives', '100%:2s-2100ms', '--clean-session', 'false', '--qos', '1'];
  const tool = await flood(gateway, 1, ...flags);
  const publisher = oldPublisher();
  gateway.clients[0]!.publishStamped('1', publisher, [1, 2], { qos: 1 });
  await until('it has come back', () => gateway.clients[1]?.filter !== undefined);
  gateway.clients[1]!.publishStamped('1', publisher, [2], { qos: 1, dup: true });
  gateway.clients[1]!.publishStamped('1', publisher, [5], { qos: 1 });
  t.match(await summaryAfter(tool, 'chunks 4'), { messages: 4, redelivered: 1, duplicated: 0, lost: 2 });
});

t.test('devices publish, each at its QoS; what does not come back is lost', async (t) => {
  const gateway = await faultyGateway(t);
  const flags = [
    '--devices',
    '4',
    '--publish-rate',
    '40',
    '--qos',
    '0:50%,1:25%,2:25%',
    '--topics-each',
    '2',
  ];
  const tool = await flood(gateway, 9, '--connections', '4', '--everything', '--hold', '1s', ...flags);
  const taken = () => gateway.taken.filter(({ topic }) => topic.startsWith('topic/device_user'));
  await until('each device has published', () => new Set(taken().map(({ clientId }) => clientId)).size === 4);
  const [first] = taken();
  const filters = ['#', first!.topic.replace(/[^/]+$/, '+')];
  for (const filter of filters) gateway.subscriberOf(filter).publish(first!.topic, first!.text);
  const subscribers = gateway.subscribed;
  const summary = await tool.summary();
  const total = taken().length;
  t.ok(total > 30 && total <= 42, `${total} messages at 40/s for a second`);
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

t.test(
  'against the real gateway: devices, subscribers, everything, at every QoS, and nothing is lost',
  async (t) => {
    const gateways = [await startGateway(), await startGateway()];
    t.teardown(() => gateways.map((gateway) => gateway.kill()));
    const urls = gateways.flatMap(({ url }) => ['--url', url]);
    const tool = new ToolProcess([
      ...[
        'floodtest',
        '-t',
        'mqtt-ws',
        '--connections',
        '60',
        '--devices',
        '60',
        '--everything',
        '--processes',
        '3',
      ],
      ...[
        '--publish-rate',
        '600',
        '--qos',
        '0:40%,1:30%,2:30%',
        '--lives',
        '10%:300ms-900ms',
        '--keep-alive',
        '1',
      ],
      ...['--hold', '4s', '--json', ...urls],
    ]);
    const summary = await tool.summary();
    t.match(summary, { connectedAtMost: 122, closed: 0, refused: 0, failed: 0, unacknowledged: 0 });
    t.match(summary, { lost: 0, duplicated: 0, outOfOrder: 0, redelivered: 0 });
    t.ok(summary.published > 2300, `${summary.published}`);
    t.match(summary.everything, { messages: summary.published, lost: 0, duplicated: 0, outOfOrder: 0 });
    for (const row of ['qos0', 'qos1', 'qos2']) t.ok(summary[row].messages > 500, row);
    t.ok(summary.disconnected > 20, `${summary.disconnected} ends of life`);
  },
);

t.test('against the real gateway: sessions are resumed, and nothing is lost meanwhile', async (t) => {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  const tool = start(
    gateway.url,
    ...['--connections', '40', '--devices', '40', '--publish-rate', '400', '--qos', '1:50%,2:50%'],
    ...['--clean-session', 'false', '--lives', '30%:300ms-900ms', '--hold', '4s'],
  );
  const summary = await tool.summary();
  t.match(summary, { lost: 0, duplicated: 0, outOfOrder: 0, closed: 0, failed: 0 });
  t.equal(summary.messages - summary.redelivered, summary.published);
  t.ok(summary.disconnected > 20);
});

t.test('against the real gateway: msggen over HTTP and over MQTT reaches the subscribers', async (t) => {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  const tool = start(gateway.url, '--connections', '50', '--qos', '2', '--everything');
  await until('all are connected', () => tool.stderr.includes('connected 51 '));
  const rest = ['--messages', '500', '--rate', 'max', '--max-id', '50', '--stamp', '--json'];
  const http = new ToolProcess(['msggen', '--url', gateway.apiUrl, ...rest]);
  const mqtt = [0, 1, 2].map(
    (qos) =>
      new ToolProcess(['msggen', '-t', 'mqtt-ws', '--qos', String(qos), '--url', gateway.url, ...rest]),
  );
  t.match(await http.summary(), { sent: 500, errorsTotal: 0, delivered: 1000 });
  for (const each of mqtt) t.match(await each.summary(), { sent: 500, errorsTotal: 0, unanswered: 0 });
  const summary = await summaryAfter(tool, 'everything 2000');
  t.match(summary, { messages: 2000, stamped: 2000, publishers: 4, lost: 0, duplicated: 0, outOfOrder: 0 });
  // What comes over HTTP is sent at QoS 1.
  t.match(
    [0, 1, 2].map((qos) => summary[`qos${qos}`].messages),
    [500, 1000, 500],
  );
  t.match(summary.everything, { messages: 2000, lost: 0, outOfOrder: 0 });
});

t.test('the record has further columns, behind the ones it always had', async (t) => {
  const gateway = await faultyGateway(t);
  const csv = join(mkdtempSync(join(tmpdir(), 'encke-floodtest-')), 'run.csv');
  const tool = await flood(gateway, 2, '--connections', '1', '--everything', '--csv', csv);
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

t.test('an MQTT connection costs floodtest less than 6 KB', async (t) => {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  const tool = start(gateway.url, '--connections', '3000', '--rate', '3000', '--hold', '1s', '--qos', '1');
  const summary = await tool.summary();
  t.match(summary, { connected: 3000, closed: 0, failed: 0 });
  t.ok(summary.own.bytesPerConnection < 6000, `${summary.own.bytesPerConnection} B`);
});
