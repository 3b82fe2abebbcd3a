import t from 'tap';
import type { Outcome } from '../../../router/engine/engine.js';
import { Forwarding, type ForwardingParts } from '../../../router/engine/nats/forwarding.js';
import type { Sequence } from '../../../router/engine/nats/sequence.js';
import { Message } from '../../../router/message.js';

/** A stream that takes what wants no acknowledgement, and else only while there is room to wait for one. */
function setUp(full: boolean) {
  const taken: string[] = [];
  const sequences = {
    full,
    publish(_to: Sequence, id: string, _data: Uint8Array, _number: number, onStored: unknown) {
      if (full && onStored !== undefined) return false;
      taken.push(onStored === undefined ? id : `${id} acknowledged`);
      return true;
    },
  };
  const counts = { expect() {}, forget() {}, ask() {} };
  const forwarding = new Forwarding(1, { sequences, counts } as unknown as ForwardingParts);
  const to = { stream: { name: 'encke-history-0' } } as Sequence;
  const message = new Message('a', Buffer.from('x'), Date.now(), 1, false);
  const count = (onOutcome: (tally: Outcome) => void) => forwarding.forwardCounted(to, message, onOutcome);
  const send = (onCarried?: (carried: boolean) => void) =>
    forwarding.forwardInSequence(to, message, onCarried);
  return { taken, forwarding, count, send };
}

t.test('a message at QoS 1 is acknowledged, be it counted, waited for or neither', async (t) => {
  const { taken, count, send } = setUp(false);
  const carried: boolean[] = [];
  send();
  count(() => {});
  send((is) => carried.push(is));
  t.same(taken, ['a acknowledged', 'a acknowledged', 'a acknowledged']);
  t.same(carried, [], 'which is waited for');
});

t.test(
  'without room for more acknowledgements, who waits for the count is refused, and who does not is not',
  async (t) => {
    const { taken, forwarding, count, send } = setUp(true);
    const tallies: Outcome[] = [];
    count((tally) => tallies.push(tally));
    t.same(tallies, [{ delivered: 0, unanswered: 0, carried: 'no' }]);
    t.same(taken, []);
    send();
    const carried: boolean[] = [];
    send((is) => carried.push(is));
    t.same(taken, ['a', 'a']);
    t.same(carried, [true], 'it is handed over, and that is all that is known');
    t.equal(forwarding.refused, 1);
  },
);
