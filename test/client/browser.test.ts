import type { Browser, Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { openChromium } from '../chromium.js';
import { type GatewayProcess, startGateway } from '../gateway-process.js';
import { until } from '../until.js';
import { HttpProxy } from './http-proxy.js';
import { countedTo } from './listener.js';

t.setTimeout(300_000); // Chromium may have to be installed first

const browser = await openChromium();
if ('missing' in browser) {
  process.stderr.write(`\nSKIPPED: the client was not tried in a browser. ${browser.missing}\n\n`);
  t.test('the client in a browser', { skip: browser.missing }, async () => {});
} else {
  t.teardown(() => browser.close());
  await tryClient(browser);
}

/** An address of the gateway that does nothing by itself; it stands for a page, so its policy, which allows nothing, is left out. */
async function openPage(t: Test, browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage({ bypassCSP: true });
  t.teardown(() => page.close());
  await page.goto(`${url}/numbers`);
  return page;
}

/** Listens in the page with the client; what it is told is in `got`, `lost` and `recoveries`. */
async function listenWithClient(page: Page, id: string, options: object = {}): Promise<void> {
  await page.evaluate(`
    Object.assign(window, { got: [], lost: [], recoveries: 0 });
    import('/client.js').then(({ connect }) => {
      window.connection = connect('/', ${JSON.stringify(id)}, {
        ...${JSON.stringify(options)},
        onMessage: ({ data }) => got.push(data),
        onLost: (loss) => lost.push(loss),
        onRecovered: () => recoveries++,
      });
    });
  `);
  await page.waitForFunction(`window.connection?.state === 'open'`);
}

/** Listens in the page with the browser's own EventSource. */
async function listenWithEventSource(page: Page, id: string): Promise<void> {
  await page.evaluate(`
    Object.assign(window, { got: [], recovered: [], source: new EventSource('/events/${id}') });
    source.onmessage = ({ data }) => got.push(data);
    source.addEventListener('recovered', ({ data }) => recovered.push(JSON.parse(data).recovered));
  `);
  await page.waitForFunction('source.readyState === EventSource.OPEN');
}

async function restart(gateway: GatewayProcess): Promise<GatewayProcess> {
  const { port, apiPort } = gateway;
  await gateway.kill('SIGTERM');
  return startGateway({ flags: ['--port', String(port), '--api-port', String(apiPort), '--drain-sec', '0'] });
}

async function tryClient(browser: Browser): Promise<void> {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());

  t.test('a server restart on the same port: EventSource comes back, is told, and goes on', async (t) => {
    let own = await startGateway({ flags: ['--drain-sec', '0'] });
    t.teardown(() => own.kill());
    const page = await openPage(t, browser, own.url);
    await listenWithEventSource(page, 'x');
    await own.send('x', '1');
    await page.waitForFunction('got.length === 1');
    own = await restart(own);
    await own.send('x', '2');
    await page.waitForFunction('recovered.length === 1 && got.length === 2');
    await own.send('x', '3');
    await page.waitForFunction('got.length === 3');
    t.same(await page.evaluate('[got, recovered]'), [countedTo(3), [false]]);
  });

  t.test('and so does the client', async (t) => {
    let own = await startGateway({ flags: ['--drain-sec', '0'] });
    t.teardown(() => own.kill());
    const page = await openPage(t, browser, own.url);
    await listenWithClient(page, 'x');
    await own.send('x', '1');
    await page.waitForFunction('got.length === 1');
    own = await restart(own);
    await own.send('x', '2');
    await page.waitForFunction('got.length === 2');
    await own.send('x', '3');
    await page.waitForFunction('got.length === 3');
    t.same(await page.evaluate('[got, lost, recoveries]'), [countedTo(3), [{ recovered: false }], 0]);
  });

  for (const [name, listen] of [
    ['EventSource', listenWithEventSource],
    ['the client', listenWithClient],
  ] as const) {
    t.test(`a killed connection: ${name} misses nothing of what is sent meanwhile`, async (t) => {
      const proxy = await HttpProxy.to(gateway.url);
      t.teardown(() => proxy.close());
      const page = await openPage(t, browser, proxy.url);
      const id = `killed-${name.length}`;
      await listen(page, id);
      for (let n = 1; n <= 90; n++) {
        await gateway.send(id, String(n));
        if (n % 30 !== 10) continue;
        proxy.refusal = { status: 503 };
        t.not(proxy.cut(), 0);
        for (const end = n + 10; n < end; ) await gateway.send(id, String(++n));
        proxy.refusal = undefined;
        await page.waitForFunction(`got.length === ${n}`);
      }
      await page.waitForFunction('got.length === 90');
      t.same(await page.evaluate('got'), countedTo(90));
    });
  }

  t.test('a paused tab catches up, whatever became of its connection', async (t) => {
    const proxy = await HttpProxy.to(gateway.url);
    t.teardown(() => proxy.close());
    const page = await openPage(t, browser, proxy.url);
    await listenWithClient(page, 'paused');
    await gateway.send('paused', '1');
    await page.waitForFunction('got.length === 1');
    const devTools = await page.context().newCDPSession(page);
    for (const [from, cuts] of [
      [2, false],
      [12, true],
    ] as const) {
      await devTools.send('Page.setWebLifecycleState', { state: 'frozen' });
      if (cuts) proxy.cut();
      for (let n = from; n < from + 10; n++) await gateway.send('paused', String(n));
      await devTools.send('Page.setWebLifecycleState', { state: 'active' });
      await page.waitForFunction(`got.length === ${from + 9}`);
    }
    t.same(await page.evaluate('[got, lost]'), [countedTo(21), []]);
  });

  t.test('with remember, a page that is reloaded gets what came meanwhile', async (t) => {
    const page = await openPage(t, browser, gateway.url);
    await listenWithClient(page, 'reload', { remember: 'place' });
    await gateway.send('reload', '1');
    await page.waitForFunction('got.length === 1');
    await page.goto('about:blank');
    await until('the page is gone', async () => (await gateway.send('reload', 'x')) === 0);
    for (const text of ['2', '3']) await gateway.send('reload', text);
    await page.goto(`${gateway.url}/numbers`);
    await listenWithClient(page, 'reload', { remember: 'place' });
    await page.waitForFunction(`got.at(-1) === '3'`);
    const got = (await page.evaluate('got')) as string[];
    t.same(
      got.filter((text) => text !== 'x'),
      ['2', '3'],
    );
    t.same(await page.evaluate('[lost, recoveries]'), [[], 1]);
    await page.reload();
    await listenWithClient(page, 'reload');
    t.same(await page.evaluate('[got, recoveries]'), [[], 0], 'and without it, begins anew');
  });

  t.test('a page of another origin: with --allow-origin by either transport, else not at all', async (t) => {
    const page = await openPage(t, browser, gateway.url);
    const open = await startGateway({ flags: ['--allow-origin', gateway.url] });
    t.teardown(() => open.kill());
    for (const transport of ['sse', 'long-poll']) {
      await page.evaluate(`
        window.got = [];
        import('/client.js').then(({ connect }) => {
          window.connection = connect('${open.url}', 'x', { transport: '${transport}', onMessage: ({ data }) => got.push(data) });
        });
      `);
      await page.waitForFunction(
        `window.connection?.state === 'open' && connection.transport === '${transport}'`,
      );
      await open.send('x', transport);
      await page.waitForFunction('got.length === 1');
      t.match(await page.evaluate('connection.cursor'), /^\w+:\d+$/, 'the cursor is exposed');
      await page.evaluate('connection.close()');
    }
    const closed = await startGateway();
    t.teardown(() => closed.kill());
    await page.evaluate(`
      import('/client.js').then(({ connect }) => {
        window.refused = connect('${closed.url}', 'x', { onMessage() {} });
      });
    `);
    await page.waitForFunction(`window.refused?.state === 'waiting'`);
    t.pass('a browser does not say why');
  });

  t.test('the landing page shows the messages of an id as they come, and what was kept before', async (t) => {
    const page = await browser.newPage();
    t.teardown(() => page.close());
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => {
      // The page asks the router API whether the reader reaches it.
      const own = [gateway.url, gateway.apiUrl].some((url) => request.url().startsWith(url));
      if (!own) complaints.push(request.url());
    });
    await gateway.send('landing', 'before');
    await page.goto(gateway.url);
    await page.locator('#listen [name=id]').fill('landing');
    await page.locator('#listen button').click();
    await page.locator('#messages-of-id', { hasText: 'before' }).waitFor();
    const markup = '<img src="x" onerror="document.title = \'run\'">';
    await gateway.send('landing', markup);
    await page.locator('#messages-of-id', { hasText: markup }).waitFor();
    t.equal(await page.locator('#messages-of-id img').count(), 0);
    t.match(await page.locator('#listening').textContent(), /Listening to landing, by server-sent events/);
    await page.locator('#listen button').click();
    await until('it has stopped', async () => (await gateway.send('landing', 'x')) === 0);
    await page.locator('#listen [name=id]').fill('a/+');
    await page.locator('#listen button').click();
    await page.locator('#listening', { hasText: 'wildcards' }).waitFor();
    t.same(complaints, []);
  });

  t.test('the MQTT demo shows what the same id gets over HTTP', async (t) => {
    const page = await browser.newPage();
    t.teardown(() => page.close());
    await page.goto(`${gateway.url}/demo/mqtt`);
    await page.locator('#http button').click();
    await until('it listens', async () => (await gateway.send('123', 'Hello')) === 1);
    await page
      .locator('#log li', { hasText: 'over HTTP' })
      .filter({ hasText: '123: Hello' })
      .first()
      .waitFor();
    await page.locator('#http button').click();
    await until('it has stopped', async () => (await gateway.send('123', 'x')) === 0);
  });
}
