import t from 'tap';
import { RefusedError } from '../../client/index.js';
import { startGateway } from '../gateway-process.js';
import { cursorAt } from '../one-process.js';
import { SeededRandom } from '../seeded-random.js';
import { until } from '../until.js';
import { listen, proxied } from './client-parts.js';
import { countedTo, type Listener } from './listener.js';

/** Ids that come and go on an open connection. */

t.setTimeout(240_000);
const gateway = await startGateway();
t.teardown(() => gateway.kill());

for (const transport of ['sse', 'long-poll'] as const) {
  const id = (name: string) => `${transport}/${name}`;

  t.test(`${transport}: an id is added, and the others miss nothing by it`, async (t) => {
    const listener = await listen(t, gateway.url, id('a'), { transport }).open();
    await gateway.send(id('b'), 'before');
    let sent = 0;
    let adding = true;
    const sending = (async () => {
      while (adding || sent < 20) await gateway.send(id('a'), String(++sent));
    })();
    await listener.connection.add(id('b'));
    await gateway.send(id('b'), 'b');
    adding = false;
    await sending;
    await listener.has(sent + 1);
    t.same(
      listener.texts.filter((text) => text !== 'b'),
      countedTo(sent),
    );
    t.equal(listener.texts.filter((text) => text === 'b').length, 1);
    t.same([listener.openings, listener.recoveries, listener.losses], [1, 0, []], 'nobody is told');
    t.same(listener.connection.ids, [id('a'), id('b')]);
    t.match(listener.connection.cursor, cursorAt(sent, 2));
  });

  t.test(`${transport}: since, for an id that is added`, async (t) => {
    for (const text of countedTo(5)) await gateway.send(id('old'), text);
    const listener = await listen(t, gateway.url, id('x'), { transport }).open();
    await listener.connection.add(id('old'), { since: 'oldest' });
    await gateway.send(id('old'), '6');
    await listener.has(6);
    t.same(listener.texts, countedTo(6));
  });

  t.test(`${transport}: ids come and go at random, and nothing is lost or doubled`, async (t) => {
    const random = new SeededRandom();
    t.comment(`ENCKE_TEST_SEED=${random.seed}`);
    const proxy = await proxied(t, gateway);
    const ids = ['kept', 'b', 'c', 'd'].map((name) => id(`random/${name}`));
    const got = new Map<string, string[]>(ids.map((id) => [id, []]));
    const listener = listen(t, proxy.url, ids[0]!, {
      transport,
      onMessage: (message) => got.get(message.id)!.push(String(message.data)),
    });
    await listener.open();
    const sent = new Map<string, number>(ids.map((id) => [id, 0]));
    const present = new Map<string, number>();
    for (let n = 0; n < 250; n++) {
      const id = ids[random.below(ids.length)]!;
      sent.set(id, sent.get(id)! + 1);
      await gateway.send(id, String(sent.get(id)));
      const other = ids[1 + random.below(ids.length - 1)]!;
      if (random.chance(0.1) && !present.has(other)) {
        await listener.connection.add(other);
        present.set(other, sent.get(other)!);
        got.set(other, []);
      } else if (random.chance(0.05) && present.has(other)) {
        listener.connection.remove(other);
        present.delete(other);
      } else if (random.chance(0.01)) {
        proxy.cut();
      }
    }
    await until('all of the id that stays', () => got.get(ids[0]!)!.length >= sent.get(ids[0]!)!, 30_000);
    t.same(got.get(ids[0]!), countedTo(sent.get(ids[0]!)!));
    for (const [id, from] of present) {
      await until('all of those that are there', () => got.get(id)!.length >= sent.get(id)! - from, 30_000);
      t.same(got.get(id), countedTo(sent.get(id)!).slice(from), id);
    }
    t.same(listener.losses, []);
  });

  t.test(`${transport}: of an id that was removed nothing comes`, async (t) => {
    const listener = await listen(t, gateway.url, [id('stays'), id('goes')], { transport }).open();
    listener.connection.remove(id('goes'));
    await gateway.send(id('goes'), 'x');
    await until('the server knows', async () => (await gateway.send(id('goes'), 'x')) === 0);
    await gateway.send(id('stays'), 'y');
    await listener.has(1);
    t.same(listener.texts, ['y']);
    t.throws(() => listener.connection.remove(id('stays')), /close it instead/);
    t.same([listener.openings, listener.losses], [1, []]);
  });

  t.test(`${transport}: the only id is replaced by another one, and nothing was lost by that`, async (t) => {
    const listener = await listen(t, gateway.url, id('replaced'), { transport }).open();
    await gateway.send(id('new'), '1');
    const added = listener.connection.add(id('new'), { since: 'oldest' });
    listener.connection.remove(id('replaced'));
    await added;
    await gateway.send(id('new'), '2');
    await listener.has(2);
    t.same([listener.texts, listener.losses, listener.openings], [['1', '2'], [], 1]);
  });

  t.test(
    `${transport}: an id is removed and added again while its message is handled: it begins anew`,
    async (t) => {
      const held: (() => void)[] = [];
      const listener = listen(t, gateway.url, id('stays'), {
        transport,
        onMessage: ({ data }) => {
          listener.texts.push(String(data));
          return listener.texts.length === 3 ? new Promise<void>((resolve) => held.push(resolve)) : undefined;
        },
      });
      await listener.open();
      for (const text of countedTo(4)) await gateway.send(id('anew'), text);
      void listener.connection.add(id('anew'), { since: 'oldest' });
      await listener.has(3);
      listener.connection.remove(id('anew'));
      const added = listener.connection.add(id('anew'), { since: 'oldest' });
      held[0]!();
      await added;
      await gateway.send(id('anew'), '5');
      await listener.has(8);
      t.same(listener.texts, ['1', '2', '3', ...countedTo(5)]);
      t.same(listener.losses, []);
    },
  );

  t.test(`${transport}: an id that the server refuses is not added, and all else goes on`, async (t) => {
    const listener = await listen(t, gateway.url, id('good'), { transport }).open();
    await t.rejects(listener.connection.add([id('wild/+')]), { name: 'RefusedError', status: 400 });
    t.match(listener.errors, [RefusedError]);
    t.same(listener.connection.ids, [id('good')]);
    await gateway.send(id('good'), '1');
    await listener.has(1);
    t.equal(listener.connection.state, 'open');
  });
}

