import t from 'tap';
import { HistoryRules } from '../../../router/history/history-rules.js';
import { LoadedHistory, loadedIdsMax } from '../../../router/history/loaded-history.js';
import { Message } from '../../../router/message.js';

/** History that is loaded while a client resumes: how much of it, and which messages are known to be missing. */

const message = (offset: number) => new Message('a', Buffer.from('x'), 0, 0, false, offset);

function heldIds(messages: number) {
  const released: string[] = [];
  const ids = new LoadedHistory(new HistoryRules([{ filter: '#', messages, ageSec: 60 }]), 1_000_000, {
    onHold: () => {},
    onRelease: (id) => released.push(id),
  });
  return { ids, released };
}

t.test(
  'past loadedIdsMax the id that was loaded longest ago goes, and never one that somebody resumes',
  async (t) => {
    const { ids, released } = heldIds(100);
    ids.hold('used').users++;
    for (let n = 1; n < loadedIdsMax; n++) ids.hold(`id ${n}`);
    t.same([ids.stats().ids, released], [loadedIdsMax, []]);
    ids.hold('one more');
    ids.hold('another');
    t.same([ids.stats().ids, released], [loadedIdsMax, ['id 1', 'id 2']]);
  },
);

t.test(
  'where messages were dropped that had come behind what is loaded, they are known to be missing',
  async (t) => {
    const { ids } = heldIds(3);
    const held = ids.hold('a');
    for (const offset of [4, 5, 6, 7, 8]) ids.note(held, message(offset));
    ids.merge('a', held, 3, { messages: [], floor: 3, position: 3 });
    t.equal(held.floor, 5, '4 and 5 are in neither part');
    t.same(
      held.messages.map(({ offset }) => offset),
      [6, 7, 8],
    );
  },
);

t.test('where nothing was dropped behind what is loaded, both parts are one row', async (t) => {
  const { ids } = heldIds(5);
  const held = ids.hold('a');
  for (const offset of [4, 5, 6]) ids.note(held, message(offset));
  ids.merge('a', held, 1, { messages: [message(2), message(3)], floor: 1, position: 3 });
  t.equal(held.floor, 1);
  t.same(
    held.messages.map(({ offset }) => offset),
    [2, 3, 4, 5, 6],
  );
});
