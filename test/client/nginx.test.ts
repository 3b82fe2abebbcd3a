import { readFileSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import t, { type Test } from 'tap';
import { openChromium } from '../chromium.js';
import { startGateway } from '../gateway-process.js';
import { until } from '../until.js';
import { countedTo, Listener } from './listener.js';
import { findNginx, Nginx } from './nginx.js';

t.setTimeout(300_000); // nginx and Chromium may have to be installed first

const found = await findNginx();
if ('missing' in found) {
  process.stderr.write(`\nSKIPPED: nothing was tried through nginx. ${found.missing}\n\n`);
  t.test('the client through nginx', { skip: found.missing }, async () => {});
} else {
  await tryNginx(found.path);
}

async function tryNginx(path: string): Promise<void> {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  const browser = await openChromium();
  if ('missing' in browser)
    process.stderr.write(`\nSKIPPED: no browser through nginx. ${browser.missing}\n\n`);
  else t.teardown(() => browser.close());

  const noBrowser = { skip: 'missing' in browser };

  async function nginx(t: Test, location: string, target = gateway.url): Promise<Nginx> {
    const started = await Nginx.start(path, target, location);
    t.teardown(() => started.stop());
    return started;
  }

  /** To Encke nginx speaks HTTP/1.0 if it is not told otherwise, and is answered 505. */
  const http11 = 'proxy_http_version 1.1; proxy_set_header Connection "";';

  t.test(
    'with nothing but HTTP/1.1, our X-Accel-Buffering: no lets event streams through its buffering',
    async (t) => {
      const { url } = await nginx(t, http11);
      const listener = await listen(t, url, 'defaults').open();
      for (const text of countedTo(20)) await gateway.send('defaults', text);
      await listener.has(20);
      t.equal(listener.connection.transport, 'sse');
      t.same([listener.texts, listener.losses], [countedTo(20), []]);
    },
  );

  t.test('so it does for the EventSource of a browser', noBrowser, async (t) => {
    const { url } = await nginx(t, http11);
    t.same(await eventSourceThrough(browser as Browser, url, () => gateway.send('es', 'Hello')), ['Hello']);
  });

  t.test('its buffering alone does not hold back what Encke sends in chunks', async (t) => {
    // nginx 1.22 passes on a chunk of HTTP/1.1 that is complete: a configuration as this one is not what buffers.
    const { url } = await nginx(t, `${http11} proxy_ignore_headers X-Accel-Buffering;`);
    const listener = await listen(t, url, 'ignored').open();
    for (const text of countedTo(20)) await gateway.send('ignored', text);
    await listener.has(20);
    t.same([listener.texts, listener.losses], [countedTo(20), []]);
  });

  /** Ways in which nginx does keep event streams back. */
  const buffering: Record<string, (t: Test) => Promise<Nginx>> = {
    'nginx that ignores our header, and compresses event streams': (t) =>
      nginx(t, `${http11} proxy_ignore_headers X-Accel-Buffering; gzip on; gzip_types text/event-stream;`),
    // The outer one speaks HTTP/1.0 by default, and the inner one does not pass our header on.
    'two nginx in a row': async (t) => nginx(t, '', (await nginx(t, http11)).url),
  };

  for (const [name, start] of Object.entries(buffering)) {
    t.test(`${name}: the client finds out, polls, and loses nothing`, async (t) => {
      const { url } = await start(t);
      const ids = [`${name.length}/a`, `${name.length}/b`];
      const startedMs = performance.now();
      const listener = await listen(t, url, ids).open();
      t.ok(performance.now() - startedMs >= 2_900, 'after the 3 s that a greeting may take');
      t.equal(listener.connection.transport, 'long-poll');
      for (let sent = 0; sent < 300; ) {
        await gateway.send(ids[sent % 2]!, String(++sent));
        await listener.has(sent - 50); // not further behind than history is long
      }
      await listener.has(300);
      t.same([listener.texts, listener.losses, listener.openings], [countedTo(300), [], 1]);
    });

    t.test(`${name}: from a cursor, nothing that came before is lost, either`, async (t) => {
      const id = `${name.length}/cursor`;
      const first = await listen(t, gateway.url, id).open();
      await gateway.send(id, '1');
      await first.has(1);
      const { cursor } = first.connection;
      first.connection.close();
      await gateway.send(id, '2');
      const second = listen(t, (await start(t)).url, id, { cursor });
      await gateway.send(id, '3'); // while it does not know yet
      await second.open();
      await gateway.send(id, '4');
      await second.has(3);
      t.same([second.texts, second.recoveries, second.losses], [['2', '3', '4'], 1, []]);
      t.equal(second.connection.transport, 'long-poll');
    });

    t.test(`${name}: in a browser EventSource hears nothing, the client everything`, noBrowser, async (t) => {
      const { url } = await start(t);
      const id = `${name.length}/both`;
      const page = await (browser as Browser).newPage({ bypassCSP: true }); // as above
      t.teardown(() => page.close());
      await page.goto(`${url}/numbers`);
      await page.evaluate(`
        window.heard = [];
        window.got = [];
        window.source = new EventSource('/events/${id}');
        source.onmessage = ({ data }) => heard.push(data);
        import('/client.js').then(({ connect }) => {
          window.connection = connect('/', '${id}', { onMessage: ({ data }) => got.push(data) });
        });
      `);
      await page.waitForFunction(`window.connection?.state === 'open'`);
      for (const text of countedTo(10)) await gateway.send(id, text);
      await page.waitForFunction('got.length === 10');
      t.same(await page.evaluate('[got, heard, connection.transport]'), [countedTo(10), [], 'long-poll']);
    });
  }

  t.test('two nginx, of which the inner one passes our header on: event streams get through', async (t) => {
    const inner = await nginx(t, `${http11} proxy_pass_header X-Accel-Buffering;`);
    const { url } = await nginx(t, '', inner.url);
    const listener = await listen(t, url, 'passed').open();
    await gateway.send('passed', '1');
    await listener.has(1);
    t.equal(listener.connection.transport, 'sse');
  });

  t.test('the configuration of docs/operations.md', async (t) => {
    const { url } = await nginx(t, documented());
    const listener = await listen(t, url, 'documented').open();
    await gateway.send('documented', '1');
    await listener.has(1);
    t.equal(listener.connection.transport, 'sse');
    const polls = await listen(t, url, 'documented', { transport: 'long-poll', since: 'oldest' }).open();
    await polls.has(1);
  });
}

/** The first nginx `location /` of the page, without its proxy_pass. */
function documented(): string {
  const page = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const location = /```nginx\nlocation \/ \{\n([^}]*)\}/.exec(page)![1]!;
  return location.replace(/proxy_pass[^;]*;/, '');
}

function listen(t: Test, ...given: ConstructorParameters<typeof Listener>): Listener {
  const listener = new Listener(...given);
  t.teardown(() => listener.connection.close());
  return listener;
}

async function eventSourceThrough(
  browser: Browser,
  url: string,
  send: () => Promise<number>,
): Promise<unknown> {
  const page = await browser.newPage({ bypassCSP: true }); // its address stands for a page
  await page.goto(`${url}/numbers`);
  await page.evaluate(`
    window.heard = [];
    window.source = new EventSource('/events/es');
    source.onmessage = ({ data }) => heard.push(data);
  `);
  await page.waitForFunction('source.readyState === EventSource.OPEN');
  await until('it is logged in', async () => (await send()) === 1);
  await page.waitForFunction('heard.length > 0');
  const heard = await page.evaluate('heard');
  await page.close();
  return heard;
}
