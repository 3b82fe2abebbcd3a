/** floodtest and msggen over MQTT as processes against the real gateway: nothing is lost, doubled or out of order. */
import t, { type Test } from 'tap';
import { type GatewayProcess, startGateway } from '../gateway-process.js';
import { ToolProcess } from '../msggen/tool-process.js';
import { until } from '../until.js';
import { startFlood, summaryAfter } from './mqtt-flood.js';

async function gatewayFor(t: Pick<Test, 'teardown'>): Promise<GatewayProcess> {
  // Several tools at once, all from one address.
  const gateway = await startGateway({ flags: ['--mqtt-max-pending-connects-per-address', '0'] });
  t.teardown(() => gateway.kill());
  return gateway;
}

t.test('devices, subscribers and everything at two gateways, at every QoS, some short-lived', async (t) => {
  const urls = [(await gatewayFor(t)).url, (await gatewayFor(t)).url];
  const devices = '--connections 60 --devices 60 --everything --processes 3 --publish-rate 600 --hold 4s';
  const flags = '--qos 0:40%,1:30%,2:30% --lives 10%:300ms-900ms --keep-alive 1';
  const summary = await startFlood(urls, `${devices} ${flags}`).summary();
  t.match(summary, { connectedAtMost: 122, closed: 0, refused: 0, failed: 0, unacknowledged: 0 });
  t.match(summary, { lost: 0, duplicated: 0, outOfOrder: 0, redelivered: 0 });
  t.ok(summary.published > 2200, `${summary.published}`);
  t.match(summary.everything, { messages: summary.published, lost: 0, duplicated: 0, outOfOrder: 0 });
  for (const row of ['qos0', 'qos1', 'qos2']) t.ok(summary[row].messages > 500, row);
  t.ok(summary.disconnected > 20, `${summary.disconnected} ends of life`);
});

t.test('sessions are resumed, and nothing is lost meanwhile', async (t) => {
  const { url } = await gatewayFor(t);
  const devices = '--connections 40 --devices 40 --publish-rate 400 --qos 1:50%,2:50% --hold 4s';
  const flags = '--clean-session false --lives 30%:300ms-900ms';
  const summary = await startFlood([url], `${devices} ${flags}`).summary();
  t.match(summary, { lost: 0, duplicated: 0, outOfOrder: 0, closed: 0, failed: 0 });
  t.equal(summary.messages - summary.redelivered, summary.published);
  t.ok(summary.disconnected > 20, `${summary.disconnected} ends of life`);
});

t.test('msggen over HTTP and over MQTT reaches the same subscribers', async (t) => {
  const gateway = await gatewayFor(t);
  const tool = startFlood([gateway.url], '--connections 50 --qos 2 --everything');
  await until('all are connected', () => tool.stderr.includes('connected 51 '));
  const rest = ['--messages', '500', '--rate', 'max', '--max-id', '50', '--stamp', '--json'];
  // Three of them open at once from one address, which may have 64 connections before their CONNECT: more is HTTP 429.
  const mqtt = (qos: number) => [
    ...['-t', 'mqtt-ws', '--qos', String(qos), '--connections', '16', '--url', gateway.url],
  ];
  const all = [['--url', gateway.apiUrl], mqtt(0), mqtt(1), mqtt(2)];
  const runs = await Promise.all(
    all.map((flags) => new ToolProcess(['msggen', ...flags, ...rest]).summary()),
  );
  t.match(runs[0], { delivered: 1000 });
  for (const run of runs) t.match(run, { sent: 500, errorsTotal: 0, unanswered: 0 });
  const summary = await summaryAfter(tool, 'everything 2000');
  t.match(summary, { messages: 2000, stamped: 2000, publishers: 4, lost: 0, duplicated: 0, outOfOrder: 0 });
  const received = [0, 1, 2].map((qos) => summary[`qos${qos}`].messages);
  t.same(received, [500, 1000, 500], 'what comes over HTTP is sent at QoS 1');
  t.match(summary.everything, { messages: 2000, lost: 0, outOfOrder: 0 });
});

// Of many, as a process on Node 24 takes 13 MB for itself at first, and on Node 20 5 MB.
t.test('a connection costs floodtest less than 6 KB', async (t) => {
  const { url } = await gatewayFor(t);
  const flood = startFlood([url], '--connections 6000 --rate 6000 --hold 1s --qos 1');
  const summary = await flood.summary();
  t.match(summary, { connected: 6000, closed: 0, failed: 0 });
  t.ok(summary.own.bytesPerConnection < 6000, `${summary.own.bytesPerConnection} B`);
});
