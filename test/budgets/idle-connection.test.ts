import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Crowd, getRequest, type Opening } from '../crowd.js';
import { mqttSubscriber } from '../mqtt-bytes.js';
import { until } from '../until.js';
import type { Weight } from './probe.js';

/**
 * The product is what an idle connection costs, so it is pinned here. When this fails, somebody has added to
 * every connection there will ever be: take it out again, or raise the figure and say in docs/decisions why.
 */

const connections = 8_000;
/** HTTP: the handler for "writable again", see StreamWire. */
const afterMessageMax = 160;
/** The message itself in the history, and the ring of its id: two cells of 68 bytes, until they are too old. */
const historyBytes = 136;

interface Kind {
  name: string;
  opening: (n: number) => string | Opening;
  heapMax: number;
  nativeMax: number;
  /** It is over with its first message. */
  once?: boolean;
}

function waitingPoll(n: number): Opening {
  return {
    first: getRequest(`/poll/${n}?timeout=0`),
    second: Buffer.from(getRequest(`/poll/${n}?timeout=120`)),
  };
}

const kinds: Kind[] = [
  // V8 heap, native: bytes a connection, measured on Node 20 and 22 with a little air (under 60 B)
  { name: '/test/<id>', opening: (n) => getRequest(`/test/${n}`), heapMax: 290, nativeMax: 620 },
  { name: '/stream/<id>', opening: (n) => getRequest(`/stream/${n}`), heapMax: 290, nativeMax: 620 },
  { name: '/events/<id>', opening: (n) => getRequest(`/events/${n}`), heapMax: 290, nativeMax: 620 },
  // The first of two polls is answered at once, so that it is known when the second waits.
  { name: 'a waiting /poll/<id>', opening: (n) => waitingPoll(n), heapMax: 290, nativeMax: 620, once: true },
  { name: '/mqtt with a subscription', opening: (n) => mqttSubscriber(n), heapMax: 430, nativeMax: 470 },
];

for (const { name, opening, heapMax, nativeMax, once: endsWithMessage = false } of kinds) {
  t.test(`an idle connection on ${name} stays within its budget of bytes`, async (t) => {
    const probe = fork(fileURLToPath(new URL('probe.js', import.meta.url)), { execArgv: [] });
    t.teardown(() => probe.kill('SIGKILL'));
    const [{ url, apiUrl }] = (await once(probe, 'message')) as [{ url: string; apiUrl: string }];
    const crowd = new Crowd(Number(new URL(url).port));
    t.teardown(() => crowd.clear());
    const weighNow = async () => {
      probe.send('weigh');
      return ((await once(probe, 'message')) as [Weight])[0];
    };
    // What V8's compiler took for the code that has just become hot goes back in the background: up to 1 MB, late on a
    // busy machine.
    const weigh = async () => {
      let weight = await weighNow();
      for (let steady = 0, round = 0; steady < 3 && round < 40; round++) {
        await pause(250);
        const next = await weighNow();
        steady = Math.abs(next.mallocBytes - weight.mallocBytes) < connections ? steady + 1 : 0;
        weight = next;
      }
      return weight;
    };
    const loggedIn = (count: number) =>
      until('all are logged in', async () => {
        const stats = (await (await fetch(`${apiUrl}/stats`)).json()) as { router: { logins: number } };
        return stats.router.logins === count;
      });
    const sendToEach = (from: number, count: number) => {
      const lines = Array.from({ length: count }, (_, n) => JSON.stringify({ id: `${from + n}`, data: '~' }));
      return fetch(`${apiUrl}/send`, { method: 'POST', body: lines.join('\n') });
    };
    // The first thousand pay for what is made once; the columns and the Map grow in steps that 8,000 more average out.
    await crowd.add(1_000, opening);
    await loggedIn(1_000);
    // V8's compiled code of the first messages belongs to no connection: up to 1 MB.
    crowd.countMarkers('~');
    for (let round = 1; round <= (endsWithMessage ? 0 : 20); round++) {
      await sendToEach(0, 1_000);
      await until('each has its message', () => crowd.markers >= round * 1_000);
    }
    const before = await weigh();
    await crowd.add(connections, (n) => opening(1_000 + n));
    await loggedIn(connections + 1_000);
    const after = await weigh();
    const heap = (after.heapBytes - before.heapBytes) / connections;
    const native = (after.mallocBytes - before.mallocBytes) / connections;
    t.comment(
      `V8 heap ${heap.toFixed(0)} B, native ${native.toFixed(0)} B, together ${(heap + native).toFixed(0)} B`,
    );
    t.ok(heap <= heapMax, `V8 heap: ${heap.toFixed(0)} B a connection, at most ${heapMax}`);
    t.ok(native <= nativeMax, `native memory: ${native.toFixed(0)} B a connection, at most ${nativeMax}`);
    t.ok(heap > 50 && native > 100, 'and it has been measured at all');
    if (endsWithMessage) return;

    const seen = crowd.markers;
    await sendToEach(1_000, connections);
    await until('each has its first message', () => crowd.markers >= seen + connections);
    const used = await weigh();
    const more = (used.heapBytes + used.mallocBytes - after.heapBytes - after.mallocBytes) / connections;
    const moreHeap = (used.heapBytes - after.heapBytes) / connections;
    t.comment(`after its first message ${more.toFixed(0)} B more, ${moreHeap.toFixed(0)} of them heap`);
    t.ok(
      more <= afterMessageMax + historyBytes,
      `${more.toFixed(0)} B more after its first message, at most ${afterMessageMax + historyBytes}`,
    );
  });
}
