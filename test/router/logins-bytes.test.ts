import t from 'tap';
import { type Qos, Router } from '../../router/index.js';
import { collectGarbage } from '../garbage.js';
import { Inbox } from './inbox.js';

/**
 * The counted bytes of logins and filters are at least those in V8's heap, and not many times as many. All of them are
 * freed.
 */

function heapBytes(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

interface Shape {
  name: string;
  subscribers: number;
  each: number;
  filterOf: (n: number) => string;
  qos?: Qos;
  /** How many times the heap the count may be. */
  times: number;
}

const deep = (n: number, levels: number) => `${n}/${`${n}/`.repeat(levels - 2)}+`;

const shapes: Shape[] = [
  {
    name: 'one id each, as HTTP streams have',
    subscribers: 20_000,
    each: 1,
    filterOf: (n) => `user/${n}`,
    times: 4,
  },
  {
    name: 'one id each at QoS 1',
    subscribers: 20_000,
    each: 1,
    filterOf: (n) => `user/${n}`,
    qos: 1,
    times: 4,
  },
  {
    name: 'ids of 1,000 bytes',
    subscribers: 5_000,
    each: 1,
    filterOf: (n) => `${n}`.padEnd(1_000, 'x'),
    times: 3,
  },
  {
    name: 'ids beyond Latin-1',
    subscribers: 5_000,
    each: 1,
    filterOf: (n) => `${n}`.padEnd(300, '京'),
    times: 3,
  },
  { name: '64 ids each', subscribers: 1_000, each: 64, filterOf: (n) => `user/${n}`, times: 4 },
  { name: 'all on 10 ids', subscribers: 20_000, each: 1, filterOf: (n) => `user/${n % 10}`, times: 5 },
  {
    name: '5 on each of 4,000 ids',
    subscribers: 20_000,
    each: 1,
    filterOf: (n) => `u/${n % 4_000}`,
    times: 5,
  },
  {
    name: '17 on each of 1,000 ids at QoS 1',
    subscribers: 17_000,
    each: 1,
    filterOf: (n) => `u/${n % 1_000}`,
    qos: 1,
    times: 5,
  },
  {
    name: 'filters of 32 levels',
    subscribers: 4,
    each: 2_500,
    filterOf: (n) => deep(n, 32),
    qos: 1,
    times: 2,
  },
  {
    name: 'filters of 3 levels',
    subscribers: 10,
    each: 5_000,
    filterOf: (n) => `a/${n}/+`,
    qos: 1,
    times: 3,
  },
  {
    name: 'two siblings everywhere',
    subscribers: 10,
    each: 5_000,
    filterOf: (n) => `a/${n >> 1}/${n % 2}/#`,
    times: 3,
  },
  {
    name: 'filters that share no level',
    subscribers: 10,
    each: 5_000,
    filterOf: (n) => `${n}/+/${n}`,
    times: 3,
  },
];

for (const { name, subscribers, each, filterOf, qos = 0, times } of shapes) {
  t.test(`${name}: counted as at least what the heap has, and given back`, async (t) => {
    const router = new Router({ history: { rules: [] } });
    await router.start();
    const inboxes = Array.from({ length: subscribers }, () => new Inbox());
    const before = heapBytes();
    for (const [at, inbox] of inboxes.entries()) {
      // As from a packet: a string of its own.
      for (let n = 0; n < each; n++)
        router.subscribe(Buffer.from(filterOf(at * each + n)).toString(), inbox, qos);
    }
    const heap = heapBytes() - before;
    const counted = router.loginsBytes;
    const logins = subscribers * each;
    t.comment(
      `${(heap / logins).toFixed(0)} B a login in the heap, counted ${(counted / logins).toFixed(0)}`,
    );
    t.ok(heap > 0 && counted >= heap, `counted ${counted}, in the heap ${heap}`);
    t.ok(counted <= heap * times, `${(counted / heap).toFixed(1)} times the heap, at most ${times}`);
    for (const [at, inbox] of inboxes.entries()) {
      if (at % 2 === 0) router.logout(inbox);
      else for (let n = 0; n < each; n++) router.unsubscribe(filterOf(at * each + n), inbox);
    }
    t.equal(router.loginsBytes, 0);
    t.equal(router.stats().loginsBytes, 0);
  });
}

t.test('where three of four have gone, what is left is still counted as what the heap has', async (t) => {
  const router = new Router({ history: { rules: [] } });
  await router.start();
  const inboxes = Array.from({ length: 40_000 }, () => new Inbox());
  const before = heapBytes();
  for (const [n, inbox] of inboxes.entries()) {
    router.subscribe(`user/${n}`, inbox, 0);
    router.subscribe(`a/${n >> 3}/${n % 8}/+`, inbox, 0);
  }
  for (const [n, inbox] of inboxes.entries()) if (n % 8 > 1) router.logout(inbox);
  const heap = heapBytes() - before;
  t.ok(router.loginsBytes >= heap, `counted ${router.loginsBytes}, in the heap ${heap}`);
});

t.test('subscribing again, at another QoS or not, counts once', async (t) => {
  const router = new Router();
  const inbox = new Inbox();
  router.subscribe('a/+', inbox, 0);
  const once = router.loginsBytes;
  router.subscribe('a/+', inbox, 2);
  router.subscribe('a/+', inbox, 0);
  t.equal(router.loginsBytes, once);
  router.unsubscribe('a/+', inbox);
  t.equal(router.loginsBytes, 0);
});
