import t from 'tap';
import { Counters } from '../../../gateway/counters.js';
import type { Channel } from '../../../gateway/mqtt/channel.js';
import { ChannelWire } from '../../../gateway/mqtt/channel-wire.js';
import { ReceiveQueues } from '../../../gateway/mqtt/receive-queues.js';
import { oneProcessFile } from '../../one-process.js';

oneProcessFile("a socket's events; nothing crosses");

/** uWS may write off what it had as it uncorks, without a drain event: what waits for one goes on all the same. */

function channelWith(unsent: { bytes: number }, takesMore = () => {}): Channel {
  return {
    remoteAddress: () => '127.0.0.1',
    socket: { getBufferedAmount: () => unsent.bytes },
    takesMore,
  } as unknown as Channel;
}

t.test('a queue whose answers are taken is seen in the next tick', async (t) => {
  const queues = new ReceiveQueues(1e6, 1e5, (_channel, bytes) => bytes.length);
  const unsent = { bytes: 100 };
  const channel = channelWith(unsent);
  const queue = queues.begin(channel);
  queue.push(Buffer.from('x'));
  t.same([...queues.parked(10_000)], [], 'one that waits for its turn is not meant');
  queue.park(100);
  t.same([...queues.parked(10_000)], [[channel, 'waiting']]);
  t.same([...queues.parked(0)], [[channel, 'stuck']]);
  unsent.bytes = 0;
  t.same([...queues.parked(10_000)], [[channel, 'taken']]);
});

t.test('a backlog whose socket has taken all is gone on with once a second', async (t) => {
  const unsent = { bytes: 100 };
  let told = 0;
  const channel = channelWith(unsent, () => told++);
  const wire = new ChannelWire(new Counters());
  wire.keepAlive(channel);
  t.equal(told, 0);
  unsent.bytes = 0;
  wire.keepAlive(channel);
  t.equal(told, 1);
});
