import t from 'tap';
import type { Channel } from '../../../gateway/mqtt/channel.js';
import { Undecided } from '../../../gateway/mqtt/undecided.js';
import { isCarried, type Outcome } from '../../../router/engine/engine.js';
import type { Session } from '../../../router/session/session.js';
import { oneProcessFile } from '../../one-process.js';

oneProcessFile('a part by itself, without a server');

/** Messages at QoS 2 that are with Redis, or not; nobody knows yet. */

const notCarried: Outcome = { delivered: 0, unanswered: 0, carried: 'no' };

function setUp() {
  const undecided = new Undecided();
  const released: number[] = [];
  const session = { release: (packetId: number) => released.push(packetId) } as unknown as Session;
  const [first, second] = ['first', 'second'] as unknown as [Channel, Channel];
  const told: string[] = [];
  const tell =
    (who: string) =>
    ({ carried }: Outcome) =>
      told.push(`${who} ${carried}`);
  return { undecided, released, session, first, second, told, tell };
}

t.test('what is carried awaits its PUBREL, and may be answered again', async (t) => {
  const { undecided, released, session, first, told, tell } = setUp();
  const decide = undecided.begin(session, 7, first, tell('original'));
  t.ok(undecided.has(session, 7));
  t.notOk(undecided.has(session, 8));
  decide(isCarried);
  t.same([told, released], [['original yes'], []]);
  t.notOk(undecided.wait(session, 7, first, tell('late')), 'it is known by then');
  t.equal(undecided.count, 0);
});

t.test('what is not carried is forgotten, and new when it comes again', async (t) => {
  const { undecided, released, session, first, told, tell } = setUp();
  undecided.begin(session, 7, first, tell('original'))(notCarried);
  t.same([told, released], [['original no'], [7]]);
  t.equal(undecided.count, 0);
});

t.test('each repetition on a connection is told; those of a connection that is gone are not', async (t) => {
  const { undecided, session, first, second, told, tell } = setUp();
  const decide = undecided.begin(session, 7, first, tell('first'));
  const other = undecided.begin(session, 8, first, tell('another id'));
  t.ok(undecided.wait(session, 7, second, tell('second')));
  t.ok(undecided.wait(session, 7, second, tell('second')));
  decide(isCarried);
  t.same(told, ['second yes', 'second yes']);
  t.equal(undecided.count, 1);
  other(isCarried);
  t.equal(undecided.count, 0);
});
