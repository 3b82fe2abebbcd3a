import t, { type Test } from 'tap';
import { connect } from '../../client/index.js';
import { startGateway } from '../gateway-process.js';
import { SeededRandom } from '../seeded-random.js';
import { until } from '../until.js';
import { HttpProxy } from './http-proxy.js';
import { countedTo, Listener } from './listener.js';

t.setTimeout(120_000);
const gateway = await startGateway();
t.teardown(() => gateway.kill());

async function proxied(t: Test): Promise<HttpProxy> {
  const proxy = await HttpProxy.to(gateway.url);
  t.teardown(() => proxy.close());
  return proxy;
}

function listen(t: Test, ...given: ConstructorParameters<typeof Listener>): Listener {
  const listener = new Listener(...given);
  t.teardown(() => listener.connection.close());
  return listener;
}

for (const transport of ['sse', 'long-poll'] as const) {
  t.test(`${transport}: text, bytes, several ids, their times and cursors`, async (t) => {
    const id = (name: string) => `${transport}/${name} ü&=%?`;
    const ids = [id('a'), id('b'), id('a')];
    const got: Parameters<Parameters<typeof connect>[2]['onMessage']>[0][] = [];
    const connection = connect(`${gateway.url}/`, ids, {
      transport,
      onMessage: (message) => got.push(message),
    });
    t.teardown(() => connection.close());
    t.equal(connection.state, 'connecting');
    await until('open', () => connection.state === 'open');
    const bodies = ['Hello', 'two\r\nlines\n', '', '\u{1f680}\0', 'data: x\n\n'];
    for (const body of bodies) await gateway.send(encodeURIComponent(ids[0]!), body);
    await gateway.send(encodeURIComponent(ids[1]!), new Uint8Array([0xff, 0, 1]));
    await until('all are there', () => got.length === bodies.length + 1);
    t.same(
      got.map(({ id, data }) => [id, data]),
      [...bodies.map((body) => [ids[0], body]), [ids[1], new Uint8Array([0xff, 0, 1])]],
    );
    t.type(got.at(-1)!.data, Uint8Array);
    for (const { time } of got) t.ok(Math.abs(time - Date.now()) < 30_000);
    t.equal(connection.cursor, got.at(-1)!.cursor);
    t.match(connection.cursor, /^\w+:5,1$/);
    t.equal(connection.transport, transport);
  });

  t.test(
    `${transport}: nothing is lost or doubled while the connection is cut again and again`,
    async (t) => {
      const proxy = await proxied(t);
      const random = new SeededRandom();
      t.comment(`ENCKE_TEST_SEED=${random.seed}`);
      const ids = [`${transport}/cut/a`, `${transport}/cut/b`];
      const listener = await listen(t, proxy.url, ids, { transport }).open();
      let sent = 0;
      let cuts = 0;
      // The pauses of the client are seconds: this goes on until it has come back a few times.
      while (listener.openings < 4) {
        await gateway.send(ids[sent % 2]!, String(++sent));
        if (listener.connection.state === 'open' && random.chance(0.05)) cuts += proxy.cut();
        await new Promise((resolve) => setTimeout(resolve, random.below(120)));
      }
      await listener.has(sent);
      t.ok(cuts >= 3, `${cuts} cuts, ${sent} messages`);
      t.same(listener.texts, countedTo(sent));
      t.equal(listener.recoveries, listener.openings - 1);
      t.same(listener.losses, []);
    },
  );

  t.test(`${transport}: a resume past the history is announced`, async (t) => {
    const proxy = await proxied(t);
    const id = `${transport}/past`;
    const listener = await listen(t, proxy.url, id, { transport }).open();
    await gateway.send(id, 'seen');
    await listener.has(1);
    proxy.refusal = { status: 503 };
    proxy.cut();
    await until('waiting', () => listener.connection.state === 'waiting');
    for (let n = 1; n <= 150; n++) await gateway.send(id, String(n));
    proxy.refusal = undefined;
    await listener.has(101);
    t.same(listener.texts, ['seen', ...countedTo(150).slice(50)], 'what is left, in order');
    t.same(listener.losses, [{ recovered: false }]);
    t.equal(listener.recoveries, 0);
  });

  t.test(`${transport}: over a restart on the same port the loss is announced, and it goes on`, async (t) => {
    const flags = (port = 0) => ['--port', String(port), '--drain-sec', '0'];
    let own = await startGateway({ flags: flags() });
    t.teardown(() => own.kill());
    const { url, port } = own;
    const listener = await listen(t, url, 'x', { transport }).open();
    await own.send('x', '1');
    await listener.has(1);
    await own.kill('SIGTERM');
    await until('waiting', () => listener.connection.state === 'waiting');
    own = await startGateway({ flags: flags(port) });
    await own.send('x', '2');
    await until('open again', () => listener.openings === 2, 20_000);
    await own.send('x', '3');
    await listener.has(3);
    t.same(listener.texts, countedTo(3));
    t.same(listener.losses, [{ recovered: false }]);
  });

  t.test(`${transport}: what can never be answered ends it, with the server's own sentence`, async (t) => {
    for (const [ids, options, sentence] of [
      ['a/+', {}, /400: .*wildcards/],
      [['a', 'b'], { cursor: 'x:1' }, /400: .*one offset for each id/],
      ['a', { cursor: 'nonsense' }, /400: .*epoch:offset/],
    ] as const) {
      const listener = listen(t, gateway.url, ids, { ...options, transport });
      await until('failed', () => listener.connection.state === 'failed');
      t.match(listener.errors, [{ name: 'RefusedError', status: 400, message: sentence }]);
      t.equal(listener.delaysMs.length, 0, 'without another attempt');
    }
  });

  t.test(`${transport}: 429 and 503 are waited for, as long as Retry-After says`, async (t) => {
    for (const status of [429, 503]) {
      const proxy = await proxied(t);
      proxy.refusal = { status, headers: { 'retry-after': '1' } };
      const listener = listen(t, proxy.url, 'later', { transport });
      await until('waiting', () => listener.connection.state === 'waiting');
      proxy.refusal = undefined;
      await listener.open();
      const [first, second] = proxy.askedAtMs;
      t.ok(second! - first! >= 990, `${status}: came back after ${second! - first!} ms`);
      t.ok(listener.delaysMs[0]! >= 1_000 && listener.delaysMs[0]! <= 2_000);
      listener.connection.close();
    }
  });
}

