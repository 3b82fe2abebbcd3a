import t from 'tap';
import type { Channel } from '../../../gateway/mqtt/channel.js';
import { sendStatus } from '../../../gateway/mqtt/mqtt-socket.js';
import { Replies, repliesBehindSubackMax } from '../../../gateway/mqtt/replies.js';
import { isCarried } from '../../../router/engine/engine.js';
import { oneProcessFile } from '../../one-process.js';

oneProcessFile('a part by itself, without a server');

/** SUBACKs that wait for their subscriptions to be so on all nodes, and the answers behind them. */

function setUp() {
  const out: string[] = [];
  const replies = new Replies();
  const channelNamed = (name: string) =>
    ({
      isOpen: true,
      socket: {
        send: (packet: Buffer) => {
          out.push(`${name}:${packet}`);
          return sendStatus.sent;
        },
      },
      goOn: () => out.push(`${name} goes on`),
    }) as unknown as Channel;
  const hold = (channel: Channel, text: string) =>
    replies.hold(channel, Buffer.from(text), () => out.push(`after ${text}`));
  return { out, replies, hold, a: channelNamed('a'), b: channelNamed('b') };
}

t.test('an answer behind one that waits goes out behind it, and others do not wait', async (t) => {
  const { out, replies, hold, a, b } = setUp();
  t.notOk(replies.isSubscribing(a), 'nothing waits yet');
  const letGo = hold(a, 'suback');
  t.ok(replies.isSubscribing(a));
  const shared = Buffer.from('2');
  replies.write(a, shared);
  shared.write('x'); // the next answer is made in the same bytes
  t.same(out, []);
  replies.write(b, Buffer.from('3'));
  t.same(out, ['b:3'], 'of a connection that has not subscribed');
  letGo();
  t.same(out.slice(1), ['a:suback', 'after suback', 'a:2', 'a goes on']);
  t.equal(replies.count, 0);
  replies.write(a, Buffer.from('4'));
  t.equal(out.at(-1), 'a:4');
});

t.test('a PUBACK that falls due meanwhile goes out behind the SUBACK', async (t) => {
  const { out, replies, hold, a } = setUp();
  const ticket = replies.reserve(a, (packetId) => Buffer.from(`puback ${packetId}`), 7)!;
  const letGo = hold(a, 'suback');
  replies.settle(ticket, isCarried);
  await new Promise(setImmediate);
  t.same(out, []);
  letGo();
  t.same(out, ['a:suback', 'after suback', 'a:puback 7', 'a goes on']);
});

t.test('of two that wait the first goes out first, whichever may go first', async (t) => {
  const { out, hold, replies, a } = setUp();
  const [first, second] = [hold(a, 'one'), hold(a, 'two')];
  second();
  t.same(out, []);
  first();
  t.same(out, ['a:one', 'after one', 'a:two', 'after two', 'a goes on']);
  t.equal(replies.count, 0);
});

t.test('of a connection that is gone nothing goes out', async (t) => {
  const { out, hold, replies, a } = setUp();
  const letGo = hold(a, 'suback');
  replies.release(a);
  letGo();
  t.same(out, []);
  t.equal(replies.count, 0);
});

t.test('no more wait than may: then all go out, and the SUBACK is not waited for', async (t) => {
  const { out, hold, replies, a } = setUp();
  const letGo = hold(a, 'suback');
  for (let n = 1; n < repliesBehindSubackMax; n++) replies.write(a, Buffer.from(`${n}`));
  t.same(out, []);
  replies.write(a, Buffer.from('last'));
  t.equal(out.pop(), 'a goes on');
  t.equal(out.length, repliesBehindSubackMax + 2);
  t.same([out[0], out[1], out.at(-1)], ['a:suback', 'after suback', 'a:last']);
  letGo();
  t.equal(out.length, repliesBehindSubackMax + 2, 'once');
  t.equal(replies.count, 0);
});
