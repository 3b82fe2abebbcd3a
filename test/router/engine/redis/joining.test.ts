import t from 'tap';
import { Message } from '../../../../router/index.js';
import { RedisServer } from '../../../redis-server.js';
import { redisEngineAt } from './engine-parts.js';

/** A node that starts while the others are busy. */

const redis = await RedisServer.start();
t.teardown(() => redis.stop());

t.test('a node starts without complaint while all nodes are sent retained messages', async (t) => {
  const busy = redisEngineAt([redis.url]);
  await busy.open();
  await busy.start(() => 0);
  let stopped = false;
  const publish = () => {
    if (stopped) return;
    // It goes to all nodes, over the channel that each subscribes to first.
    const message = new Message('$SYS/busy', Buffer.from('x'), Date.now(), 0, true);
    busy.publish(message, { onOutcome: publish });
  };
  for (let n = 0; n < 200; n++) publish();
  const complaints: string[] = [];
  for (let n = 0; n < 5; n++) {
    const node = redisEngineAt([redis.url], {
      onEvent: (event, detail) => {
        if (event === 'complaint') complaints.push(detail);
      },
    });
    await node.open();
    t.equal(node.stats().shards[0]!.reconnects, 0, 'its first connections are good');
    await node.stop();
  }
  t.same(complaints, []);
  stopped = true;
  await busy.stop();
});
