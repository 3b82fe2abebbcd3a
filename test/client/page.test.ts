import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { openChromium } from '../chromium.js';
import { type GatewayProcess, startGateway, startProcess } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';
import { HttpProxy } from './http-proxy.js';
import { countedTo } from './listener.js';

oneProcessFile('what a page does and has, and what the client makes of it; nothing crosses');

t.setTimeout(300_000); // Chromium may have to be installed first

const browser = await openChromium();
if ('missing' in browser) {
  process.stderr.write(`\nSKIPPED: the client was not tried in a page. ${browser.missing}\n\n`);
  t.test('the client in a page', { skip: browser.missing }, async () => {});
} else {
  t.teardown(() => browser.close());
  await tryPage(browser);
}

async function tryPage(browser: Browser): Promise<void> {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());

  async function openPage(t: Test, url: string): Promise<Page> {
    const page = await browser.newPage({ bypassCSP: true }); // the address stands for a page
    t.teardown(() => page.close());
    await page.goto(`${url}/numbers`);
    return page;
  }

  /** Connections of the page; what each is told is in `all[n]`. */
  async function connectMany(page: Page, count: number, optionsOf: string, base = ''): Promise<void> {
    await page.evaluate(`
      window.all = [];
      import('${base}/client.js').then(({ connect }) => {
        for (let n = 0; n < ${count}; n++) {
          const one = { got: [], lost: [], states: [], recoveries: 0, errors: [] };
          const { ids = 'many/' + n, ...options } = (${optionsOf})(n);
          one.connection = connect('${base || '/'}', ids, {
            onMessage: ({ data }) => one.got.push(data),
            onLost: (loss) => one.lost.push(loss),
            onRecovered: () => one.recoveries++,
            onState: (state, { error }) => one.states.push(error ? state + ' ' + error.name : state),
            onError: (error) => one.errors.push(error.name),
            ...options,
          });
          all.push(one);
        }
      });
    `);
    await page.waitForFunction(`window.all?.length === ${count}`);
  }

  const openStreams = async (gateway: GatewayProcess) => (await gateway.stats()).connections.open as number;

  t.test('ten connections of a page share one stream, and other requests are answered at once', async (t) => {
    const own = await startProcess();
    t.teardown(() => own.kill());
    const page = await openPage(t, own.url);
    await connectMany(page, 10, '() => ({})');
    await page.waitForFunction(`all.every(({ connection }) => connection.state === 'open')`);
    const elapsedMs = await page.evaluate(`(async () => {
      const startedMs = performance.now();
      await Promise.all([1, 2, 3].map(() => fetch('/numbers').then((answer) => answer.text())));
      return performance.now() - startedMs;
    })()`);
    t.ok(Number(elapsedMs) < 2_000, `after ${elapsedMs} ms`);
    await until('one stream', async () => (await openStreams(own)) === 1);
    for (let n = 0; n < 10; n++) for (const text of countedTo(3)) await own.send(`many/${n}`, text);
    await page.waitForFunction('all.every(({ got }) => got.length === 3)');
    t.same(
      await page.evaluate('all.map(({ got }) => got)'),
      Array(10).fill(countedTo(3)),
      'each has its own',
    );
    await page.evaluate('for (const { connection } of all.slice(1)) connection.close()');
    await until('those that have left are logged out', async () => (await own.send('many/5', 'x')) === 0);
    await own.send('many/0', '4');
    await page.waitForFunction('all[0].got.length === 4');
    t.same(
      await page.evaluate('[all[0].states, all[0].lost]'),
      [['connecting', 'open'], []],
      'nobody is told',
    );
    await page.evaluate('all[0].connection.close()');
    await until('and no stream is left', async () => (await openStreams(own)) === 0);
  });

  t.test(
    'connections that come later, with cursors and since of their own, get what is theirs',
    async (t) => {
      for (const transport of ['sse', 'long-poll']) {
        const page = await openPage(t, gateway.url);
        const id = `later/${transport}`;
        for (const text of countedTo(5)) await gateway.send(id, text);
        await connectMany(page, 1, `() => ({ ids: '${id}', transport: '${transport}' })`);
        await page.waitForFunction(`all[0].connection.state === 'open'`);
        await gateway.send(id, '6');
        await page.waitForFunction('all[0].got.length === 1');
        await page.evaluate(`import('/client.js').then(({ connect }) => {
        window.cursor = all[0].connection.cursor.replace(/:.*/, ':3');
        window.later = { oldest: [], cursor: [], bad: [] };
        const transport = '${transport}';
        connect('/', '${id}', { transport, since: 'oldest', onMessage: ({ data }) => later.oldest.push(data) });
        connect('/', '${id}', { transport, cursor, onMessage: ({ data }) => later.cursor.push(data) });
        connect('/', 'wild/#', { transport, onMessage() {}, onError: ({ name }) => later.bad.push(name) });
      })`);
        await page.waitForFunction(
          'window.later?.oldest.length === 6 && later.cursor.length === 3 && later.bad.length === 1',
        );
        await gateway.send(id, '7');
        await page.waitForFunction(
          'all[0].got.length === 2 && later.oldest.length === 7 && later.cursor.length === 4',
        );
        t.same(
          await page.evaluate(
            '[all[0].got, later.oldest, later.cursor, later.bad, all[0].lost, all[0].states]',
          ),
          [['6', '7'], countedTo(7), ['4', '5', '6', '7'], ['RefusedError'], [], ['connecting', 'open']],
          transport,
        );
        await page.close();
      }
    },
  );

  t.test('ten that cannot share wait in turn, with a word of it; each gets what is sent', async (t) => {
    const own = await startProcess();
    t.teardown(() => own.kill());
    const page = await openPage(t, own.url);
    await connectMany(page, 10, '(n) => ({ headers: { "X-Own": String(n) }, ids: "turn" })');
    await page.waitForFunction(`all.filter(({ connection }) => connection.state === 'open').length === 4`);
    await page.waitForFunction(
      `all.filter(({ states }) => states.includes('waiting CrowdedError')).length === 6`,
    );
    t.equal(await page.evaluate(`fetch('/numbers').then(({ status }) => status)`), 200);
    await own.send('turn', 'x');
    await page.waitForFunction('all.filter(({ got }) => got.length === 1).length === 4');
    await page.evaluate('for (const { connection } of all.slice(0, 4)) connection.close()');
    await page.waitForFunction(
      `all.slice(4).filter(({ connection }) => connection.state === 'open').length === 4`,
    );
    await page.waitForFunction(`all.slice(4).every(({ states }) => states.includes('open'))`, undefined, {
      timeout: 60_000,
    });
  });

  t.test('four that cannot share go back to SSE when a proxy no longer buffers', async (t) => {
    const proxy = await HttpProxy.to(gateway.url);
    t.teardown(() => proxy.close());
    const page = await openPage(t, proxy.url);
    proxy.buffers = true;
    const options = '{ headers: { "X-Own": String(n) }, greetingTimeoutMs: 300, retrySseMs: 500 }';
    await connectMany(page, 4, `(n) => (${options})`);
    const all = (transport: string) =>
      `all.every(({ connection }) => connection.state === 'open' && connection.transport === '${transport}')`;
    await page.waitForFunction(all('long-poll'));
    proxy.buffers = false;
    await page.waitForFunction(all('sse'));
    for (let n = 0; n < 4; n++) await gateway.send(`many/${n}`, 'x');
    await page.waitForFunction('all.every(({ got }) => got.length === 1)');
  });

  t.test('a thousand in a loop, mounted twice, do not hold up the page, and leave nothing', async (t) => {
    const own = await startProcess();
    t.teardown(() => own.kill());
    const page = await openPage(t, own.url);
    const elapsedMs = await page.evaluate(`import('/client.js').then(({ connect }) => {
      const startedMs = performance.now();
      const mount = (n) => connect('/', 'loop/' + n, { onMessage() {} });
      window.loop = Array.from({ length: 1_000 }, (_, n) => { mount(n).close(); return mount(n); });
      return performance.now() - startedMs;
    })`);
    t.comment(`${elapsedMs} ms`);
    t.ok(Number(elapsedMs) < 5_000, `${elapsedMs} ms`);
    await page.waitForFunction(`loop.filter(({ state }) => state === 'open').length >= 200`, undefined, {
      timeout: 60_000,
    });
    t.ok((await openStreams(own)) <= 6);
    await page.evaluate('for (const connection of loop) connection.close()');
    await until('no stream is left', async () => (await openStreams(own)) === 0);
  });

  t.test('a refused connection, and an id without history, do not affect the others', async (t) => {
    const own = await startProcess({ flags: ['--history-rules', 'private/# 0 0;# 100 60'] });
    t.teardown(() => own.kill());
    const page = await openPage(t, own.url);
    await connectMany(page, 5, `(n) => ({ ids: ['a', 'bad/+', 'c', 'private/d', 'e'][n] })`);
    await page.waitForFunction(`all[1].connection.state === 'failed'`);
    await page.waitForFunction(`all.filter(({ connection }) => connection.state === 'open').length === 4`);
    await until('all are logged in', async () => {
      const counts = await Promise.all(['a', 'c', 'private/d', 'e'].map((id) => own.send(id, 'x')));
      return counts.every((count) => count === 1);
    });
    await page.waitForFunction('[0, 2, 3, 4].every((n) => all[n].got.length > 0)');
    t.same(await page.evaluate('[0, 2, 4].map((n) => all[n].lost)'), [[], [], []]);
    t.same(await page.evaluate('all[1].errors'), ['RefusedError']);
  });

  t.test('online, and to become visible, cut the wait', async (t) => {
    const proxy = await HttpProxy.to(gateway.url);
    t.teardown(() => proxy.close());
    for (const wakes of ['online', 'visible']) {
      const page = await openPage(t, proxy.url);
      await connectMany(page, 1, `() => ({ ids: 'woken' })`);
      await page.waitForFunction(`all[0].connection.state === 'open'`);
      // The waits grow until there is one that is long.
      await page.evaluate('Math.random = () => 0.99');
      proxy.refusal = { status: 502 };
      proxy.cut();
      const waits = `all[0].states.filter((state) => state.startsWith('waiting')).length`;
      await page.waitForFunction(`${waits} >= 4`, undefined, { timeout: 60_000 });
      const startedMs = performance.now();
      proxy.refusal = undefined;
      await page.evaluate(
        wakes === 'online'
          ? `dispatchEvent(new Event('online'))`
          : `document.dispatchEvent(new Event('visibilitychange'))`,
      );
      await page.waitForFunction(`all[0].connection.state === 'open'`);
      const elapsedMs = performance.now() - startedMs;
      t.ok(elapsedMs < 3_000, `${wakes}: ${Math.round(elapsedMs)} ms, where 8 s and more were to be waited`);
      await page.close();
    }
  });

  t.test('relative URLs are those of the page: under <base href>, and in about:srcdoc', async (t) => {
    const server = createServer((_request, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.end(`<!doctype html><base href="${gateway.url}/"><title>a page</title>`);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const own = await startProcess({ flags: ['--allow-origin', origin] });
    t.teardown(() => own.kill());
    const page = await browser.newPage();
    t.teardown(() => page.close());
    await page.goto(origin);
    await page.evaluate(`document.querySelector('base').href = '${own.url}/'`);
    await connectMany(page, 1, `() => ({ ids: 'based' })`, own.url);
    await page.evaluate(`import('${own.url}/client.js').then(({ connect }) => {
      window.based = connect('/', 'based', { onMessage() {} });
    })`);
    await page.waitForFunction(`window.based?.state === 'open'`);
    await page.evaluate(`
      const frame = document.createElement('iframe');
      frame.srcdoc = '<script type="module">import { connect } from "${own.url}/client.js"; parent.framed = connect("./", "framed", { onMessage: ({ data }) => parent.heard = data });</script>';
      document.body.append(frame);
    `);
    await page.waitForFunction(`window.framed?.state === 'open'`);
    await own.send('framed', 'in the frame');
    await page.waitForFunction(`window.heard === 'in the frame'`);
  });

  t.test('an error of a callback is an uncaught error of the page', async (t) => {
    const page = await openPage(t, gateway.url);
    const errors: string[] = [];
    page.on('pageerror', ({ message }) => errors.push(message));
    await connectMany(page, 1, `() => ({ ids: 'thrown', onMessage() { throw new Error('of the page'); } })`);
    await page.waitForFunction(`all[0].connection.state === 'open'`);
    await gateway.send('thrown', 'x');
    await until('it is reported', () => errors.length === 1);
    t.same(errors, ['of the page']);
    t.equal(await page.evaluate('all[0].connection.state'), 'open');
  });
}
