import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { ExpiringIdentity, unrestricted } from '../../access/identity.js';
import { Rules } from '../../access/rules.js';
import { secret } from '../access/tokens.js';
import { openChromium } from '../chromium.js';
import { connect } from '../conformance/mqtt-3.1.1/packet-bytes.js';
import { accepted, sendAsRoot, startFor, statsOf } from '../gateway/access/in-process.js';
import { MovedClock } from '../moved-clock.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';

/** Pages of another origin, in a real browser, whose cookie or token ends while a stream is open. */

oneProcessFile('the gateway is in this process, with a clock that the test moves');

t.setTimeout(300_000); // Chromium may have to be installed first

const browser = await openChromium();
if ('missing' in browser) {
  process.stderr.write(`\nSKIPPED: tokens were not tried in a browser. ${browser.missing}\n\n`);
  t.test('tokens of pages', { skip: browser.missing }, async () => {});
} else {
  t.teardown(() => browser.close());
  await tryPages(browser);
}

async function tryPages(browser: Browser): Promise<void> {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html><title>an application</title>');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const rules = Rules.inOrder([{ permission: 'allow', action: 'subscribe', filter: '#' }]);

  /** Tokens are `1`, `2`, …: each lasts for 1,000 s from when it is first seen. */
  async function start(t: Test, flags: Record<string, unknown> = {}) {
    const clock = new MovedClock(t);
    const seen = new Map<string, ExpiringIdentity>();
    const { running } = await startFor(
      t,
      ({ token = '' }) => {
        if (token === 'root') return accepted(unrestricted);
        if (!/^\d+$/.test(token)) return { outcome: 'unknown' };
        const identity = seen.get(token) ?? new ExpiringIdentity('alice', rules, clock.nowSec + 1_000);
        seen.set(token, identity);
        return accepted(identity);
      },
      {
        auth: 'jwt',
        authJwtSecret: secret,
        authJwtCookie: 'session',
        authExpiryNoticeSec: 300,
        allowOrigin: origin,
        ...flags,
      },
    );
    const page: Page = await browser.newPage();
    t.teardown(() => page.close());
    await page.goto(origin);
    return {
      clock,
      seen,
      page,
      url: `http://127.0.0.1:${running.port}`,
      port: running.port,
      connections: () => statsOf(running).connections,
      send: (id: string, text: string) => sendAsRoot(t, running.apiPort, id, text),
    };
  }

  t.test('an EventSource with a cookie is told, and refreshes its stream with the next cookie', async (t) => {
    const { clock, page, url, send, connections } = await start(t);
    await page.evaluate(`
      document.cookie = 'session=1; path=/';
      Object.assign(window, { got: [], ends: [], refreshed: [], asked: 1 });
      window.source = new EventSource('${url}/events/a', { withCredentials: true });
      source.onmessage = ({ data }) => got.push(data);
      source.addEventListener('expiring', async ({ data }) => {
        document.cookie = 'session=' + ++asked + '; path=/';
        const { stream } = JSON.parse(data);
        const answer = await fetch('${url}/refresh?stream=' + stream, { method: 'POST', credentials: 'include' });
        refreshed.push(answer.status);
      });
      source.addEventListener('closed', ({ data }) => ends.push(JSON.parse(data).reason));
    `);
    await page.waitForFunction('source.readyState === EventSource.OPEN');
    for (const n of [1, 2, 3]) {
      await send('a', String(n));
      await page.waitForFunction(`got.length === ${n}`);
      clock.advance(800);
      await page.waitForFunction(`refreshed.length === ${n}`);
    }
    await send('a', '4');
    await page.waitForFunction('got.length === 4');
    t.same(await page.evaluate('[got, refreshed, ends]'), [['1', '2', '3', '4'], [200, 200, 200], []]);
    t.equal(connections().opened, 1);
  });

  t.test('one that does not refresh is told why it ends, and comes back with the next cookie', async (t) => {
    const { clock, page, url, send } = await start(t);
    await page.evaluate(`
      document.cookie = 'session=1; path=/';
      Object.assign(window, { got: [], ends: [] });
      window.source = new EventSource('${url}/events/a', { withCredentials: true });
      source.onmessage = ({ data }) => got.push(data);
      source.addEventListener('closed', ({ data }) => {
        ends.push(JSON.parse(data).reason);
        document.cookie = 'session=2; path=/';
      });
    `);
    await page.waitForFunction('source.readyState === EventSource.OPEN');
    await send('a', '1');
    await page.waitForFunction('got.length === 1');
    clock.advance(1_000);
    await page.waitForFunction('ends.length === 1');
    await send('a', '2');
    await page.waitForFunction('got.length === 2');
    t.same(await page.evaluate('[got, ends]'), [['1', '2'], ['credentials-expired']]);
  });

  t.test('the client of a page refreshes its stream with the token that it is given', async (t) => {
    const { clock, seen, page, url, send, connections } = await start(t);
    await page.evaluate(`
      Object.assign(window, { got: [], lost: [], asked: 0 });
      import('${url}/client.js').then(({ connect }) => {
        window.connection = connect('${url}', 'a', {
          transport: 'sse',
          token: async () => String(++asked),
          onMessage: ({ data }) => got.push(data),
          onLost: (loss) => lost.push(loss),
        });
      });
    `);
    await page.waitForFunction(`window.connection?.state === 'open'`);
    for (const n of [1, 2, 3]) {
      await send('a', String(n));
      await page.waitForFunction(`got.length === ${n}`);
      clock.advance(800);
      await until('the stream has the next token', () => seen.has(String(n + 1)));
    }
    await send('a', '4');
    await page.waitForFunction('got.length === 4');
    t.same(await page.evaluate('[got, lost]'), [['1', '2', '3', '4'], []]);
    t.equal(connections().opened, 1);
  });

  t.test(
    'MQTT over WebSocket: the cookie of the page is enough, and that of a foreign page is not',
    async (t) => {
      const packet = JSON.stringify([...connect({ clientId: 'page' })]);
      const tried = (port: number) => `new Promise((resolve) => {
      const socket = new WebSocket('ws://127.0.0.1:${port}/mqtt', 'mqtt');
      socket.binaryType = 'arraybuffer';
      socket.onopen = () => socket.send(new Uint8Array(${packet}));
      socket.onmessage = ({ data }) => resolve([...new Uint8Array(data)]);
      socket.onerror = () => resolve('refused');
    })`;
      const ways: [string, unknown][] = [
        [origin, [0x20, 2, 0, 0]],
        ['*', [0x20, 2, 0, 5]],
        ['', 'refused'],
      ];
      for (const [mqttAllowOrigin, expected] of ways) {
        const { page, port, connections } = await start(t, { mqttAllowOrigin });
        await page.evaluate(`document.cookie = 'session=1; path=/'`);
        t.same(await page.evaluate(tried(port)), expected, mqttAllowOrigin);
        await page.close();
        await until('it has gone', () => connections().open === 0);
      }
    },
  );
}