t.test(
  'auto: a proxy that buffers is found by its silence; polls go on from there, and nothing is lost',
  async (t) => {
    const proxy = await proxied(t);
    const id = 'auto/buffered';
    const listener = listen(t, proxy.url, id, { greetingTimeoutMs: 300, retrySseMs: 1_000 });
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
  const proxy = await proxied(t);
  proxy.refusal = { status: 502 };
  const listener = listen(t, proxy.url, 'x');
  await until('waiting', () => listener.connection.state === 'waiting');
  t.equal(listener.connection.transport, 'sse');
  t.match(listener.states.at(-1)![1].error!.message, /502/);
});

t.test('sse: heartbeats that stay away mean a dead connection', async (t) => {
  const proxy = await proxied(t);
  const listener = await listen(t, proxy.url, 'dead', { heartbeatTimeoutMs: 500 }).open();
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

t.test('a cursor is remembered for the same ids, and a bad one is forgotten and told', async (t) => {
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
  const options = { storage, remember: 'key' };
  const first = await listen(t, gateway.url, 'kept', options).open();
  await gateway.send('kept', '1');
  await first.has(1);
  first.connection.close();
  await gateway.send('kept', '2');
  const second = listen(t, gateway.url, 'kept', options);
  await second.has(1);
  t.same([second.texts, second.recoveries, second.losses], [['2'], 1, []]);
  second.connection.close();
  const other = await listen(t, gateway.url, ['kept', 'other'], options).open();
  t.same([other.recoveries, other.losses], [0, []], 'other ids begin anew');
  other.connection.close();
  for (const [key, value] of kept) kept.set(key, value.replace(/"cursor":"[^"]*"/, '"cursor":"!"'));
  const bad = await listen(t, gateway.url, ['kept', 'other'], options).open();
  t.same(bad.losses, [{ recovered: false }]);
  t.same(bad.errors, []);
});

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
  const proxy = await HttpProxy.to(own.url);
  t.teardown(() => proxy.close());
  const listener = await listen(t, proxy.url, 'x').open();
  t.equal(await own.send('x', '1'), 1);
  await listener.has(1);
  t.equal(listener.connection.cursor, undefined);
  proxy.cut();
  await until('open again', () => listener.openings === 2, 20_000);
  t.same(listener.losses, [{ recovered: false }]);
});

t.test('after close nothing comes, and the server knows', async (t) => {
  for (const transport of ['sse', 'long-poll'] as const) {
    const id = `closed/${transport}`;
    let count = 0;
    const connection = connect(gateway.url, id, {
      transport,
      since: 'oldest',
      onMessage: () => {
        count++;
        connection.close();
      },
    });
    for (let n = 0; n < 10; n++) await gateway.send(id, 'x');
    await until('closed', () => connection.state === 'closed');
    await until('logged out', async () => (await gateway.send(id, 'x')) === 0);
    t.equal(count, 1, transport);
    connection.close();
  }
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
    // The message in which it was closed counts as handled; long-poll's cursor is that before the answer.
    t.same(rest.texts, transport === 'sse' ? countedTo(10).slice(4) : countedTo(10), transport);
    t.same(rest.losses, []);
  }
});

