import { connect, type Msg } from '@nats-io/transport-node';
import t from 'tap';
import { subjectOfId } from '../../../router/engine/nats/subject.js';
import { Message } from '../../../router/index.js';
import { NatsServer } from '../../nats-server.js';
import { until } from '../../until.js';
import { natsEngineAt, startNats } from './engine-parts.js';

const server = await NatsServer.start({ jetStream: false, configuration: 'max_payload: 10000' });
t.teardown(() => server.stop());

t.test(
  'ids that would not fit NATS’s line are refused at the start, and the longest that is not fits',
  async (t) => {
    const name = 'n'.repeat(64);
    const start = async (idBytesMax: number) => {
      const events: string[] = [];
      const engine = natsEngineAt(server.url, {
        name,
        idBytesMax,
        topicLevelsMax: idBytesMax,
        payloadBytesMax: 100,
        onEvent: (event, detail) => events.push(`${event} ${detail}`),
      });
      t.teardown(() => engine.stop());
      await startNats(engine);
      return { engine, events };
    };
    const problem = await start(65_535).catch((error: Error) => error.message);
    t.match(problem, /^Ids of 65535 bytes do not fit .*lower --id-bytes-max to \d+\.$/);
    const bytesMax = Number(/to (\d+)\./.exec(String(problem))![1]);
    t.ok(bytesMax > 1_300, `${bytesMax}`);
    await t.rejects(start(bytesMax + 1));
    const { engine, events } = await start(bytesMax);
    const raw = await connect({ servers: server.url });
    t.teardown(() => raw.close());
    const heard: string[] = [];
    const callback = (_error: unknown, { subject }: Msg) => void heard.push(subject);
    for (const kind of ['m', 'r']) raw.subscribe(`${name}.${kind}.>`, { callback });
    await raw.flush();
    const longest = '\u0001'.repeat(bytesMax);
    t.equal(subjectOfId(longest).length, 3 * bytesMax);
    engine.addInterest(longest);
    engine.addInterest(`${longest.slice(2)}/#`);
    engine.publish(new Message(longest, new Uint8Array(100), 1), 'nothing');
    engine.publish(new Message(longest, new Uint8Array(100), 1, 0, true), 'nothing');
    await until('both have gone through NATS', () => heard.length === 2);
    raw.publish(`${name}.m.${subjectOfId(longest)}`, 'no envelope');
    await until('it is subscribed', () => engine.stats().unreadable === 1);
    t.same(events, [], 'NATS minds nothing');
  },
);

t.test('payloads that NATS would not take are refused at the start', async (t) => {
  const engine = natsEngineAt(server.url, { payloadBytesMax: 10_000 });
  t.teardown(() => engine.stop());
  await t.rejects(startNats(engine), {
    message: /^NATS takes messages of 10000 bytes, and this node's may have 10022/,
  });
});

t.test('a message that is too large after all is refused and counted, not thrown', async (t) => {
  const engine = natsEngineAt(server.url, { payloadBytesMax: 9_000 });
  t.teardown(() => engine.stop());
  await startNats(engine);
  let tally: unknown;
  engine.publish(new Message('a', new Uint8Array(20_000), 1), 'count', (counted) => {
    tally = counted;
  });
  t.same(tally, { delivered: 1, unanswered: 0, carried: 'no' });
  t.equal(engine.stats().refused, 1);
  t.equal(engine.publish(new Message('a', new Uint8Array(9_000), 1), 'nothing'), 1);
  t.equal(engine.stats().forwarded, 1);
});

t.test(
  'what is published and not at the server is bounded: past it sends are refused, and go on later',
  async (t) => {
    const engine = natsEngineAt(server.url, {
      payloadBytesMax: 9_000,
      link: { servers: [server.url], unconfirmedBytesMax: 1024 * 1024 },
    });
    t.teardown(() => engine.stop());
    await startNats(engine);
    const message = new Message('a', new Uint8Array(9_000), 1);
    let sent = 0;
    while (engine.carries && sent < 1_000) {
      engine.publish(message, 'nothing');
      sent++;
    }
    t.ok(sent > 100 && sent < 130, `${sent} messages of 9 kB in one turn`);
    t.equal(engine.publish(message, 'nothing'), 1, 'own subscribers get it all the same');
    t.equal(engine.stats().refused, 1);
    await until('the server has had them', () => engine.carries);
    engine.publish(message, 'nothing');
    t.equal(engine.stats().refused, 1);
  },
);
