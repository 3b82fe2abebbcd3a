import t from 'tap';
import type { Connection } from '../../../gateway/connection.js';
import { Connections, catchingUp } from '../../../gateway/connections.js';
import { CatchUps, pageMessagesMax } from '../../../gateway/http/streams/catch-ups.js';
import type { Stream } from '../../../gateway/http/streams/stream.js';
import type { Outbound } from '../../../gateway/outbound.js';
import { History, MemoryHistory, Message } from '../../../router/index.js';
import { oneProcessFile } from '../../one-process.js';

oneProcessFile('a part by itself, without a server');

t.test('a stream that is cut in the middle of a page leaves nothing in the slot that it had', async (t) => {
  const store = new MemoryHistory({ rules: [{ filter: '#', messages: 1_000, ageSec: 60 }] });
  const history = new History(store);
  for (let n = 0; n < 3 * pageMessagesMax; n++) store.append(new Message('a', Buffer.from(`${n}`), 0));
  const connections = new Connections(2);
  const slot = connections.take();
  const stream = { slot } as Connection as Stream;
  connections.put(stream);
  const delivered: Message[] = [];
  const cutAt = pageMessagesMax + 10;
  const outbound = {
    isBackpressured: () => false,
    deliver(_stream: Stream, message: Message) {
      delivered.push(message);
      if (delivered.length !== cutAt) return 'sent';
      catchUps.release(slot);
      connections.release(slot);
      return 'dropped';
    },
  } as unknown as Outbound;
  const catchUps = new CatchUps(history, connections, outbound);
  catchUps.begin(stream, ['a'], [0]);
  t.equal(connections.flags[slot], catchingUp);
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
  t.equal(delivered.length, cutAt, 'nothing is delivered to who has gone');
  t.equal(catchUps.count, 0);
  t.equal(connections.flags[slot], 0, 'nor does the next one in the slot wait for its end');
});
