import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { connect } from '../../client/index.js';
import { startGateway } from '../gateway-process.js';
import { until } from '../until.js';
import { listen, proxied } from './client-parts.js';
import { countedTo } from './listener.js';

/** Applications, servers and caches that do what they should not. */

t.setTimeout(240_000);
const gateway = await startGateway();
t.teardown(() => gateway.kill());

const onMessage = () => {};
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

t.test('an error of any callback ends no process, and a closed connection keeps none', async (t) => {
  for (const fails of ['throw new Error("thrown")', 'return Promise.reject(new Error("rejected"))']) {
    const script = `
      import { connect } from ${JSON.stringify(new URL('../../client/index.js', import.meta.url).href)};
      const fails = () => { ${fails}; };
      const connection = connect('${gateway.url}', 'process', {
        cursor: 'other:1',
        onMessage: fails, onLost: fails, onRecovered: fails, onError: fails,
        onState(state) { if (state === 'open') setTimeout(() => connection.close(), 200); return fails(); },
      });
      connect('${gateway.url}', 'bad/+', { onMessage: fails, onState: fails, onError: fails });
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'pipe' });
    t.teardown(() => child.kill('SIGKILL'));
    let told = '';
    child.stderr.on('data', (text) => {
      told += text;
    });
    const [code] = await once(child, 'exit');
    t.equal(code, 0, told);
    for (const name of ['onState', 'onLost', 'onError']) t.match(told, `encke/client: ${name} threw`);
  }
});

t.test('nothing of a closed connection stays: neither listeners at the signal nor timers', async (t) => {
  const listeners = new Set<() => void>();
  const signal = {
    aborted: false,
    addEventListener: (_: 'abort', listener: () => void) => void listeners.add(listener),
    removeEventListener: (_: 'abort', listener: () => void) => void listeners.delete(listener),
  };
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  const all = Array.from({ length: 100 }, (_, n) => connect(gateway.url, `gone/${n}`, { onMessage, signal }));
  await until('all are open', () => all.every(({ state }) => state === 'open'));
  t.equal(listeners.size, 100);
  for (const connection of all) connection.close();
  t.equal(listeners.size, 0);
  await until('no timer is left', () => timers() <= before + 5);
  await until('nor a login', async () => (await gateway.send('gone/99', 'x')) === 0);
});

t.test('closed by the callback that tells of the failure, it tells no more', async (t) => {
  const calls: string[] = [];
  const connection = connect(gateway.url, 'bad/+', {
    onMessage,
    onState(state) {
      calls.push(state);
      if (state === 'failed') connection.close();
    },
    onError: () => calls.push('onError'),
  });
  await until('failed', () => connection.state === 'failed');
  await wait(50);
  t.same(calls, ['connecting', 'failed']);
});

t.test('adding an id a second time waits as long as the first time', async (t) => {
  const proxy = await proxied(t, gateway);
  const listener = listen(t, proxy.url, 'twice/a');
  await listener.connection.add('twice/a');
  t.equal(listener.connection.state, 'open', 'of an id that it was opened with, too');
  proxy.latencyMs = 300;
  void listener.connection.add('twice/b');
  await listener.connection.add('twice/b');
  await gateway.send('twice/b', '1');
  await listener.has(1);
});

t.test('one message at a time, by whichever way it comes', async (t) => {
  for (const text of countedTo(3)) await gateway.send('backlog', text);
  let running = 0;
  let most = 0;
  const texts: string[] = [];
  const connection = connect(gateway.url, 'live', {
    async onMessage({ data }) {
      most = Math.max(most, ++running);
      texts.push(String(data));
      await wait(100);
      running--;
    },
  });
  t.teardown(() => connection.close());
  await until('open', () => connection.state === 'open');
  const added = connection.add('backlog', { since: 'oldest' });
  for (const text of countedTo(5)) {
    await gateway.send('live', `live ${text}`);
    await wait(30);
  }
  await added;
  await until('all', () => texts.length === 8);
  t.equal(most, 1);
});

t.test('SSE takes the place of polls while a promise is waited for: nothing comes twice', async (t) => {
  const proxy = await proxied(t, gateway);
  proxy.buffers = true;
  const texts: string[] = [];
  const releases: (() => void)[] = [];
  const connection = connect(proxy.url, 'overtaken', {
    greetingTimeoutMs: 300,
    retrySseMs: 500,
    onMessage: ({ data }) => {
      texts.push(String(data));
      return new Promise<void>((resolve) => releases.push(resolve));
    },
  });
  t.teardown(() => connection.close());
  await until('it polls', () => connection.state === 'open' && connection.transport === 'long-poll');
  for (const text of countedTo(3)) await gateway.send('overtaken', text);
  await until('the first', () => texts.length === 1);
  proxy.buffers = false;
  await until('SSE again', () => connection.transport === 'sse', 20_000);
  await gateway.send('overtaken', '4');
  await wait(300);
  t.same(texts, ['1'], 'one at a time');
  const releasing = setInterval(() => releases.shift()?.(), 20);
  t.teardown(() => clearInterval(releasing));
  await until('all', () => texts.length >= 4);
  await wait(300);
  t.same(texts, countedTo(4));
});

t.test('a headers function, or a fetch, that never answers holds up one attempt', async (t) => {
  const never = () => new Promise<never>(() => {});
  let asked = 0;
  const headers = () => (++asked === 1 ? never() : {});
  const options = { greetingTimeoutMs: 300 };
  await listen(t, gateway.url, 'x', { ...options, headers }).open();
  let fetched = 0;
  await listen(t, gateway.url, 'x', {
    ...options,
    fetch: (url, init) => (++fetched === 1 ? never() : fetch(url, init)),
  }).open();
});

t.test('a body that heeds no signal is cancelled', async (t) => {
  const wrapped = async (url: string, { signal: _, ...init }: RequestInit) => fetch(url, init);
  const listener = await listen(t, gateway.url, 'wrapped', { fetch: wrapped }).open();
  listener.connection.close();
  await until('logged out', async () => (await gateway.send('wrapped', 'x')) === 0, 5_000);
});

t.test('a server without heartbeats may be silent for as long as it likes', async (t) => {
  const quiet = await startGateway({ flags: ['--heartbeat-sec', '0'] });
  t.teardown(() => quiet.kill());
  const listener = await listen(t, quiet.url, 'quiet', { greetingTimeoutMs: 100 }).open();
  await wait(6_000); // the least that silence is let be, and more
  t.same([listener.connection.transport, listener.openings], ['sse', 1]);
});

t.test('a server that gives the same answer again and again is not asked in a loop', async (t) => {
  let asked = 0;
  const url = await serve(t, (_request, response) => {
    asked++;
    response.writeHead(200, { 'content-type': 'application/json' });
    const message = { id: 'x', data: 'same', time: 1, offset: 1 };
    response.end(JSON.stringify({ cursor: 'epoch:1', recovered: true, more: false, messages: [message] }));
  });
  const listener = await listen(t, url, 'x', { transport: 'long-poll' }).open();
  await wait(2_000);
  t.ok(asked <= 6, `${asked} requests in 2 s`);
  t.same(listener.texts, ['same']);
});

t.test('answers that are none are followed by a wait, each longer', async (t) => {
  const answers: ((response: ServerResponse) => void)[] = [
    (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Log in to this Wi-Fi'),
    (response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(),
    (response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('retry: 0\n\ndata: {\n\n'),
    (response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('retry: 0\n\ndata: null\n\n'),
    (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('null'),
    (response) => response.writeHead(204).end(),
    (response) => response.socket!.end('HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'),
    (response) => response.socket!.destroy(),
  ];
  for (const answer of answers) {
    let asked = 0;
    const url = await serve(t, (_request, response) => {
      asked++;
      answer(response);
    });
    for (const transport of ['sse', 'long-poll'] as const) {
      asked = 0;
      const listener = listen(t, url, 'x', { transport });
      await wait(400);
      t.ok(asked <= 8 && listener.connection.state !== 'failed', `${transport}: ${asked} requests in 0.4 s`);
      t.same([listener.texts, listener.errors], [[], []]);
      listener.connection.close();
    }
  }
});

t.test('ids with anything in them, and as long as they may be', async (t) => {
  const ids = ['a,b', 'a/b/', '/', 'ü/\u{1f680}', 'a b', '%2F', '?&=;', '\'"<>', '..', 'x'.repeat(1_024)];
  for (const transport of ['sse', 'long-poll'] as const) {
    const got: string[] = [];
    const connection = connect(gateway.url, ids, {
      transport,
      onMessage: ({ id, data }) => void got.push(`${id} ${data}`),
    });
    await until('open', () => connection.state === 'open');
    const body = ids.map((id) => JSON.stringify({ id, data: transport })).join('\n');
    await fetch(`${gateway.apiUrl}/send`, { method: 'POST', body });
    await until('all', () => got.length === ids.length);
    t.same(got.sort(), ids.map((id) => `${id} ${transport}`).sort());
    connection.close();
  }
});

async function serve(
  t: Test,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
