/** msggen over MQTT as a process, against a gateway that remembers, and against the real one. */
import t, { type Test } from 'tap';
import { resetSocket } from '../../floodtest/reset-socket.js';
import { readStamp, type Stamp } from '../../msggen/stamp.js';
import { FaultyMqttGateway } from '../floodtest/faulty-mqtt-gateway.js';
import { startGateway } from '../gateway-process.js';
import { until } from '../until.js';
import { runTool, ToolProcess } from './tool-process.js';

async function gatewayThatRemembers(t: Pick<Test, 'teardown'>): Promise<FaultyMqttGateway> {
  const gateway = await new FaultyMqttGateway().listen();
  t.teardown(() => gateway.close());
  return gateway;
}

function msggen(url: string, ...flags: string[]): ToolProcess {
  return new ToolProcess(['msggen', '-t', 'mqtt-ws', '--json', '--url', url, ...flags]);
}

for (const qos of [0, 1, 2]) {
  t.test(`QoS ${qos}: everything is published, in order for each id on one connection`, async (t) => {
    const gateway = await gatewayThatRemembers(t);
    const flags = ['--messages', '600', '--rate', '6000', '--max-id', '7', '--connections', '3', '--stamp'];
    const tool = msggen(gateway.url, ...flags, '--qos', String(qos), '--size', '80', '--id-prefix', 'hä/');
    const summary = await tool.summary();
    t.match(summary, {
      sent: 600,
      errorsTotal: 0,
      unanswered: 0,
      delivered: null,
      asked: { qos, transport: 'mqtt-ws' },
    });
    t.equal(gateway.taken.length, 600);
    const sent = gateway.clients.reduce((bytes, { socket }) => bytes + socket.bytesRead, 0);
    t.equal(summary.bytesSent, sent, 'all that is sent is counted, frames and good-byes too');
    t.ok(summary.bytesSent > 600 * 80 && summary.bytesReceived > 0);
    const seqs = new Map<string, number>();
    const clients = new Map<string, string>();
    const stamp: Stamp = { publisher: 0, seq: 0, dueAtUs: 0 };
    for (const taken of gateway.taken) {
      const { topic, text, clientId } = taken;
      const bytes = Buffer.from(text);
      if (!readStamp(bytes, 0, bytes.length, stamp)) t.fail(`no stamp: ${text}`);
      if (stamp.seq !== (seqs.get(topic) ?? 0) + 1) t.fail(`${topic}: ${stamp.seq} after ${seqs.get(topic)}`);
      seqs.set(topic, stamp.seq);
      if ((clients.get(topic) ?? clientId) !== clientId) t.fail(`${topic} changed its connection`);
      clients.set(topic, clientId);
      if (text.length !== 80 || taken.qos !== qos || taken.retain) t.fail(JSON.stringify(taken));
    }
    t.same(
      [...seqs.keys()].sort(),
      [1, 2, 3, 4, 5, 6, 7].map((n) => `hä/${n}`),
    );
    t.equal(new Set(clients.values()).size, 3);
    t.equal(stamp.publisher.toString(16).padStart(12, '0'), summary.publisher);
    t.ok(summary.latencyMs.max > 0, 'from the deadline');
    if (qos === 0) t.equal(summary.requestMs, null, 'nothing comes back for a message');
    else t.ok(summary.requestMs.max > 0, 'and from the PUBLISH');
    for (const { heads } of gateway.clients) {
      t.equal(heads.at(-1), 0xe0, 'each connection says good-bye');
      t.equal(heads.filter((head) => head === 0x62).length, qos === 2 ? heads.length - 2 : 0, 'PUBRELs');
    }
  });
}

t.test('--topic and --retain', async (t) => {
  const gateway = await gatewayThatRemembers(t);
  const flags = [
    '--messages',
    '20',
    '--interval',
    '1',
    '--max-id',
    '2',
    '--topic',
    'topic/device_user{n}/t_1',
  ];
  const summary = await msggen(gateway.url, ...flags, '--retain').summary();
  t.match(summary, { sent: 20, asked: { retain: true, ids: 'topic/device_user{n}/t_1' } });
  const topics = new Set(gateway.taken.map(({ topic }) => topic));
  t.same([...topics].sort(), ['topic/device_user1/t_1', 'topic/device_user2/t_1']);
  t.ok(gateway.taken.every(({ retain }) => retain));
});

for (const qos of [1, 2]) {
  t.test(
    `QoS ${qos}: a stall is caught up with, counted from the deadlines, and the window is kept`,
    async (t) => {
      const gateway = await gatewayThatRemembers(t);
      const flags = [
        '--rate',
        '500',
        '--until',
        '2s',
        '--connections',
        '2',
        '--window',
        '5',
        '--qos',
        String(qos),
      ];
      const tool = msggen(gateway.url, ...flags, '--max-id', '100');
      await until('it sends', () => gateway.taken.length > 50);
      gateway.stall();
      const stalledAtMs = performance.now();
      const before = gateway.taken.length;
      await until('700 ms have passed', () => performance.now() - stalledAtMs > 700);
      const meanwhile = gateway.taken.length - before;
      gateway.goOn();
      const summary = await tool.summary();
      t.ok(meanwhile <= 10, `two connections, five messages each: ${meanwhile}`);
      t.match(summary, { sent: 1000, errorsTotal: 0, unanswered: 0 });
      t.ok(summary.latencyMs.max > 650, `the longest latency is the stall: ${summary.latencyMs.max}`);
      t.ok(summary.latencyMs.p90 > 250, `p90 ${summary.latencyMs.p90}`);
      t.ok(summary.requestMs.p90 < 200, `p90 ${summary.requestMs.p90} from PUBLISH`);
      t.ok(summary.late > 200, `late ${summary.late}`);
    },
  );
}

