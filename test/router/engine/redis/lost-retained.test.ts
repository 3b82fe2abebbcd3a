import t from 'tap';
import { SharedRetained, type SharedRetainedParts } from '../../../../router/engine/redis/retained.js';
import { Message } from '../../../../router/message.js';
import { Retained } from '../../../../router/retained.js';
import { until } from '../../../until.js';

/** A server has lost its retained messages, and gets them back; it is played. */

t.test('all come back, each once, in calls of a bounded size', async (t) => {
  const calls: { ids: string[]; bytes: number }[] = [];
  const shard = {
    ...{ usable: true, begin: 1, parts: { run: '0'.repeat(16) }, subscribed: { position: 0 } },
    onBack() {},
    read: async () => [0, 0, 1],
    call: async (_name: string, [, ...args]: (string | Buffer)[]) => {
      const ids = args.filter((_, n) => n % 2 === 0).map(String);
      calls.push({ ids, bytes: args.reduce((sum, { length }) => sum + length, 0) });
    },
  } as unknown as SharedRetainedParts['shard'];
  const copy = new Retained({ maxRetainedSize: 1_000_000 });
  const sizes = [...Array(250).fill(10), ...Array(20).fill(100_000), 900_000, ...Array(20).fill(10)];
  for (const [n, size] of sizes.entries())
    copy.keep(new Message(`id/${n}`, Buffer.alloc(size), Date.now(), 0, true));
  const retained = new SharedRetained({
    ...{ shard, owns: () => true, hasHistory: () => false },
  });
  await retained.start(copy);
  await retained.catchUp(2, () => true);
  await until('all are back', () => calls.flatMap(({ ids }) => ids).length >= sizes.length);
  t.same(calls.flatMap(({ ids }) => ids).sort(), sizes.map((_, n) => `id/${n}`).sort());
  for (const { ids, bytes } of calls) {
    t.ok(ids.length <= 100, `${ids.length} in a call`);
    t.ok(bytes < 300_000 || ids.length === 1, `${bytes} bytes of ${ids.length} in a call`);
  }
  t.ok(calls.length < 40, `${calls.length} calls`);
});
