import { type Delivery, Message, Router, Subscriber } from '../router/index.js';

/**
 * What do filters with wildcards cost a publish? ns from `publish` to the end of the fan-out, for 10,000 ids with a
 * subscriber each, without and with filters beside them. The message is made beforehand.
 *
 *     npm run build && node dist/bench/topic-matching.js
 */

const crowd = 10_000;
const publishes = 2_000_000;

class Silent extends Subscriber {
  override deliver(): Delivery {
    return 'sent';
  }
}

const shapes: { name: string; exact: boolean; filterOf: (n: number) => string | undefined; found: number }[] =
  [
    { name: 'no filter (the exact path)', exact: true, filterOf: () => undefined, found: 1 },
    { name: '# beside', exact: true, filterOf: (n) => (n === 0 ? '#' : undefined), found: 2 },
    { name: '10,000 that cannot match beside', exact: true, filterOf: (n) => `other/${n}/+`, found: 1 },
    { name: '10,000 of a/<n>/#, 1 matches', exact: false, filterOf: (n) => `user/${n}/#`, found: 1 },
    { name: '10,000 of a/<n>/# and an exact', exact: true, filterOf: (n) => `user/${n}/#`, found: 2 },
    { name: '10,000 of +/<n>/+, 1 matches', exact: false, filterOf: (n) => `+/${n}/+`, found: 1 },
  ];

console.log(`Node ${process.version}, ${publishes} publishes`);
for (const shape of shapes) await measure(shape);

async function measure({ name, exact, filterOf, found }: (typeof shapes)[number]): Promise<void> {
  const router = new Router({ history: { rules: [] } }); // what it keeps is another question
  await router.start();
  for (let n = 0; n < crowd; n++) {
    if (exact) router.login(`user/${n}/inbox`, new Silent());
    const filter = filterOf(n);
    if (filter !== undefined) router.subscribe(filter, new Silent(), 0);
  }
  const messages = Array.from(
    { length: crowd },
    (_, n) => new Message(`user/${n}/inbox`, Buffer.alloc(64), 0),
  );
  const run = (count: number) => {
    for (let n = 0; n < count; n++) router.publish(messages[(n * 7_919) % crowd]!);
  };
  run(100_000); // warm
  const startedMs = performance.now();
  run(publishes);
  const ns = ((performance.now() - startedMs) * 1e6) / publishes;
  const { delivered, published } = router.stats();
  if (delivered !== published * found)
    throw new Error(`${name}: ${delivered / published} a publish, not ${found}`);
  console.log(`${name.padEnd(34)} ${ns.toFixed(0).padStart(6)} ns`);
}
