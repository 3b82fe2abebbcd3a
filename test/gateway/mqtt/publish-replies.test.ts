import t from 'tap';
import type { Channel } from '../../../gateway/mqtt/channel.js';
import { PublishReplies, publishRepliesMax } from '../../../gateway/mqtt/publish-replies.js';
import { isCarried, type OnOutcome, type Outcome } from '../../../router/engine/engine.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';

oneProcessFile('a part by itself, without a server');

/** PUBACK and PUBREC that wait for their messages. */

function outcomeOf(carried: boolean): Outcome {
  return carried ? isCarried : { delivered: 0, unanswered: 0, carried: 'no' };
}

function setUp() {
  const out: string[] = [];
  const gone = new Set<Channel>();
  const replies = new PublishReplies({
    isOpen: (channel) => !gone.has(channel),
    write: (channel, packets) => out.push(`${channel}:${packets}`),
    refuse: (channel) => {
      replies.writeDue(channel); // as Channels does when it closes one
      out.push(`${channel} refused`);
      end(channel);
    },
  });
  const end = (channel: Channel) => {
    gone.add(channel);
    replies.release(channel);
  };
  const shared = Buffer.from('?');
  /** @returns what says whether it is carried */
  const publish = (channel: Channel, text: string) => {
    let decide!: OnOutcome;
    const answer = () => {
      shared.write(text);
      return shared;
    };
    replies.once(channel, answer, (onOutcome) => {
      decide = onOutcome;
    });
    return (carried: boolean) => decide(outcomeOf(carried));
  };
  const publishCarried = (channel: Channel, text: string) =>
    replies.once(
      channel,
      () => Buffer.from(text),
      (onOutcome) => onOutcome(isCarried),
    );
  const [a, b] = ['a', 'b'] as unknown as [Channel, Channel];
  return { out, gone, replies, end, publish, publishCarried, a, b };
}

t.test('what is carried before the publishing returns is answered at once', async (t) => {
  const { out, replies, publishCarried, a } = setUp();
  t.equal(publishCarried(a, '1'), undefined);
  t.same(out, ['a:1']);
  t.equal(replies.count, 0);
});

t.test('what is not carried by then has its connection closed, and so has nothing to wait for', async (t) => {
  const { out, replies, a } = setUp();
  const reason = replies.once(
    a,
    () => Buffer.from('1'),
    (onOutcome) => onOutcome(outcomeOf(false)),
  );
  t.equal(reason, 'not-carried');
  t.same(out, []);
  t.equal(replies.count, 0);
});

t.test('answers keep the order of what they answer, and those of one turn are one write', async (t) => {
  const { out, replies, publish, publishCarried, a, b } = setUp();
  const [first, second] = [publish(a, '1'), publish(a, '2')];
  publishCarried(a, '3');
  publishCarried(b, '1');
  t.same(out, ['b:1'], 'others do not wait');
  second(true);
  await new Promise(setImmediate);
  t.same(out, ['b:1'], 'nor does it overtake the first');
  first(true);
  await until('all are out', () => replies.count === 0);
  t.same(out, ['b:1', 'a:123']);
  publishCarried(a, '4');
  t.equal(out.at(-1), 'a:4');
});

t.test('the first that is not carried ends the connection: only what is before it is answered', async (t) => {
  const { out, replies, publish, a } = setUp();
  const [first, second, third] = [publish(a, '1'), publish(a, '2'), publish(a, '3')];
  third(true);
  first(true);
  second(false);
  second(true);
  await new Promise(setImmediate);
  t.same(out, ['a:1', 'a refused']);
  t.equal(replies.count, 0);
});

t.test('of a connection that is gone nothing is kept, and nothing goes out', async (t) => {
  const { out, gone, replies, end, publish, publishCarried, a, b } = setUp();
  const decide = publish(a, '1');
  end(a);
  decide(true);
  gone.add(b);
  publishCarried(b, '1'); // its own message was what ended it
  publish(b, '2');
  await new Promise(setImmediate);
  t.same(out, []);
  t.equal(replies.count, 0);
});

t.test('a long queue is written as it falls due', async (t) => {
  const { out, replies, publish, a } = setUp();
  const decisions = Array.from({ length: 5_000 }, (_, n) => publish(a, `${n % 10}`));
  for (const [n, decide] of decisions.entries()) {
    decide(true);
    if (n % 700 === 0) await new Promise(setImmediate);
  }
  await until('all are out', () => replies.count === 0);
  const written = out.map((each) => each.slice(2)).join('');
  t.equal(written, '0123456789'.repeat(500));
});

t.test('there are no more than packet ids', async (t) => {
  const { replies, publish, publishCarried, a } = setUp();
  publish(a, '1');
  for (let n = 2; n <= publishRepliesMax; n++) publishCarried(a, 'x');
  t.equal(publishCarried(a, 'x'), 'protocol-error');
  replies.release(a);
  t.equal(replies.count, 0);
});
