import t from 'tap';
import { connect } from '../../client/index.js';
import { startGateway } from '../gateway-process.js';
import { until } from '../until.js';
import { listen, proxied } from './client-parts.js';
import { countedTo } from './listener.js';

/** Where a client goes on, or begins. */

const gateway = await startGateway();
t.teardown(() => gateway.kill());

t.test('since: the oldest, or the last few', async (t) => {
  for (let n = 1; n <= 5; n++) await gateway.send('since', String(n));
  for (const transport of ['sse', 'long-poll'] as const) {
    const all = listen(t, gateway.url, 'since', { transport, since: 'oldest' });
    await all.has(5);
    t.same(all.texts, countedTo(5));
    const last = listen(t, gateway.url, 'since', { transport, since: 2 });
    await last.has(2);
    t.same(last.texts, ['4', '5']);
    t.same([last.recoveries, last.losses], [0, []]);
  }
});

t.test('an id without history: a reconnect may have missed something, and says so', async (t) => {
  const own = await startGateway({ flags: ['--history-rules', '# 0 0'] });
  t.teardown(() => own.kill());
  const proxy = await proxied(t, own);
  const listener = await listen(t, proxy.url, 'x').open();
  t.equal(await own.send('x', '1'), 1);
  await listener.has(1);
  t.equal(listener.connection.cursor, undefined);
  proxy.cut();
  await until('open again', () => listener.openings === 2, 20_000);
  t.same(listener.losses, [{ recovered: false }]);
});

t.test('closed in the middle of what was missed, its cursor leads to all the rest', async (t) => {
  for (const transport of ['sse', 'long-poll'] as const) {
    const id = `middle/${transport}`;
    const first = await listen(t, gateway.url, id, { transport }).open();
    await gateway.send(id, 'seen');
    await first.has(1);
    first.connection.close();
    for (const text of countedTo(10)) await gateway.send(id, text);
    const texts: string[] = [];
    const connection = connect(gateway.url, id, {
      transport,
      cursor: first.connection.cursor,
      onMessage: ({ data }) => texts.push(String(data)) === 4 && connection.close(),
    });
    await until('closed', () => connection.state === 'closed');
    t.same(texts, countedTo(4));
    const rest = listen(t, gateway.url, id, { transport, cursor: connection.cursor });
    await until('the last one', () => rest.texts.at(-1) === '10');
    t.same(
      rest.texts,
      countedTo(10).slice(4),
      `${transport}: the message in which it was closed counts as handled`,
    );
    t.same(rest.losses, []);
  }
});
