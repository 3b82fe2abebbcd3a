import t from 'tap';
import { connect } from '../../client/index.js';
import { startGateway } from '../gateway-process.js';
import { until } from '../until.js';

const gateway = await startGateway();
t.teardown(() => gateway.kill());

t.test('64 ids of 50 bytes go on from their cursor', async (t) => {
  const ids = Array.from({ length: 64 }, (_, n) => `many/${n}/`.padEnd(50, 'x'));
  for (const transport of ['sse', 'long-poll'] as const) {
    const seen: string[] = [];
    const onMessage = ({ data }: { data: string | Uint8Array }) => seen.push(String(data));
    const first = connect(gateway.url, ids, { transport, onMessage });
    await until('open', () => first.state === 'open');
    await gateway.send(ids[63]!, 'one');
    await until('it came', () => seen.length === 1);
    first.close();
    await gateway.send(ids[0]!, 'two');
    let recovered = false;
    const onRecovered = () => {
      recovered = true;
    };
    const { cursor } = first;
    const second = connect(gateway.url, ids, { transport, onMessage, onRecovered, cursor });
    await until('what was missed', () => seen.length === 2);
    t.same([...seen, recovered], ['one', 'two', true], transport);
    second.close();
  }
});

t.test('a request that is too large for the server is refused at once, with its sentence', async (t) => {
  const many = Array.from({ length: 64 }, (_, n) => `${n}`.padEnd(300, 'x'));
  for (const transport of ['sse', 'long-poll'] as const) {
    const errors: Error[] = [];
    const options = { transport, requestHeadBytesMax: 30_000, onMessage: () => undefined };
    const connection = connect(gateway.url, many, { ...options, onError: (error) => errors.push(error) });
    await until('refused', () => connection.state === 'failed');
    t.match(errors, [{ name: 'RefusedError', status: 431 }], transport);
    connection.close();
  }
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

t.test('errors of callbacks end neither the process nor the connection, and are reported', async (t) => {
  const uncaught: unknown[] = [];
  const onUncaught = (error: unknown) => uncaught.push(error);
  const reported = t.capture(console, 'error');
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const others = events.map((event) => process.listeners(event as 'uncaughtException'));
  for (const event of events) process.removeAllListeners(event).on(event, onUncaught);
  t.teardown(() => {
    for (const [index, event] of events.entries()) {
      process.removeAllListeners(event);
      for (const other of others[index]!) process.on(event as 'uncaughtException', other);
    }
  });
  const seen: unknown[] = [];
  const fails = (name: string) => () => {
    throw new Error(name);
  };
  const connection = connect(gateway.url, 'throws', {
    since: 'oldest',
    onMessage: ({ data }) => {
      seen.push(data);
      if (data === '1') throw new Error('of the application');
      return Promise.reject(new Error('later'));
    },
    onState: fails('onState'),
    onRecovered: fails('onRecovered'),
    onLost: fails('onLost'),
    onError: fails('onError'),
  });
  t.teardown(() => connection.close());
  await until('open', () => connection.state === 'open');
  for (const data of ['1', '2', '3']) await gateway.send('throws', data);
  await until('all', () => seen.length === 3);
  t.equal(connection.state, 'open');
  connection.close();
  await new Promise((resolve) => setImmediate(resolve));
  t.same(uncaught, []);
  const sentences = reported().map(({ args }) => `${args[0]} ${(args[1] as Error).message}`);
  for (const name of ['onState threw onState', 'onMessage threw of the application', 'onMessage threw later'])
    t.ok(sentences.includes(`encke/client: ${name}`), name);
});

t.test('arguments without a meaning are refused at once', async (t) => {
  const onMessage = () => {};
  t.throws(() => connect(gateway.url, [], { onMessage }), /needs an id/);
  const many = Array.from({ length: 64 }, (_, n) => `${n}`.padEnd(300, 'x'));
  t.throws(() => connect(gateway.url, many, { onMessage }), /could be \d+ bytes .* connect several times/);
  t.throws(() => connect('not a url', 'x', { onMessage }), TypeError);
  t.throws(() => connect(gateway.url, 'x', {} as never), /needs an onMessage/);
});

t.test('it is importable as encke/client, and its files import nothing but each other', async (t) => {
  const { connect: exported } = await import('encke/client' as string);
  t.equal(exported, connect);
  const entry = await (await fetch(`${gateway.url}/client/index.js`)).text();
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
  await follow(entry, `${gateway.url}/client/index.js`);
  t.ok(seen.size > 10, `${seen.size} files`);
});
