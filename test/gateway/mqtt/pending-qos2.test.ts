import t from 'tap';
import type { Channel } from '../../../gateway/mqtt/channel.js';
import { PendingQos2 } from '../../../gateway/mqtt/pending-qos2.js';
import type { PublishTicket } from '../../../gateway/mqtt/replies.js';
import { isCarried, type Outcome } from '../../../router/engine/engine.js';
import type { Session } from '../../../router/session/session.js';
import { oneProcessFile } from '../../one-process.js';

oneProcessFile('a part by itself, without a server');

/** Messages at QoS 2 that are with Redis, or not; nobody knows yet. */

const notCarried: Outcome = { delivered: 0, unanswered: 0, carried: 'no' };

function setUp() {
  const told: string[] = [];
  const pending = new PendingQos2({
    settle: (ticket, { carried }) => told.push(`${(ticket as unknown as { name: string }).name} ${carried}`),
  });
  const released: number[] = [];
  const session = { release: (packetId: number) => released.push(packetId) } as unknown as Session;
  const [first, second] = ['first', 'second'] as unknown as [Channel, Channel];
  const ticket = (channel: Channel, name: string) => ({ channel, name }) as unknown as PublishTicket;
  return { pending, released, session, first, second, told, ticket };
}

t.test('a carried message awaits its PUBREL, and may be answered again', async (t) => {
  const { pending, released, session, first, told, ticket } = setUp();
  const decide = pending.begin(session, 7, ticket(first, 'original'));
  t.ok(pending.has(session, 7));
  t.notOk(pending.has(session, 8));
  decide(isCarried);
  t.same([told, released], [['original yes'], []]);
  t.notOk(pending.wait(session, 7, ticket(first, 'late')), 'it is known by then');
  t.equal(pending.count, 0);
});

t.test('a message that is not carried is forgotten, and new when it comes again', async (t) => {
  const { pending, released, session, first, told, ticket } = setUp();
  pending.begin(session, 7, ticket(first, 'original'))(notCarried);
  t.same([told, released], [['original no'], [7]]);
  t.equal(pending.count, 0);
});

t.test('each repetition on a connection is told; those of a connection that is gone are not', async (t) => {
  const { pending, session, first, second, told, ticket } = setUp();
  const decide = pending.begin(session, 7, ticket(first, 'first'));
  const other = pending.begin(session, 8, ticket(first, 'another id'));
  t.ok(pending.wait(session, 7, ticket(second, 'second')));
  t.ok(pending.wait(session, 7, ticket(second, 'second')));
  decide(isCarried);
  t.same(told, ['second yes', 'second yes']);
  t.equal(pending.count, 1);
  other(isCarried);
  t.equal(pending.count, 0);
});
