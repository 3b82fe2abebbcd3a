import { connect } from '@nats-io/transport-node';
import t from 'tap';
import type { Answer, Answers, ClusterNode } from '../../../router/engine/cluster.js';
import type { Outcome } from '../../../router/engine/engine.js';
import { Counts, type CountsParts } from '../../../router/engine/nats/counts.js';
import { historyStreamPrefix } from '../../../router/engine/nats/history-stream.js';
import type { NatsEngine } from '../../../router/engine/nats.js';
import { Message } from '../../../router/index.js';
import { CuttableWay } from '../../cuttable-way.js';
import { NatsServer } from '../../nats-server.js';
import { until } from '../../until.js';
import { historyOf, natsEngineAt, startNats } from './engine-parts.js';

const server = await NatsServer.start();
t.teardown(() => server.stop());
const history = historyOf({ filter: '#', messages: 100, ageSec: 60 });

/** A node with one subscriber for `a`. */
async function nodeAt(url: string, name: string, cluster: string, countWaitMs: number): Promise<NatsEngine> {
  const options = { name: cluster, node: { name, group: '', role: 'both' as const }, history, countWaitMs };
  const engine = natsEngineAt(url, options);
  await startNats(engine);
  engine.addInterest('a');
  await new Promise<void>((resolve) => engine.whenInterested(resolve));
  return engine;
}

function send(from: NatsEngine, text: string): Promise<Outcome> {
  const message = new Message('a', Buffer.from(text), Date.now(), 0, false);
  return new Promise((resolve) => from.publish(message, 'count', resolve));
}

t.test('nodes that are catching up count what they hand out after it', async (t) => {
  const [here, there] = [
    await nodeAt(server.url, 'here', 'leaders', 5_000),
    await nodeAt(server.url, 'there', 'leaders', 5_000),
  ];
  const witness = await connect({ servers: server.url });
  t.teardown(() => Promise.all([here.stop(), there.stop(), witness.close()]));
  await until('the nodes have met', async () => (await send(here, 'x')).delivered === 2);
  for (let round = 0; round < 50; round++) {
    // As when NATS elects a leader: both nodes look for what they may have missed.
    witness.publish(`$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.${historyStreamPrefix('leaders')}0`);
    await witness.flush();
    const tally = await send(round % 2 === 0 ? here : there, `${round}`);
    t.same(tally, { delivered: 2, unanswered: 0, carried: 'yes' }, `round ${round}`);
  }
});

t.test(
  'while a node comes back and reads what it has missed, no count is short without saying so',
  async (t) => {
    const way = await CuttableWay.start(server.port);
    const here = await nodeAt(server.url, 'here', 'cut', 250);
    const there = await nodeAt(way.url, 'there', 'cut', 250);
    t.teardown(async () => {
      await Promise.all([here.stop(), there.stop()]);
      way.stop();
    });
    await until('the nodes have met', async () => (await send(here, 'x')).delivered === 2);
    way.cut();
    await until('it is cut off', () => !there.carries);
    await Promise.all(Array.from({ length: 500 }, (_, n) => send(here, `missed ${n}`)));
    way.giveBack();
    const tallies: Promise<Outcome>[] = [];
    let whole = 0;
    await until('it is back, and has taken some', () => {
      const tally = send(here, 'meanwhile');
      if (here.cluster.peers.length === 1) tallies.push(tally); // not taken for gone, as after 3.5 s it would be
      void tally.then(({ delivered, unanswered }) => {
        if (delivered === 2 && unanswered === 0) whole++;
      });
      return whole > 100;
    });
    const short = (await Promise.all(tallies)).filter(
      ({ delivered, unanswered, carried }) => carried === 'yes' && delivered + unanswered < 2,
    );
    t.same(short, []);
  },
);

const nodeOf = (run: number): ClusterNode => ({ run, name: `${run}`, group: '', role: 'both', startedMs: 0 });

