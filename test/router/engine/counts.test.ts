import { connect } from '@nats-io/transport-node';
import t from 'tap';
import type { Answers, ClusterNode, QuestionAnswer } from '../../../router/engine/cluster.js';
import type { Tally } from '../../../router/engine/engine.js';
import { Counts, type CountsParts } from '../../../router/engine/nats/counts.js';
import { historyStreamPrefix } from '../../../router/engine/nats/history-stream.js';
import type { NatsEngine } from '../../../router/engine/nats.js';
import { Message } from '../../../router/index.js';
import { NatsServer } from '../../nats-server.js';
import { until } from '../../until.js';
import { historyOf, natsEngineAt, startNats } from './engine-parts.js';

const server = await NatsServer.start();
const witness = await connect({ servers: server.url });
const history = historyOf({ filter: '#', messages: 100, ageSec: 60 });
const [here, there] = ['here', 'there'].map((name) =>
  natsEngineAt(server.url, { node: { name, group: '', role: 'both' }, history }),
);
t.teardown(async () => {
  await Promise.all([here!.stop(), there!.stop(), witness.close()]);
  await server.stop();
});
for (const engine of [here!, there!]) {
  await startNats(engine);
  engine.addInterest('a');
  await new Promise<void>((resolve) => engine.whenInterested(resolve));
}

function count(from: NatsEngine): Promise<Tally> {
  const message = new Message('a', Buffer.from('x'), Date.now(), 0, false);
  return new Promise((resolve) => from.publishCounted(message, resolve));
}

t.test('nodes that are catching up count what they hand out after it', async (t) => {
  await until('the nodes have met', async () => (await count(here!)).delivered === 2);
  for (let round = 0; round < 50; round++) {
    // As when NATS elects a leader: both nodes look for what they may have missed.
    witness.publish(`$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.${historyStreamPrefix('test')}0`);
    await witness.flush();
    const tally = await count(round % 2 === 0 ? here! : there!);
    t.same(tally, { delivered: 2, unanswered: 0, carried: true }, `round ${round}`);
  }
});

/** A node among two whose stream does not come back within the wait. */
function stuck() {
  let answer: ((body: Uint8Array, from: ClusterNode) => QuestionAnswer) | undefined;
  const cluster = {
    self: there!.cluster.self,
    peers: [here!.cluster.self],
    onQuestion: (_question: string, answers: typeof answer) => {
      answer = answers;
    },
    onGone() {},
    ask: (_question: string, _body: Uint8Array, _waitMs: number, onAnswers: (answers: Answers) => void) =>
      onAnswers({ answers: [{ from: here!.cluster.self, body: takenAs(7, 3) }], unanswered: 0 }),
  };
  const sequence = { following: { isOn: false, within: async () => false } };
  const sequenceNamed = (stream: string) => (stream === 'stuck' ? sequence : undefined);
  const counts = new Counts({ cluster, sequenceNamed, waitMs: 1 } as unknown as CountsParts);
  return { counts, answer: answer! };
}

function takenAs(number: number, count: number): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.writeDoubleBE(number, 0);
  bytes.writeDoubleBE(count, 8);
  return bytes;
}

t.test('a node that does not catch up within the wait gives no answer, be it asked or asking', async (t) => {
  const { counts, answer } = stuck();
  counts.note(here!.cluster.self.run, 1, 2);
  t.equal(await answer(Buffer.from('stuck'), here!.cluster.self), undefined);
  counts.expect(7);
  const tally = await new Promise<Tally>((resolve) => counts.ask(7, 0, resolve, 'stuck'));
  t.same(tally, { delivered: 3, unanswered: 1, carried: true });
});

t.test('it answers at once what did not go by that stream', async (t) => {
  const { counts, answer } = stuck();
  counts.note(here!.cluster.self.run, 1, 2);
  t.same(answer(Buffer.from('another'), here!.cluster.self), takenAs(1, 2));
  const tally = await new Promise<Tally>((resolve) => counts.ask(7, 1, resolve));
  t.same(tally, { delivered: 4, unanswered: 0, carried: true });
});
