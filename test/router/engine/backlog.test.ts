import t from 'tap';
import { Backlog, backlogBytesMax, backlogMessagesMax } from '../../../router/engine/nats/backlog.js';

const come = (sequence: number, data: Uint8Array = new Uint8Array(1)) => ({
  id: 'a',
  sequence,
  last: 0,
  data,
});
const sequences = (backlog: Backlog, behind = 0) => backlog.behind(behind).map(({ sequence }) => sequence);

t.test('what has come is there in the order of the stream, behind a place', async (t) => {
  const backlog = new Backlog();
  for (const sequence of [5, 4, 9, 7]) t.ok(backlog.push(come(sequence)));
  t.same(sequences(backlog), [4, 5, 7, 9]);
  t.same(sequences(backlog, 5), [7, 9]);
  backlog.keepUpTo(7);
  t.same(sequences(backlog), [4, 5, 7], 'those of a stream that is no more are gone');
});

t.test('it owns its bytes: what was read from the socket may change', async (t) => {
  const backlog = new Backlog();
  const data = Buffer.from('one');
  backlog.push(come(1, data));
  data.write('two');
  t.equal(Buffer.from(backlog.behind(0)[0]!.data).toString(), 'one');
});

t.test('past so many, or so many bytes, it says so and is empty, and fills anew', async (t) => {
  const many = new Backlog();
  for (let n = 1; n <= backlogMessagesMax; n++) if (!many.push(come(n))) t.fail(`${n} is too many`);
  t.notOk(many.push(come(backlogMessagesMax + 1)));
  t.equal(many.count, 0);
  const large = new Backlog();
  const quarter = new Uint8Array(backlogBytesMax / 4);
  for (let n = 1; n <= 4; n++) t.ok(large.push(come(n, quarter)));
  t.notOk(large.push(come(5)));
  t.same([large.count, large.push(come(6, quarter)), large.count], [0, true, 1]);
});