/** Node 1 asks node 2. Each may be behind with streams A and B. */
function twoNodes(waitMs: number, answerBytesMax = 1_000_000) {
  const streams = [1, 2].map(() => ({ A: { isBehind: false }, B: { isBehind: false } }));
  let answerOfOther: (body: Uint8Array, from: ClusterNode) => Uint8Array;
  const answers: Answer[] = [];
  const make = (index: number) => {
    const cluster = {
      self: nodeOf(index + 1),
      peers: [nodeOf(2 - index)],
      answerBytesMax,
      onQuestion: (_: string, answer: typeof answerOfOther) => {
        if (index === 1) answerOfOther = answer;
      },
      onGone() {},
      ask(
        _question: string,
        body: Uint8Array,
        _waitMs: number,
        onAnswers: (answers: Answers) => void,
        onAnswer?: (answer: Answer) => void,
      ) {
        const answer = { from: nodeOf(2), body: answerOfOther(body, nodeOf(1)) };
        answers.push(answer);
        onAnswer!(answer);
        onAnswers({ answers: [answer], unanswered: 0 });
      },
    };
    return new Counts({
      link: { flush: async () => true, connected: true },
      cluster,
      waitMs,
      sequenceNamed: (stream: string) => streams[index]![stream as 'A' | 'B'],
    } as unknown as CountsParts);
  };
  const [asker, other] = [make(0), make(1)];
  const ask = (number: number, stream?: string) =>
    new Promise<Outcome>((resolve) => asker.ask(number, 0, resolve, stream));
  return { asker, other, streams, answers, ask };
}

t.test(
  'a node that does not catch up within the wait is said to be missing, be it asked or asking',
  async (t) => {
    for (const index of [0, 1]) {
      const { other, streams, ask } = twoNodes(50);
      streams[index]!.A.isBehind = true;
      other.note(1, 7, 3);
      const startedMs = performance.now();
      t.same(await ask(7, 'A'), { delivered: 3, unanswered: 1, carried: 'yes' });
      t.ok(performance.now() - startedMs >= 49);
    }
  },
);

t.test('it is asked again until it has, and what it hands out meanwhile counts', async (t) => {
  const { other, streams, answers, ask } = twoNodes(60_000);
  streams[1]!.A.isBehind = true;
  const counted = ask(7, 'A');
  await until('it was asked a few times', () => answers.length > 3);
  other.note(1, 7, 3);
  streams[1]!.A.isBehind = false;
  t.same(await counted, { delivered: 3, unanswered: 0, carried: 'yes' });
});

t.test('what goes by another way does not wait for it', async (t) => {
  const { other, streams, ask } = twoNodes(60_000);
  streams[1]!.A.isBehind = true;
  const waiting = ask(7, 'A');
  other.note(1, 8, 2);
  t.same(await ask(8, 'B'), { delivered: 2, unanswered: 0, carried: 'yes' });
  other.note(1, 9, 2);
  t.same(await ask(9), { delivered: 2, unanswered: 0, carried: 'yes' });
  streams[1]!.A.isBehind = false;
  t.same(await waiting, { delivered: 0, unanswered: 0, carried: 'yes' });
});

t.test('a count that comes with the answer to another question is not lost', async (t) => {
  const { asker, other, streams, ask } = twoNodes(60_000);
  streams[0]!.A.isBehind = true;
  for (const number of [1, 2]) asker.expect(number);
  for (const number of [1, 2]) other.note(1, number, 1);
  const waiting = ask(1, 'A');
  t.same(await ask(2, 'B'), { delivered: 1, unanswered: 0, carried: 'yes' });
  streams[0]!.A.isBehind = false;
  t.same(await waiting, { delivered: 1, unanswered: 0, carried: 'yes' });
});

t.test('what there is no room for in an answer is told with the next', async (t) => {
  const { other, answers, ask } = twoNodes(60_000, 16 + 5 * 16);
  for (let number = 1; number <= 12; number++) other.note(1, number, 2);
  t.same(await ask(12), { delivered: 2, unanswered: 0, carried: 'yes' });
  t.equal(answers.length, 3);
  t.ok(answers.every(({ body }) => body.length <= 16 + 5 * 16));
});

t.test('who does not take part any more asks nobody again', async (t) => {
  const { asker, streams, answers, ask } = twoNodes(60_000);
  streams[1]!.A.isBehind = true;
  asker.stop();
  t.same(await ask(7, 'A'), { delivered: 0, unanswered: 1, carried: 'yes' });
  t.equal(answers.length, 1);
});