t.test('what a callback throws is uncaught, as in EventSource, and the connection goes on', async (t) => {
  const thrown: unknown[] = [];
  const onUncaught = (error: unknown) => thrown.push(error);
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', onUncaught);
  t.teardown(() => {
    process.off('uncaughtException', onUncaught);
    for (const other of others) process.on('uncaughtException', other);
  });
  const seen: unknown[] = [];
  const connection = connect(gateway.url, 'throws', {
    onMessage: ({ data }) => {
      seen.push(data);
      throw new Error('of the application');
    },
  });
  t.teardown(() => connection.close());
  await until('open', () => connection.state === 'open');
  for (const data of ['1', '2']) await gateway.send('throws', data);
  await until('both', () => seen.length === 2 && thrown.length === 2);
  t.equal(connection.state, 'open');
});

t.test('what cannot be meant is refused at once', async (t) => {
  const onMessage = () => {};
  t.throws(() => connect(gateway.url, [], { onMessage }), /needs an id/);
  t.throws(() => connect('not a url', 'x', { onMessage }), TypeError);
  t.throws(() => connect(gateway.url, 'x', {} as never), /needs an onMessage/);
});

t.test('it is importable as encke/client, and its files import nothing but each other', async (t) => {
  const { connect: exported } = await import('encke/client' as string);
  t.equal(exported, connect);
  const entry = await (await fetch(`${gateway.url}/client.js`)).text();
  const seen = new Set<string>();
  const follow = async (source: string, base: string) => {
    for (const [, target] of source.matchAll(/(?:from|import)\s*\(?['"]([^'"]+)['"]/g)) {
      const { href } = new URL(target!, base);
      t.ok(target!.startsWith('./'), target!);
      if (seen.has(href)) continue;
      seen.add(href);
      const response = await fetch(href);
      t.match(response.headers.get('content-type'), /^text\/javascript/, href);
      await follow(await response.text(), href);
    }
  };
  await follow(entry, `${gateway.url}/client.js`);
  t.ok(seen.size > 10, `${seen.size} files`);
});
