import t from 'tap';
import { FairTurns } from '../../../gateway/fair-turns.js';
import type { Channel } from '../../../gateway/mqtt/channel.js';
import { ReceiveQueues } from '../../../gateway/mqtt/receive-queues.js';
import type { Outbound } from '../../../gateway/outbound.js';
import { oneProcessFile } from '../../one-process.js';

oneProcessFile('turns of the loop of one process');

/** Past the limit of what may wait, turns get longer: by what has to be caught up with, and not by how many clients flood. */

const mebibyte = 1024 * 1024;
const bytesMax = 4 * mebibyte;
const bytesPerTurn = 64 * 1024;
/** One packet's. */
const pieceBytes = 1024;

const noOutbound = { turnDeliveries: 0, flushTurn: () => {} } as unknown as Outbound;

/** So many connections of which so much waits. @returns what each turn of the loop handled, and of whom, until all is */
async function turnsOf(connections: number, bytesEach: number) {
  const turns = new FairTurns(noOutbound, 1, { isBehind: false });
  const handledInTurn: number[] = [];
  const servedInTurn: Set<Channel>[] = [];
  let [handled, served, most] = [0, new Set<Channel>(), 0];
  const queues = new ReceiveQueues(bytesMax, bytesPerTurn, (channel, bytes) => {
    served.add(channel);
    let at = 0;
    while (at < bytes.length) {
      at += pieceBytes;
      const untilMs = performance.now() + 0.05; // 50 us each: 20 MB/s
      while (performance.now() < untilMs);
      if (turns.over) break;
    }
    handled += at;
    return at;
  });
  const done = new Promise<void>((resolve) => {
    turns.onTurn = () => {
      queues.endTurn();
      most = Math.max(most, queues.bytes);
      handledInTurn.push(handled);
      servedInTurn.push(served);
      [handled, served] = [0, new Set()];
      if (queues.count === 0) resolve();
    };
  });
  for (let n = 0; n < connections; n++) {
    const channel = { remoteAddress: () => '127.0.0.1' } as Channel;
    const queue = queues.begin(channel);
    queue.push(Buffer.alloc(bytesEach));
    turns.add(queue);
  }
  await done;
  return { handledInTurn, servedInTurn };
}

t.test('a burst of many is caught up with in turns that stay short', async (t) => {
  const { handledInTurn, servedInTurn } = await turnsOf(100, 64 * 1024); // 6.25 MB
  t.equal(
    handledInTurn.reduce((sum, bytes) => sum + bytes, 0),
    100 * 64 * 1024,
  );
  const longest = Math.max(...handledInTurn);
  t.ok(longest < 512 * 1024, `${longest} bytes at most in one turn, 26 ms; all of them are 320 ms`);
  const first = new Set<Channel>();
  for (const served of servedInTurn.slice(0, 100)) for (const channel of served) first.add(channel);
  t.equal(first.size, 100, 'and everybody has its turn');
});

t.test('at twice the limit each is given as much as may come in, so that memory stays bounded', async (t) => {
  const { handledInTurn } = await turnsOf(20, mebibyte);
  t.ok(handledInTurn[0]! >= 20 * bytesPerTurn, `${handledInTurn[0]} bytes in the first turn`);
  t.ok(Math.min(...handledInTurn.slice(0, 5)) >= 20 * bytesPerTurn);
});
