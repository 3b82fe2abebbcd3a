import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import t from 'tap';
import { Acknowledgements } from '../../../router/engine/nats/acknowledgements.js';

/** Which of the messages that a node has sent to a stream are stored. */

function answer(sequence: number, data: string, headers?: MsgHdrs): Msg {
  return { subject: `encke.ack.77.${sequence}`, data: Buffer.from(data), headers } as unknown as Msg;
}

const stored = '{"stream":"encke-history-0", "seq":17}';
const refused = '{"error":{"code":400,"description":"maximum bytes exceeded"},"stream":"","seq":0}';

t.test('each is told once whether it is stored, in whatever order the answers come', async (t) => {
  const acknowledgements = new Acknowledgements();
  const told: string[] = [];
  for (const sequence of [1, 2, 3]) acknowledgements.expect(sequence, (is) => told.push(`${sequence} ${is}`));
  acknowledgements.hear(answer(3, stored));
  acknowledgements.hear(answer(1, stored));
  acknowledgements.hear(answer(1, stored));
  acknowledgements.hear(answer(9, stored));
  t.same(told, ['3 true', '1 true']);
  acknowledgements.hear(answer(2, refused));
  t.same(told, ['3 true', '1 true', '2 false']);
  t.equal(acknowledgements.failed, 1);
});

t.test('where there is no stream, NATS says that nobody is there for it', async (t) => {
  const acknowledgements = new Acknowledgements();
  const told: boolean[] = [];
  acknowledgements.expect(1, (is) => told.push(is));
  acknowledgements.hear(answer(1, '', { code: 503 } as MsgHdrs));
  t.same(told, [false]);
});

t.test('one that is not answered in time is taken for not stored', async (t) => {
  const acknowledgements = new Acknowledgements();
  const told: boolean[] = [];
  acknowledgements.expect(1, (is) => told.push(is));
  const start = performance.now();
  for (let ms = 500; ms < 5_000; ms += 500) acknowledgements.tick(start + ms);
  t.same(told, []);
  acknowledgements.tick(start + 5_001);
  t.same(told, [false]);
  acknowledgements.hear(answer(1, stored));
  t.same(told, [false], 'and a late answer changes nothing');
  t.equal(acknowledgements.failed, 1);
});

t.test('a process that stood still reads what came meanwhile before it judges', async (t) => {
  const acknowledgements = new Acknowledgements();
  const told: boolean[] = [];
  acknowledgements.expect(1, (is) => told.push(is));
  acknowledgements.expect(2, (is) => told.push(is));
  const nowMs = performance.now() + 7_000;
  acknowledgements.tick(nowMs);
  t.same(told, []);
  acknowledgements.hear(answer(1, stored));
  acknowledgements.tick(nowMs + 250);
  t.same(told, [true, false]);
});

t.test('when NATS is lost, all are', async (t) => {
  const acknowledgements = new Acknowledgements();
  const told: boolean[] = [];
  for (let n = 0; n < 10; n++) acknowledgements.expect(n, (is) => told.push(is));
  acknowledgements.failAll();
  t.same(told, Array(10).fill(false));
  acknowledgements.failAll();
  t.same(told, Array(10).fill(false));
});

t.test('no more than 100,000 wait', async (t) => {
  const acknowledgements = new Acknowledgements();
  for (let n = 0; n < 99_999; n++) acknowledgements.expect(n, () => {});
  t.equal(acknowledgements.full, false);
  acknowledgements.expect(100_000, () => {});
  t.equal(acknowledgements.full, true);
  acknowledgements.hear(answer(100_000, stored));
  t.equal(acknowledgements.full, false, 'and each answer makes room');
});
