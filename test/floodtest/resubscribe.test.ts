/** Subscribers that unsubscribe and subscribe again: a message they miss is not lost, and one they get is an error. */
import t, { type Test } from 'tap';
import { Resubscriptions } from '../../floodtest/transport/resubscriptions.js';
import { formatStamp, newPublisher, nowUs } from '../../msggen/stamp.js';
import { startGateway } from '../gateway-process.js';
import { ToolProcess } from '../msggen/tool-process.js';
import { until } from '../until.js';
import { FaultyMqttGateway } from './faulty-mqtt-gateway.js';
import { startFlood, summaryAfter } from './mqtt-flood.js';
import { share } from './share.js';

async function faultyGateway(t: Pick<Test, 'teardown'>): Promise<FaultyMqttGateway> {
  const gateway = await new FaultyMqttGateway().listen();
  t.teardown(() => gateway.close());
  return gateway;
}

/** A publisher that was there before: floodtest cannot know where its numbers stand. */
function oldPublisher(): string {
  return newPublisher(nowUs() - 60e6);
}

t.test('nothing is lost at a real gateway, with messages that msggen sends', async (t) => {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  const flags = '--connections 30 --resubscribe-rate 15 --qos 0:40%,1:30%,2:30% --everything --processes 2';
  const tool = startFlood([gateway.url], flags);
  await until('all are connected', () => tool.stderr.includes('connected 31 '));
  const msggen = ['msggen', '--url', gateway.apiUrl, '--stamp', '--json', '--max-id', '30'];
  const sent = await new ToolProcess([...msggen, '--rate', '300', '--messages', '900']).summary();
  const summary = await summaryAfter(tool, 'everything 900');
  t.match(sent, { sent: 900, errorsTotal: 0 });
  t.match(summary, { lost: 0, duplicated: 0, outOfOrder: 0, receivedUnsubscribed: 0, closed: 0, failed: 0 });
  t.match(summary.everything, { messages: 900, lost: 0 }, 'who receives everything never unsubscribes');
  t.ok(summary.unsubscribed >= 30, `unsubscribed ${summary.unsubscribed} times`);
  t.ok(summary.resubscribed > 0 && summary.resubscribed <= summary.unsubscribed, `${summary.resubscribed}`);
  t.ok(summary.messages > 300 && summary.messages < 900, `${summary.messages} of 900 were received`);
});

t.test('nothing is lost when sessions are resumed that have unsubscribed, and devices publish', async (t) => {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  const devices = '--connections 20 --devices 20 --publish-rate 200 --qos 1:50%,2:50% --hold 3s';
  const flags = '--clean-session false --lives 50%:300ms-1500ms --resubscribe-rate 10';
  const summary = await startFlood([gateway.url], `${devices} ${flags}`).summary();
  t.match(summary, { lost: 0, duplicated: 0, outOfOrder: 0, receivedUnsubscribed: 0, closed: 0, failed: 0 });
  t.ok(summary.unsubscribed > 10 && summary.resubscribed > 0, `${summary.unsubscribed}`);
  t.ok(summary.disconnected > 10, `${summary.disconnected} ends of life`);
});

t.test(
  'messages after UNSUBACK are reported; a gap while subscribed is lost, one in between is not',
  async (t) => {
    const gateway = await faultyGateway(t);
    const publisher = oldPublisher();
    let subscribes = 0;
    const filters: string[] = [];
    gateway.onSubscribe = (client) => {
      if (++subscribes === 2) client.publishStamped('1', publisher, [10], { qos: 1 }); // 5 to 9 were missed
    };
    gateway.onSubscribed = (client) => {
      if (subscribes === 1) client.publishStamped('1', publisher, [1, 3], { qos: 1 }); // 2 is lost
      if (subscribes === 2) client.publishStamped('1', publisher, [12], { qos: 1 }); // 11 is lost
    };
    gateway.onUnsubscribed = (client, filter) => {
      if (filters.push(filter) > 1) return;
      client.publish('1', formatStamp(publisher, 4, nowUs() - 100_000), { qos: 1 }); // was buffered
      client.publish('1', formatStamp(publisher, 5, nowUs() + 500_000), { qos: 1 }); // must not come
      client.publishStamped('1', publisher, [3], { qos: 1, dup: true }); // the protocol's own repetition
    };
    const tool = startFlood([gateway.url], '--connections 1 --resubscribe-rate 1 --qos 1');
    const summary = await summaryAfter(tool, 'chunks 6');
    t.match(summary, { messages: 6, lost: 2, redelivered: 1, duplicated: 0, outOfOrder: 0, closed: 0 });
    t.match(summary, { receivedUnsubscribed: 1, asked: { mqtt: { resubscribesPerSec: 1 } } });
    t.ok(summary.unsubscribed >= 1 && summary.resubscribed >= 1);
    t.equal(filters[0], '1', 'it unsubscribes from what it has subscribed to');
    t.match(tool.stderr, /unsubscribed \d+ {2}resubscribed \d+ {2}received unsubscribed 1 /);
    const [client] = gateway.clients;
    t.ok(client!.acknowledged.length >= 7, 'what came after UNSUBACK is acknowledged as well');
  },
);

t.test('the summary tells what came after UNSUBACK, and --fail-on errors ends with 3', async (t) => {
  const gateway = await faultyGateway(t);
  gateway.onUnsubscribed = (client) => client.publish('1', 'x');
  const flags = ['--connections', '1', '--resubscribe-rate', '1', '--fail-on', 'errors'];
  const tool = new ToolProcess(['floodtest', '-t', 'mqtt-ws', '--url', gateway.url, ...flags]);
  await until('it has come', () => tool.stdout.includes('received unsubscribed 1 '));
  tool.child.kill('SIGINT');
  t.equal(await tool.ended(), 3);
  t.match(
    tool.stdout,
    /unsubscribed \d+ times, and subscribed again \d+ times; \d+ messages published after UNSUBACK/,
  );
  t.match(tool.stderr, /--fail-on errors: \d+ received while unsubscribed/);
});

t.test('a SUBSCRIBE that is refused the second time ends the connection, with the reason', async (t) => {
  const gateway = await faultyGateway(t);
  gateway.onUnsubscribed = () => {
    gateway.granted = 0x80;
  };
  const tool = startFlood([gateway.url], '--connections 1 --resubscribe-rate 1');
  const summary = await summaryAfter(tool, 'connected 0  closed 1');
  t.match(summary, { unsubscribed: 1, resubscribed: 0, refused: 0, closures: { 'SUBACK 0x80': 1 } });
});

t.test('an answer that does not come is told after the time for answers', (t) => {
  const heard: string[] = [];
  const events = {
    send: () => {},
    resubscribing: () => {},
    resubscribed: () => {},
    unanswered: (_connection: number, answer: string) => heard.push(answer),
  };
  const resubscriptions = new Resubscriptions(share({ connections: 1, answerTimeoutMs: 0 }), 1, events);
  resubscriptions.loggedIn(0);
  resubscriptions.sweep();
  t.ok(resubscriptions.isAway(0));
  t.same(heard, []);
  t.notOk(resubscriptions.unsubscribeAcknowledged(0, 1), 'the packet id is that of UNSUBSCRIBE');
  resubscriptions.sweep();
  t.same(heard, ['UNSUBACK']);
  t.end();
});
