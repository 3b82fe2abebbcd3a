import t from 'tap';
import { startGateway } from '../gateway-process.js';
import { until } from '../until.js';
import { listen } from './client-parts.js';

/** The places that are kept over a reload of the page. */

const gateway = await startGateway();
t.teardown(() => gateway.kill());

function memory() {
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
  return { kept, options: { storage, remember: 'key' } };
}

const nothing = { texts: [], recoveries: 0, losses: [] };

t.test('the ids may come in another order, and others beside them', async (t) => {
  const { options } = memory();
  const first = await listen(t, gateway.url, ['order/a', 'order/b'], options).open();
  await gateway.send('order/a', 'a1');
  await gateway.send('order/b', 'b1');
  await first.has(2);
  first.connection.close();
  await gateway.send('order/b', 'b2');
  const turned = listen(t, gateway.url, ['order/b', 'order/a'], options);
  await turned.has(1);
  t.match(turned, { texts: ['b2'], recoveries: 1, losses: [] }, 'in another order');
  turned.connection.close();
  await gateway.send('order/a', 'a2');
  await gateway.send('order/c', 'not yet asked for');
  const more = await listen(t, gateway.url, ['order/c', 'order/a', 'order/b'], options).open();
  await gateway.send('order/c', 'c2');
  await more.has(2);
  t.match(more, { texts: ['a2', 'c2'], recoveries: 1, losses: [] }, 'with one more, which begins now');
  more.connection.close();
  await gateway.send('order/a', 'a3');
  const fewer = listen(t, gateway.url, 'order/a', options);
  await fewer.has(1);
  t.match(fewer, { texts: ['a3'], recoveries: 1, losses: [] }, 'with fewer');
});

t.test('two connections may share a key', async (t) => {
  const { options } = memory();
  const open = async () => [
    await listen(t, gateway.url, 'two/a', options).open(),
    await listen(t, gateway.url, ['two/b', 'two/both'], options).open(),
  ];
  const [one, other] = await open();
  await gateway.send('two/a', 'a1');
  await gateway.send('two/b', 'b1');
  await one!.has(1);
  await other!.has(1);
  for (const listener of [one, other]) listener!.connection.close();
  await gateway.send('two/b', 'b2');
  await gateway.send('two/a', 'a2');
  const [again, otherAgain] = await open();
  await again!.has(1);
  await otherAgain!.has(1);
  t.match(again, { texts: ['a2'], recoveries: 1, losses: [] });
  t.match(otherAgain, { texts: ['b2'], recoveries: 1, losses: [] });
});

t.test('of two that have an id in common, the place of the slower one is kept', async (t) => {
  const { options } = memory();
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const fast = await listen(t, gateway.url, 'slower', options).open();
  const slow = await listen(t, gateway.url, 'slower', { ...options, onMessage: () => held }).open();
  await gateway.send('slower', '1');
  await gateway.send('slower', '2');
  await fast.has(2);
  fast.connection.close();
  slow.connection.close();
  release();
  const next = listen(t, gateway.url, 'slower', options);
  await next.has(1);
  t.not(next.texts[0], undefined);
  t.same(next.losses, []);
});

t.test('one that cannot be read is a loss, and is told once', async (t) => {
  const { kept, options } = memory();
  const first = await listen(t, gateway.url, 'bad', options).open();
  await gateway.send('bad', '1');
  await first.has(1);
  first.connection.close();
  const good = kept.get('key')!;
  t.match(good, /"bad":"[\w-]+:\d+"/);
  const ofFirstRelease = JSON.stringify({ owner: JSON.stringify([gateway.url, 'bad']), cursor: 'epoch:1' });
  const withoutIds = good.replace(/\{"bad":"[^"]*"\}/, 'null');
  t.not(withoutIds, good);
  for (const bad of [
    good.replace(/"bad":"[^"]*"/, '"bad":"!"'),
    'no JSON',
    '[]',
    'null',
    ofFirstRelease,
    withoutIds,
  ]) {
    kept.set('key', bad);
    const listener = await listen(t, gateway.url, 'bad', options).open();
    await gateway.send('bad', 'new');
    await listener.has(1);
    t.match(listener, { texts: ['new'], recoveries: 0, losses: [{ recovered: false }] }, bad);
    t.same(listener.errors, []);
    listener.connection.close();
  }
});

t.test('one that a server answers 400 is forgotten, and told', async (t) => {
  const { kept, options } = memory();
  const url = new URL(gateway.url).href;
  kept.set('key', JSON.stringify({ [url]: { forgotten: 'other_server:9999999999999999999' } }));
  const listener = await listen(t, gateway.url, 'forgotten', options).open();
  t.match(listener, { ...nothing, losses: [{ recovered: false }], errors: [] });
});

t.test('of another epoch, one id alone: the other goes on from its place', async (t) => {
  const { kept, options } = memory();
  const first = await listen(t, gateway.url, ['epoch/a', 'epoch/b'], options).open();
  await gateway.send('epoch/a', 'a1');
  await first.has(1);
  first.connection.close();
  kept.set('key', kept.get('key')!.replace(/"epoch\/b":"[^"]*"/, '"epoch/b":"otherone:7"'));
  await gateway.send('epoch/a', 'a2');
  await gateway.send('epoch/b', 'b1');
  const listener = listen(t, gateway.url, ['epoch/a', 'epoch/b'], options);
  await listener.has(2);
  await until('told', () => listener.losses.length === 1);
  t.same([...listener.texts].sort(), ['a2', 'b1'], 'what is left of the other comes as well');
  await gateway.send('epoch/b', 'b2');
  await listener.has(3);
  t.same(listener.losses.length, 1);
});
