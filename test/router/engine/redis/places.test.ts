import t from 'tap';
import { RedisServer } from '../../../redis-server.js';
import { Functions } from './functions.js';

/** Places: given once, by any run of any server, and what a cursor from before is told. */

t.test('messages get places that rise, and are read behind a cursor', async (t) => {
  const server = await RedisServer.start();
  t.teardown(() => server.stop());
  const node = await Functions.open(server);
  const first = await node.send('123', 'one');
  const second = await node.send('123', 'two');
  t.ok(second > first);
  t.ok(Math.abs(first / 1000 - Date.now()) < 5_000, 'a place says the time in microseconds');
  const { entries, floor, complete } = await node.read('123', first);
  t.strictSame(entries, [{ place: second, body: 'two' }]);
  t.ok(floor <= first);
  t.ok(complete);
  t.equal((await node.place()).seq, second);
});