t.test('long-poll: of an id that is removed, what history no longer has is no loss', async (t) => {
  const short = await startGateway({ flags: ['--history-rules', '# 2 60'] });
  t.teardown(() => short.kill());
  const listener = listen(t, short.url, ['short/a', 'short/b'], {
    transport: 'long-poll',
    onMessage: ({ id }) => {
      listener.texts.push(id);
      // From within: the next poll is asked before there is a request without it.
      if (id === 'short/a' && listener.connection.ids.length > 1) listener.connection.remove('short/b');
    },
  });
  await listener.open();
  for (let n = 1; n <= 5; n++) {
    await short.send('short/b', String(n));
    await listener.has(n);
  }
  await short.send('short/a', '6');
  await listener.has(6);
  await until('the server knows', async () => (await short.send('short/b', 'x')) === 0);
  await short.send('short/a', '7');
  await listener.has(7);
  t.same([listener.losses, listener.openings], [[], 1]);
});

t.test('ids added while it waits are there when it is back', async (t) => {
  const proxy = await proxied(t, gateway);
  const listener: Listener = await listen(t, proxy.url, 'waits/a').open();
  proxy.refusal = { status: 503 };
  proxy.cut();
  await until('waiting', () => listener.connection.state === 'waiting');
  const added = listener.connection.add('waits/b');
  await gateway.send('waits/a', 'a');
  proxy.refusal = undefined;
  listener.connection.reconnect();
  await added;
  await gateway.send('waits/b', 'b');
  await listener.has(2);
  t.same([listener.texts.sort(), listener.losses], [['a', 'b'], []]);
});

t.test('reconnect cuts the wait, and asks anew where it is open', async (t) => {
  const proxy = await proxied(t, gateway);
  const listener = await listen(t, proxy.url, 'again').open();
  proxy.refusal = { status: 503, headers: { 'retry-after': '600' } };
  proxy.cut();
  await until('it waits for long', () => (listener.delaysMs.at(-1) ?? 0) > 600_000, 20_000);
  proxy.refusal = undefined;
  listener.connection.reconnect();
  await until('open', () => listener.openings === 2, 2_000);
  t.equal(listener.recoveries, 1);
  const asked = proxy.asked.length;
  await gateway.send('again', '1');
  await listener.has(1);
  listener.connection.reconnect();
  await until('it has asked anew', () => proxy.asked.length > asked);
  await gateway.send('again', '2');
  await listener.has(2);
  t.same([listener.texts, listener.openings, listener.recoveries], [['1', '2'], 2, 1], 'and nobody is told');
});
