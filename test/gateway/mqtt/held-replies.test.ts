import t from 'tap';
import type { Channel } from '../../../gateway/mqtt/channel.js';
import { HeldReplies, heldRepliesMax } from '../../../gateway/mqtt/held-replies.js';
import { oneProcessFile } from '../../one-process.js';

oneProcessFile('a part by itself, without a server');

/** Answers that wait for what they say to be so on all nodes, and those behind them. */

function setUp() {
  const out: string[] = [];
  const held = new HeldReplies({
    write: (channel, packet) => out.push(`${channel}:${packet}`),
    onNone: () => {},
  });
  const [a, b] = ['a', 'b'] as unknown as [Channel, Channel];
  const hold = (channel: Channel, text: string) =>
    held.hold(channel, Buffer.from(text), () => out.push(`after ${text}`));
  return { out, held, hold, a, b };
}

t.test('what comes behind an answer that waits goes out behind it, and others do not wait', async (t) => {
  const { out, held, hold, a, b } = setUp();
  t.notOk(held.queue(a, Buffer.from('1')), 'nothing waits yet');
  const letGo = hold(a, 'suback');
  const shared = Buffer.from('2');
  t.ok(held.queue(a, shared));
  shared.write('x'); // the next answer is made in the same bytes
  t.notOk(held.queue(b, Buffer.from('3')), 'who has not subscribed');
  t.same(out, []);
  letGo();
  t.same(out, ['a:suback', 'after suback', 'a:2']);
  t.equal(held.count, 0);
  t.notOk(held.queue(a, Buffer.from('4')));
});

t.test('of two that wait the first goes out first, whichever may go first', async (t) => {
  const { out, hold, held, a } = setUp();
  const [first, second] = [hold(a, 'one'), hold(a, 'two')];
  second();
  t.same(out, []);
  first();
  t.same(out, ['a:one', 'after one', 'a:two', 'after two']);
  t.equal(held.count, 0);
});

t.test('of a connection that is gone nothing goes out', async (t) => {
  const { out, hold, held, a } = setUp();
  const letGo = hold(a, 'suback');
  held.release(a);
  letGo();
  t.same(out, []);
  t.equal(held.count, 0);
});

t.test('no more wait than may: then all go out, and what they wait for is not waited for', async (t) => {
  const { out, hold, held, a } = setUp();
  const letGo = hold(a, 'suback');
  for (let n = 1; n < heldRepliesMax; n++) held.queue(a, Buffer.from(`${n}`));
  t.same(out, []);
  held.queue(a, Buffer.from('last'));
  t.equal(out.length, heldRepliesMax + 2);
  t.same([out[0], out[1], out.at(-1)], ['a:suback', 'after suback', 'a:last']);
  letGo();
  t.equal(out.length, heldRepliesMax + 2, 'once');
  t.equal(held.count, 0);
});
