import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { type ConnectOptions, connect } from '../../client/index.js';
import { startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';
import { listen, proxied } from './client-parts.js';
import { countedTo } from './listener.js';

/** The options that `connect` accepts and refuses. */

oneProcessFile('what the client takes and does by itself; nothing crosses');

t.setTimeout(240_000);
const gateway = await startGateway();
t.teardown(() => gateway.kill());

const onMessage = () => {};

async function serve(
  t: Test,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

t.test('options that can never work are refused at once, with a sentence', async (t) => {
  const refused = (sentence: RegExp, url: unknown, ids: unknown, options: object = {}) =>
    t.throws(
      () => connect(url as string, ids as string, { onMessage, ...options } as ConnectOptions),
      { name: 'TypeError', message: sentence },
      String(sentence),
    );
  const { url } = gateway;
  refused(/must begin with http: or https:/, 'ftp://push.example.com', 'x');
  refused(/user or a password in it/, 'http://user:password@push.example.com', 'x');
  refused(/outside of a page it must be absolute/, '/push', 'x');
  refused(/"http:\/\/" cannot be used/, 'http://', 'x');
  refused(/cannot be used/, undefined, 'x');
  refused(/headers can never be sent: .*bad name/, url, 'x', { headers: { 'bad name': 'x' } });
  refused(/headers can never be sent/, url, 'x', { headers: { good: 'two\r\nlines' } });
  refused(/half a surrogate pair/, url, 'a\ud800');
  refused(/half a surrogate pair/, url, ['good', '\udc00b']);
  refused(/An id is a string, not 7/, url, [7]);
  refused(/transport is .* not "websocket"/, url, 'x', { transport: 'websocket' });
  refused(/since is .* not "yesterday"/, url, 'x', { since: 'yesterday' });
  refused(/since is .* not -1/, url, 'x', { since: -1 });
  refused(/onLost is a function, not 1/, url, 'x', { onLost: 1 });
  refused(/whole number of seconds, not 1\.5/, url, 'x', { pollTimeoutSec: 1.5 });
  for (const name of [
    'greetingTimeoutMs',
    'heartbeatTimeoutMs',
    'retrySseMs',
    'pollTimeoutSec',
    'requestHeadBytesMax',
  ])
    for (const value of [Number.NaN, -1, '5'])
      refused(new RegExp(`^${name} is a number that is not negative`), url, 'x', { [name]: value });
  t.equal(connect(url, '\u{1f680} good', { onMessage }).close(), undefined);
  t.equal(connect(new URL(url), 'x', { onMessage }).close(), undefined);
  t.equal(connect({ href: url }, 'x', { onMessage }).close(), undefined, 'as location is');
  refused(/cannot be used/, {}, 'x');
  refused(/cannot be used/, null, 'x');
});

t.test('Infinity, and what no timer can count, mean never', async (t) => {
  for (const never of [Number.POSITIVE_INFINITY, 2 ** 31, 1e300]) {
    const stalling = await proxied(t, gateway);
    stalling.stalls = true;
    const greeting = listen(t, stalling.url, 'never', { transport: 'sse', greetingTimeoutMs: never });
    const proxy = await proxied(t, gateway);
    const options = {
      heartbeatTimeoutMs: never,
      pollTimeoutSec: never,
      retrySseMs: never,
      greetingTimeoutMs: 100,
    };
    const stream = await listen(t, proxy.url, 'never', { ...options, greetingTimeoutMs: never }).open();
    proxy.buffers = true;
    const polls = await listen(t, proxy.url, 'never', options).open();
    await until('a poll waits', () => proxy.asked.filter((path) => path.startsWith('/poll')).length >= 2);
    t.notMatch(proxy.asked.at(-1), 'timeout', 'as long as the server likes');
    await new Promise((resolve) => setTimeout(resolve, 200)); // 1 ms would have been over by then
    t.same([greeting.connection.state, greeting.delaysMs], ['connecting', []]);
    t.same([stream.connection.state, stream.openings, stream.delaysMs], ['open', 1, []]);
    t.same([polls.connection.transport, polls.openings], ['long-poll', 1]);
    for (const { connection } of [greeting, stream, polls]) connection.close();
  }
});

t.test('headers may be a function, asked at each attempt, and once more after a 401', async (t) => {
  const tokens: (string | undefined)[] = [];
  /** Tokens are numbered; this one, and those after it, are good. */
  let least = 1;
  const target = new URL(gateway.url);
  const url = await serve(t, ({ url, headers }, response) => {
    tokens.push(headers.authorization);
    if (!(Number(headers.authorization?.replace('token ', '')) >= least)) response.writeHead(401).end('no');
    else response.writeHead(307, { location: new URL(url!, target).href }).end();
  });
  let asked = 0;
  for (const transport of ['sse', 'long-poll'] as const) {
    tokens.length = 0;
    least = asked + 2;
    const headers = async () => ({ Authorization: `token ${++asked}` });
    const listener = await listen(t, url, 'x', { transport, headers }).open();
    t.equal(tokens[1], `token ${least}`);
    t.same(listener.errors, []);
    listener.connection.close();
  }
  least = Number.POSITIVE_INFINITY;
  const before = asked;
  const refused = listen(t, url, 'x', { headers: () => ({ Authorization: `token ${++asked}` }) });
  await until('failed', () => refused.connection.state === 'failed');
  t.equal(asked - before, 2, 'twice, and then it is final');
  t.match(refused.errors, [{ name: 'RefusedError', status: 401 }]);
  const fixed = listen(t, url, 'x', { headers: { Authorization: 'token' } });
  tokens.length = 0;
  await until('failed', () => fixed.connection.state === 'failed');
  t.equal(tokens.length, 1, 'what cannot change is not asked for again');
});

t.test('a headers function that fails is asked again later', async (t) => {
  let asked = 0;
  const headers = () => {
    asked++;
    if (asked === 1) throw new Error('no token yet');
    if (asked === 2) return { 'bad name': 'x' };
    return {};
  };
  const listener = await listen(t, gateway.url, 'x', { headers }).open();
  const errors = listener.states.flatMap(([, { error }]) => error ?? []);
  t.match(errors, [
    { name: 'UnavailableError', message: /headers failed: .*no token yet/ },
    { name: 'UnavailableError', message: /headers failed: .*bad name/ },
  ]);
});

t.test('on a line of 3.5 s latency each transport opens', async (t) => {
  await Promise.all(
    (['sse', 'auto', 'long-poll'] as const).map(async (transport) => {
      const proxy = await proxied(t, gateway);
      proxy.latencyMs = 3_500;
      const listener = await listen(t, proxy.url, 'slow', { transport }).open();
      t.equal(listener.delaysMs.length, 0, transport);
      if (transport === 'auto')
        await until('SSE, too', () => listener.connection.transport === 'sse', 40_000);
    }),
  );
});

t.test('a fetch without streaming bodies polls', async (t) => {
  const asked: string[] = [];
  const withoutBodies = async (url: string, init: RequestInit) => {
    asked.push(new URL(url).pathname);
    const response = await fetch(url, init);
    const { ok, status, headers } = response;
    return { ok, status, headers, body: undefined, text: () => response.text(), json: () => response.json() };
  };
  const listener = await listen(t, gateway.url, 'bodies', { fetch: withoutBodies }).open();
  t.equal(listener.connection.transport, 'long-poll');
  await gateway.send('bodies', '1');
  await listener.has(1);
  t.same(
    asked.filter((path) => path === '/events'),
    ['/events'],
    'and SSE is not tried again',
  );
  const sse = listen(t, gateway.url, 'bodies', { fetch: withoutBodies, transport: 'sse' });
  await until('failed', () => sse.connection.state === 'failed');
  t.match(sse.errors, [{ name: 'NoStreamingError' }]);
});

t.test('closed by onState as it opens again, it is not told of the loss behind it', async (t) => {
  const bare = await startGateway({ flags: ['--history-rules', '# 0 0'] });
  t.teardown(() => bare.kill());
  for (const closes of [false, true]) {
    const proxy = await proxied(t, bare);
    const listener = listen(t, proxy.url, 'x', {
      transport: 'sse',
      onState: (state, detail) => {
        listener.states.push([state, detail]);
        if (closes && listener.openings === 2) listener.connection.close();
      },
    });
    await listener.open();
    proxy.cut();
    await until('it was open again', () => listener.openings === 2, 20_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    t.equal(listener.losses.length, closes ? 0 : 1, closes ? 'closed' : 'not closed');
  }
});

t.test('after close no callback comes, wherever it is called', async (t) => {
  for (const transport of ['sse', 'long-poll'] as const) {
    for (const place of ['onMessage', 'onState', 'onRecovered', 'outside'] as const) {
      const id = `quiet/${transport}/${place}`;
      for (let n = 0; n < 5; n++) await gateway.send(id, 'x');
      const answer = await fetch(`${gateway.url}/poll/${id}?since=2&timeout=0`);
      const epoch = answer.headers.get('encke-cursor')!.split(':')[0];
      await answer.body!.cancel();
      const calls: string[] = [];
      let closed = false;
      const callback = (name: string) => () => {
        if (closed) calls.push(name);
        if (name !== place || closed) return;
        connection.close();
        closed = true;
      };
      const connection = connect(gateway.url, id, {
        transport,
        cursor: `${epoch}:2`,
        onMessage: callback('onMessage'),
        onRecovered: callback('onRecovered'),
        onLost: callback('onLost'),
        onState: callback('onState'),
        onError: callback('onError'),
      });
      if (place === 'outside') {
        await until('open', () => connection.state === 'open');
        connection.close();
        closed = true;
      }
      await until('closed', () => closed);
      await gateway.send(id, 'later');
      await new Promise((resolve) => setTimeout(resolve, 100));
      t.same(calls, [], `${transport}, ${place}`);
    }
  }
});

t.test('signal closes it', async (t) => {
  const abort = new AbortController();
  const listener = await listen(t, gateway.url, 'signal', { signal: abort.signal }).open();
  abort.abort();
  t.equal(listener.connection.state, 'closed');
  await until('logged out', async () => (await gateway.send('signal', 'x')) === 0);
  t.equal(
    listen(t, gateway.url, 'signal', { signal: abort.signal }).connection.state,
    'closed',
    'aborted before',
  );
});

t.test('a promise of onMessage is waited for, and the cursor stays before its message', async (t) => {
  for (const transport of ['sse', 'long-poll'] as const) {
    const id = `promise/${transport}`;
    const texts: string[] = [];
    const releases: (() => void)[] = [];
    const connection = connect(gateway.url, id, {
      transport,
      heartbeatTimeoutMs: 300,
      since: 'oldest',
      onMessage: ({ data }) => {
        texts.push(String(data));
        return new Promise<void>((resolve) => releases.push(resolve));
      },
    });
    t.teardown(() => connection.close());
    for (const text of countedTo(3)) await gateway.send(id, text);
    await until('the first', () => texts.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 500)); // longer than silence would be let be
    t.same(texts, ['1'], 'one at a time');
    t.equal(connection.state, 'open', 'and its time is no silence');
    t.notMatch(connection.cursor, /:1$/);
    releases.shift()!();
    await until('the second', () => texts.length >= 2);
    t.match(connection.cursor, /:1$/);
    connection.close();
    const rest = listen(t, gateway.url, id, { transport, cursor: connection.cursor });
    await rest.has(2);
    t.same(rest.texts, ['2', '3'], 'nobody has handled these');
    releases.shift()!();
    rest.connection.close();
  }
});
