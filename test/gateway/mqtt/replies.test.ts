import t from 'tap';
import type { Channel } from '../../../gateway/mqtt/channel.js';
import { sendStatus } from '../../../gateway/mqtt/mqtt-socket.js';
import { type PublishTicket, publishTicketsMax, Replies } from '../../../gateway/mqtt/replies.js';
import { isCarried, type Outcome } from '../../../router/engine/engine.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';

oneProcessFile('a part by itself, without a server');

/** PUBACK and PUBREC that wait for their messages. SUBACKs that wait: subacks.test.ts. */

function outcomeOf(carried: boolean): Outcome {
  return carried ? isCarried : { delivered: 0, unanswered: 0, carried: 'no' };
}

function setUp() {
  const out: string[] = [];
  const gone = new Set<Channel>();
  const replies = new Replies();
  const end = (channel: Channel) => {
    gone.add(channel);
    replies.release(channel);
  };
  const channelNamed = (name: string) => {
    const channel = {
      get isOpen() {
        return !gone.has(channel);
      },
      socket: {
        send: (packets: Buffer) => {
          out.push(`${name}:${packets}`);
          return sendStatus.sent;
        },
      },
      end: (reason: string) => {
        replies.flush(channel); // as ChannelEnds does when it closes one
        out.push(`${name} ${reason}`);
        end(channel);
      },
    } as unknown as Channel;
    return channel;
  };
  const shared = Buffer.from('?');
  const encode = (packetId: number) => {
    shared.write(String(packetId % 10));
    return shared;
  };
  const publish = (channel: Channel, packetId: number) => {
    const ticket = replies.reserve(channel, encode, packetId) as PublishTicket;
    return (carried: boolean) => replies.settle(ticket, outcomeOf(carried));
  };
  const publishCarried = (channel: Channel, packetId: number) => publish(channel, packetId)(true);
  return {
    out,
    gone,
    replies,
    encode,
    end,
    publish,
    publishCarried,
    a: channelNamed('a'),
    b: channelNamed('b'),
  };
}

t.test('a message that is carried before the publishing returns is answered at once', async (t) => {
  const { out, replies, publishCarried, a } = setUp();
  publishCarried(a, 1);
  t.same(out, ['a:1']);
  t.equal(replies.count, 0);
});

t.test(
  'one that is not carried by then has its connection closed, and so has nothing to wait for',
  async (t) => {
    const { out, replies, publish, a } = setUp();
    publish(a, 1)(false);
    t.same(out, ['a not-carried']);
    t.equal(replies.count, 0);
  },
);

t.test('answers keep the order of the PUBLISHes, and those of one turn are one write', async (t) => {
  const { out, replies, publish, publishCarried, a, b } = setUp();
  const [first, second] = [publish(a, 1), publish(a, 2)];
  publishCarried(a, 3);
  publishCarried(b, 1);
  t.same(out, ['b:1'], 'others do not wait');
  t.equal(replies.count, 1);
  second(true);
  await new Promise(setImmediate);
  t.same(out, ['b:1'], 'nor does it overtake the first');
  first(true);
  await until('all are out', () => replies.count === 0);
  t.same(out, ['b:1', 'a:123']);
  publishCarried(a, 4);
  t.equal(out.at(-1), 'a:4');
});

t.test('one that nothing is behind is answered when its outcome comes', async (t) => {
  const { out, replies, publish, a, b } = setUp();
  const [first, second] = [publish(a, 1), publish(b, 2)];
  t.equal(replies.count, 2);
  second(true);
  t.same(out, ['b:2']);
  t.equal(replies.count, 1);
  first(true);
  await until('it is out', () => replies.count === 0);
  t.same(out, ['b:2', 'a:1']);
});

t.test('the first that is not carried ends the connection: only those before it are answered', async (t) => {
  const { out, replies, publish, a } = setUp();
  const [first, second, third] = [publish(a, 1), publish(a, 2), publish(a, 3)];
  third(true);
  first(true);
  second(false);
  second(true);
  await new Promise(setImmediate);
  t.same(out, ['a:1', 'a not-carried']);
  t.equal(replies.count, 0);
});

t.test('of a connection that is gone nothing is kept, and nothing goes out', async (t) => {
  const { out, gone, replies, end, publish, publishCarried, a, b } = setUp();
  const decide = publish(a, 1);
  end(a);
  t.equal(replies.count, 0);
  decide(true);
  const ended = publish(b, 1);
  gone.add(b);
  ended(true); // its own message was what ended it
  await new Promise(setImmediate);
  t.same(out, []);
  t.equal(replies.count, 0);
  publishCarried(b, 1);
  t.same(out, []);
});

t.test('a long queue is written as it falls due', async (t) => {
  const { out, replies, publish, a } = setUp();
  const decisions = Array.from({ length: 5_000 }, (_, n) => publish(a, n));
  for (const [n, decide] of decisions.entries()) {
    decide(true);
    if (n % 700 === 0) await new Promise(setImmediate);
  }
  await until('all are out', () => replies.count === 0);
  const written = out.map((each) => each.slice(2)).join('');
  t.equal(written, '0123456789'.repeat(500));
});

t.test('there are no more than packet ids', async (t) => {
  const { replies, encode, publish, publishCarried, a } = setUp();
  publish(a, 1);
  for (let n = 2; n <= publishTicketsMax; n++) publishCarried(a, n);
  t.equal(replies.reserve(a, encode, 1), undefined);
  replies.release(a);
  t.equal(replies.count, 0);
});
