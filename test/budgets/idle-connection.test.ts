import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Crowd, getRequest } from '../crowd.js';
import { until } from '../until.js';
import type { Weight } from './probe.js';

/**
 * The product is what an idle connection costs, so it is pinned here. When this fails, somebody has added to
 * every connection there will ever be: take it out again, or raise the figure and say in docs/decisions why.
 */

const connections = 8_000;
/** The handler for "writable again", see Outbound. */
const afterMessageMax = 240;
const kinds = [
  // path, V8 heap, native: bytes a connection, measured 2026-11-20 on Node 20 and 22 with a little air (under 60 B)
  { path: (n: number) => `/test/${n}`, heapMax: 290, nativeMax: 620 },
  { path: (n: number) => `/stream/${n}`, heapMax: 290, nativeMax: 620 },
];

for (const { path, heapMax, nativeMax } of kinds) {
  t.test(`an idle connection on ${path(1)} stays within its budget of bytes`, async (t) => {
    const probe = fork(fileURLToPath(new URL('probe.js', import.meta.url)), { execArgv: [] });
    t.teardown(() => probe.kill('SIGKILL'));
    const [{ url, apiUrl }] = (await once(probe, 'message')) as [{ url: string; apiUrl: string }];
    const crowd = new Crowd(Number(new URL(url).port));
    t.teardown(() => crowd.clear());
    const weigh = async () => {
      probe.send('weigh');
      return ((await once(probe, 'message')) as [Weight])[0];
    };
    // The first thousand pay for what is made once; the columns and the Map grow in steps that 8,000 more average out.
    await crowd.add(1_000, (n) => getRequest(path(n)));
    await weigh();
    const before = await weigh();
    await crowd.add(connections, (n) => getRequest(path(1_000 + n)));
    const open = async () =>
      ((await (await fetch(`${apiUrl}/stats`)).json()) as { connections: { open: number } }).connections.open;
    await until('all are open', async () => (await open()) === connections + 1_000);
    const after = await weigh();
    const heap = (after.heapBytes - before.heapBytes) / connections;
    const native = (after.mallocBytes - before.mallocBytes) / connections;
    t.comment(
      `V8 heap ${heap.toFixed(0)} B, native ${native.toFixed(0)} B, together ${(heap + native).toFixed(0)} B`,
    );
    t.ok(heap <= heapMax, `V8 heap: ${heap.toFixed(0)} B a connection, at most ${heapMax}`);
    t.ok(native <= nativeMax, `native memory: ${native.toFixed(0)} B a connection, at most ${nativeMax}`);
    t.ok(heap > 50 && native > 100, 'and it has been measured at all');

    crowd.countMarkers('m');
    const lines = Array.from({ length: connections }, (_, n) =>
      JSON.stringify({ id: String(1_000 + n), data: 'm' }),
    );
    await fetch(`${apiUrl}/send`, { method: 'POST', body: lines.join('\n') });
    await until('each has its first message', () => crowd.markers >= connections);
    const used = await weigh();
    const more = (used.heapBytes + used.mallocBytes - after.heapBytes - after.mallocBytes) / connections;
    const moreHeap = (used.heapBytes - after.heapBytes) / connections;
    t.comment(`after its first message ${more.toFixed(0)} B more, ${moreHeap.toFixed(0)} of them heap`);
    t.ok(
      more <= afterMessageMax,
      `${more.toFixed(0)} B more after its first message, at most ${afterMessageMax}`,
    );
  });
}
