import { type Delivery, type Qos, Router, Subscriber } from '../router/index.js';
import { collectGarbage } from '../test/garbage.js';

/**
 * What does a login cost the router? V8 heap after collection for 1,000,000 logins, with the ids' own strings and
 * without the subscribers, which are their owner's; and the longest single login, as tables grow in steps.
 *
 *     npm run build && node --max-old-space-size=4096 dist/bench/router-logins.js
 */

const logins = 1_000_000;

class Silent extends Subscriber {
  override deliver(): Delivery {
    return 'sent';
  }
}

const user = (n: number) => `user/${n}`;
interface Shape {
  name: string;
  subscribers: number;
  idOf: (n: number) => number;
  qos?: Qos;
  filterOf?: (id: number) => string;
}

const shapes: Shape[] = [
  { name: 'each subscriber its own id', subscribers: logins, idOf: (n: number) => n },
  { name: 'the same at QoS 1', subscribers: logins, idOf: (n: number) => n, qos: 1 },
  {
    name: 'the same with a/# at QoS 1',
    subscribers: logins,
    idOf: (n) => n,
    qos: 1,
    filterOf: (n) => `${user(n)}/#`,
  },
  { name: '2 subscribers an id', subscribers: logins, idOf: (n: number) => n >> 1 },
  { name: '10 subscribers an id', subscribers: logins, idOf: (n: number) => Math.floor(n / 10) },
  { name: 'all on one id', subscribers: logins, idOf: () => 0 },
  { name: '10 ids a subscriber', subscribers: logins / 10, idOf: (n: number) => n },
];

console.log(`Node ${process.version}, ${logins} logins`);
console.log('                             | heap B a login | ns a login | longest ms | ns a send');
for (const shape of shapes) await measure(shape);

async function measure({ name, subscribers, idOf, qos = 0, filterOf = user }: Shape): Promise<void> {
  const router = new Router({ history: { rules: [] } }); // what it keeps is another question
  await router.start();
  const crowd = Array.from({ length: subscribers }, () => new Silent());
  const before = heapBytes();
  let longestMs = 0;
  const startedMs = performance.now();
  for (let n = 0; n < logins; n++) {
    const at = performance.now();
    router.subscribe(filterOf(idOf(n)), crowd[n % subscribers]!, qos);
    longestMs = Math.max(longestMs, performance.now() - at);
  }
  const nsPerLogin = ((performance.now() - startedMs) * 1e6) / logins;
  const bytesPerLogin = (heapBytes() - before) / logins;
  const sends = name === 'all on one id' ? 20 : 200_000;
  const sendingMs = performance.now();
  for (let n = 0; n < sends; n++) router.send(user(idOf((n * 7_919) % logins)), 'x');
  const nsPerSend = ((performance.now() - sendingMs) * 1e6) / sends;
  const figures = [bytesPerLogin, nsPerLogin, longestMs, nsPerSend].map((figure) =>
    figure.toFixed(0).padStart(10),
  );
  console.log(`${name.padEnd(28)} | ${figures.join(' | ')}`);
  for (const subscriber of crowd) router.logout(subscriber);
  const { ids, logins: left } = router.stats();
  if (ids + left > 0) throw new Error(`${ids} ids and ${left} logins were left behind`);
}

function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