t.test('QoS 0: the run ends when a ping behind the last message is answered', async (t) => {
  const gateway = await gatewayThatRemembers(t);
  gateway.deaf = true;
  const tool = msggen(gateway.url, '--messages', '3000', '--rate', 'max', '--connections', '2');
  await until(
    'both have pinged',
    () => gateway.clients.length === 2 && gateway.clients.every(({ heads }) => heads.includes(0xc0)),
  );
  t.equal(gateway.taken.length, 3000, 'behind all messages');
  t.equal(tool.stdout, '');
  for (const client of gateway.clients) client.sendPacket(0xd0, Buffer.alloc(0));
  t.match(await tool.summary(), { sent: 3000, due: 3000, unanswered: 0, latencyMs: null });
});

t.test('--rate max fills the window, no more', async (t) => {
  const gateway = await gatewayThatRemembers(t);
  gateway.stall();
  const flags = ['--rate', 'max', '--messages', '500', '--qos', '1', '--window', '7', '--connections', '3'];
  const tool = msggen(gateway.url, ...flags);
  await until('the windows are full', () => gateway.taken.length === 21);
  gateway.goOn();
  t.match(await tool.summary(), { sent: 500, errorsTotal: 0 });
  t.equal(gateway.taken.length, 500);
  t.equal(
    new Set(gateway.taken.map(({ packetId }) => packetId)).size <= 7,
    true,
    'packet ids are used again',
  );
});

t.test('a connection that breaks is opened again; what was not acknowledged is an error', async (t) => {
  const gateway = await gatewayThatRemembers(t);
  const tool = msggen(gateway.url, '--rate', '500', '--until', '2s', '--connections', '2', '--qos', '1');
  await until('it sends', () => gateway.taken.length > 50);
  gateway.stall();
  const before = gateway.taken.length;
  await until('some wait', () => gateway.taken.length > before + 5);
  gateway.stalled = undefined;
  resetSocket(gateway.clients[0]!.socket);
  await until('it is back', () => gateway.clients.length === 3);
  gateway.clients[1]!.sendFrame(0x88, Buffer.from('\x03\xf0taken over', 'latin1'));
  const summary = await tool.summary();
  t.same(Object.values(summary.connectionsLost), [1, 1]);
  t.ok(Object.hasOwn(summary.connectionsLost, 'WebSocket 1008, taken over'));
  t.ok(summary.errorsTotal > 0, JSON.stringify(summary.errors));
  t.equal(summary.sent + summary.errorsTotal, 1000);
  t.ok(summary.sent > 900);
});

t.test('an unreachable server is one sentence and exit code 1', async (t) => {
  const run = (url: string) => runTool(['msggen', '-t', 'mqtt-ws', '--messages', '1', '--url', url]);
  t.match(await run('http://127.0.0.1:9'), {
    exitCode: 1,
    stdout: '',
    stderr:
      /^No gateway answers at ws:\/\/127\.0\.0\.1:9\/mqtt \(ECONNREFUSED\)\. Start the server .*--url\.\n$/,
  });
  const gateway = await gatewayThatRemembers(t);
  gateway.returnCode = 5;
  t.match(await run(gateway.url), {
    exitCode: 1,
    stderr: /\(CONNACK 5, not authorized\)\. Give the password.*--mqtt-token/,
  });
  gateway.upgradeStatus = 404;
  t.match(await run(gateway.url), {
    exitCode: 1,
    stderr: /^There is no MQTT over WebSocket .*\(HTTP 404\)\. Name/,
  });
});

t.test('ENCKE_URL names the gateway and ENCKE_MQTT_TOKEN the password', async (t) => {
  const gateway = await gatewayThatRemembers(t);
  const environment = {
    ENCKE_URL: gateway.url,
    ENCKE_MQTT_TOKEN: 'secret',
    ENCKE_API_URL: 'http://127.0.0.1:9',
  };
  const args = ['msggen', '-t', 'mqtt-ws', '--messages', '3', '--interval', '100', '--qos', '1'];
  const run = await runTool(args, environment);
  t.match(run, {
    exitCode: 0,
    stdout: /^asked +10\/s from 1 sender to ids 1 to 1000 at QoS 1\nsent +3 in /,
  });
  t.match(run.stdout, /\nlatency .* ms, from deadline to PUBACK\nrequest .* ms, from request to PUBACK\n$/);
  t.match(gateway.clients[0], { username: 'msggen', password: 'secret', path: '/mqtt', connectFlags: 0xc2 });
});

for (const qos of [0, 1, 2]) {
  t.test(`against the real gateway at QoS ${qos}: as fast as it goes, and at a rate`, async (t) => {
    const gateway = await startGateway();
    t.teardown(() => gateway.kill());
    const fast = ['--rate', 'max', '--messages', '20000', '--qos', String(qos)];
    t.match(await msggen(gateway.url, ...fast).summary(), {
      sent: 20_000,
      errorsTotal: 0,
      connectionsLost: {},
    });
    const steady = ['--rate', '500', '--until', '1s', '--qos', String(qos)];
    t.match(await msggen(gateway.url, ...steady).summary(), {
      sent: 500,
      errorsTotal: 0,
      connectionsLost: {},
    });
  });
}
