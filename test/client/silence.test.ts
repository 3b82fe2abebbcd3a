import { spawnSync } from 'node:child_process';
import t from 'tap';
import { startGateway, startProcess } from '../gateway-process.js';
import { until } from '../until.js';
import { listen, proxied } from './client-parts.js';
import { countedTo } from './listener.js';

/** An event stream that says nothing: a proxy keeps it back, or it is dead, or nothing was sent. */

t.setTimeout(240_000);
const gateway = await startGateway();
t.teardown(() => gateway.kill());

t.test(
  'auto: a proxy that buffers is found by its silence; polls go on from there, and nothing is lost',
  async (t) => {
    const proxy = await proxied(t, gateway);
    const id = 'auto/buffered';
    const listener = listen(t, proxy.url, id, { greetingTimeoutMs: 2_000, retrySseMs: 4_000 });
    await listener.open();
    t.equal(listener.connection.transport, 'sse');
    let sent = 0;
    const send = async (count: number) => {
      for (const end = sent + count; sent < end; ) await gateway.send(id, String(++sent));
    };
    await send(20);
    proxy.buffers = true;
    proxy.cut();
    await send(20);
    await until(
      'polls',
      () => listener.connection.transport === 'long-poll' && listener.openings === 2,
      20_000,
    );
    await send(20);
    await listener.has(60);
    t.equal(listener.connection.transport, 'long-poll');
    proxy.buffers = false;
    // SSE is tried between two polls, so a message has to come.
    await until(
      'SSE again',
      async () => {
        await send(1);
        return listener.connection.transport === 'sse' && listener.connection.state === 'open';
      },
      20_000,
    );
    await send(20);
    await listener.has(sent);
    t.same(listener.texts, countedTo(sent));
    t.same(listener.losses, []);
  },
);

t.test('auto: where nothing answers, it stays with SSE and waits', async (t) => {
  const proxy = await proxied(t, gateway);
  proxy.refusal = { status: 502 };
  const listener = listen(t, proxy.url, 'x');
  await until('waiting', () => listener.connection.state === 'waiting');
  t.equal(listener.connection.transport, 'sse');
  t.match(listener.states.at(-1)![1].error!.message, /502/);
});

t.test('sse: heartbeats that stay away mean a dead connection', async (t) => {
  const proxy = await proxied(t, gateway);
  const listener = await listen(t, proxy.url, 'dead', { transport: 'sse', heartbeatTimeoutMs: 500 }).open();
  proxy.stalls = true;
  await gateway.send('dead', '1');
  await until('it is given up', () => listener.connection.state === 'waiting');
  t.equal(listener.states.at(-1)![1].error!.name, 'SilenceError');
  proxy.stalls = false;
  await listener.has(1);
  t.equal(listener.recoveries, 1);
});

t.test('sse: heartbeats keep a silent stream open', async (t) => {
  const own = await startGateway({ flags: ['--heartbeat-sec', '1'] });
  t.teardown(() => own.kill());
  const listener = await listen(t, own.url, 'silent', { heartbeatTimeoutMs: 2_500 }).open();
  await until('some heartbeats', async () => (await own.stats()).messages.heartbeats >= 5, 20_000).catch(
    async () => {
      t.comment(JSON.stringify(await own.stats()));
      throw new Error('no heartbeats in /stats');
    },
  );
  t.equal(listener.openings, 1);
  t.equal(listener.connection.state, 'open');
});

t.test('a process that stood still reads what has come before it believes in silence', async (t) => {
  const gateway = await startProcess({ flags: ['--heartbeat-sec', '1'] });
  t.teardown(() => gateway.kill());
  for (const transport of ['sse', 'long-poll'] as const) {
    const listener = await listen(t, gateway.url, 'stood', { transport, heartbeatTimeoutMs: 1_500 }).open();
    const { openings } = listener;
    const post = ['-s', '-d', transport, `${gateway.apiUrl}/send/stood`];
    t.equal(spawnSync('sh', ['-c', `sleep 2; curl ${post.join(' ')}`]).status, 0, 'it stood still');
    await listener.has(1);
    t.equal(listener.openings, openings, `${transport}: over the same connection`);
    t.same(listener.delaysMs, []);
    t.same([listener.losses, listener.recoveries], [[], 0]);
    listener.connection.close();
  }
});
