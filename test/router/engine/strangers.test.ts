import { connect } from '@nats-io/transport-node';
import t, { type Test } from 'tap';
import { encodeEnvelope } from '../../../router/engine/nats/envelope.js';
import { subjectOfId } from '../../../router/engine/nats/subject.js';
import { Message } from '../../../router/index.js';
import { NatsServer } from '../../nats-server.js';
import { until } from '../../until.js';
import { natsEngineAt } from './engine-parts.js';

/** Any program may publish under an engine's subjects: another version, a mistake, an earlier connection of this node. */

const server = await NatsServer.start({ jetStream: false });
const stranger = await connect({ servers: server.url });
t.teardown(async () => {
  await stranger.close();
  await server.stop();
});

async function setUp(t: Test) {
  const engine = natsEngineAt(server.url);
  t.teardown(() => engine.stop());
  const handedOut: string[] = [];
  const retained: string[] = [];
  await engine.open();
  await engine.start(
    ({ id, payload }) => handedOut.push(`${id}=${Buffer.from(payload)}`),
    ({ id }) => retained.push(id),
  );
  engine.addInterest('#');
  await until('it is known', async () => {
    stranger.publish('test.m.probe', envelopeOf(99, handedOut.length + 1));
    await stranger.flush();
    return handedOut.length > 0;
  });
  handedOut.length = 0;
  return { engine, handedOut, retained };
}

function envelopeOf(run: number, sequence: number, text = 'x'): Uint8Array {
  const envelope = { run, sequence, counted: true, retainOnly: false };
  return encodeEnvelope(new Message('a', Buffer.from(text), 1), envelope);
}

t.test('what this node itself left behind on an earlier connection is not handed out again', async (t) => {
  const { engine, handedOut } = await setUp(t);
  engine.publish(new Message('a', Buffer.from('mine'), 1), 'nothing');
  stranger.publish('test.m.a', envelopeOf(engine.cluster.self.run, 1, 'mine'));
  stranger.publish('test.m.a', envelopeOf(7, 1, 'end'));
  await until('the last has come', () => handedOut.includes('a=end'));
  t.same(handedOut, ['a=mine', 'a=end']);
});

t.test('garbage is counted and harms nothing', async (t) => {
  const { engine, handedOut, retained } = await setUp(t);
  const good = envelopeOf(7, 1);
  const bad: [string, Uint8Array][] = [
    ['test.m.a', new Uint8Array(0)],
    ['test.m.a', Buffer.from('hello')],
    ['test.r.a', Buffer.from('{"id":"a"}')],
    ['test.m.a', Uint8Array.from(good).fill(9, 0, 1)], // another version
    ['test.m.%zz', good],
    ['test.m.%FF', good],
    ['test.m.a%2Bb', good], // a wildcard in an id
    ['test.m.%00', good],
    [`test.m.${subjectOfId('x'.repeat(1_025))}`, good],
    [`test.m.${'a.'.repeat(200)}a`, good],
  ];
  for (const [subject, data] of bad) stranger.publish(subject, data);
  for (const subject of ['node', 'say.word', 'ask.counts', 'ask.word', `answer.${engine.cluster.self.run}.1`])
    for (const data of [new Uint8Array(0), Buffer.from('{"word":"alive"}'), Buffer.alloc(64, 255)])
      stranger.publish(`test.${subject}`, data, { reply: 'test.nowhere' });
  stranger.publish('test.m.a', envelopeOf(7, 2, 'end'));
  await until('the last has come', () => handedOut.includes('a=end'));
  t.same(handedOut, ['a=end']);
  t.same(retained, []);
  t.equal(engine.stats().unreadable, bad.length);
  t.same(engine.cluster.peers, []);
});
