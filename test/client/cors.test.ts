import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { openChromium } from '../chromium.js';
import { freePort } from '../free-port.js';
import { startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';

oneProcessFile('what a browser lets a page of another origin do; nothing crosses');

t.setTimeout(300_000); // Chromium may have to be installed first

const browser = await openChromium();
if ('missing' in browser) {
  process.stderr.write(`\nSKIPPED: nothing was tried across origins. ${browser.missing}\n\n`);
  t.test('pages of another origin', { skip: browser.missing }, async () => {});
} else {
  t.teardown(() => browser.close());
  await tryOrigins(browser);
}

async function tryOrigins(browser: Browser): Promise<void> {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html><title>a page of somebody</title>');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const allowing = await startGateway({ flags: ['--allow-origin', `https://other.example,${origin}`] });
  const open = await startGateway({ flags: ['--allow-origin', '*'] });
  const closed = await startGateway();
  for (const gateway of [allowing, open, closed]) t.teardown(() => gateway.kill());

  async function pageOf(t: Test): Promise<Page> {
    const page = await browser.newPage();
    t.teardown(() => page.close());
    await page.goto(origin);
    return page;
  }

  const poll = (url: string, options: object) =>
    `fetch('${url}/poll/x?timeout=0', ${JSON.stringify(options)}).then(({ status }) => status, () => 'failed')`;
  const authorized = { headers: { Authorization: 'Bearer somebody' } };

  t.test('fetch may send credentials and Authorization where its origin is named, not with *', async (t) => {
    const page = await pageOf(t);
    const included = { credentials: 'include' };
    t.equal(await page.evaluate(poll(allowing.url, included)), 204);
    t.equal(await page.evaluate(poll(allowing.url, authorized)), 204, 'with a preflight');
    t.equal(await page.evaluate(poll(allowing.url, { ...included, ...authorized })), 204);
    t.equal(await page.evaluate(poll(open.url, {})), 204);
    t.equal(await page.evaluate(poll(open.url, included)), 'failed');
    t.equal(await page.evaluate(poll(open.url, authorized)), 'failed');
    for (const options of [{}, included, authorized])
      t.equal(await page.evaluate(poll(closed.url, options)), 'failed');
  });

  t.test('an EventSource with credentials hears what is sent', async (t) => {
    const page = await pageOf(t);
    await page.evaluate(`
      window.got = [];
      window.source = new EventSource('${allowing.url}/events/es', { withCredentials: true });
      source.onmessage = ({ data }) => got.push(data);
    `);
    await page.waitForFunction('source.readyState === EventSource.OPEN');
    await allowing.send('es', 'Hello');
    await page.waitForFunction('got.length === 1');
    t.same(await page.evaluate('got'), ['Hello']);
  });

  async function connect(page: Page, script: string, url: string, options: object = {}): Promise<void> {
    await page.evaluate(`
      Object.assign(window, { got: [], errors: [], states: [] });
      import('${script}/client.js').then(({ connect }) => {
        window.connection = connect('${url}', 'x', {
          ...${JSON.stringify(options)},
          onMessage: ({ data }) => got.push(data),
          onState: (state) => states.push(state),
          onError: ({ name, message }) => errors.push(name + ': ' + message),
        });
      });
    `);
    await page.waitForFunction(`window.connection !== undefined`);
  }

  t.test('the client of another origin, with credentials and Authorization', async (t) => {
    const page = await pageOf(t);
    for (const transport of ['sse', 'long-poll']) {
      await connect(page, allowing.url, allowing.url, { transport, credentials: 'include', ...authorized });
      await page.waitForFunction(`connection.state === 'open'`);
      await until('it listens', async () => (await allowing.send('x', transport)) === 1);
      await page.waitForFunction(`got.includes('${transport}')`);
      t.same(await page.evaluate('errors'), []);
      await page.evaluate('connection.close()');
      await until('it is gone', async () => (await allowing.stats()).connections.open === 0);
    }
  });

  t.test('the client says when its requests die of CORS, once, and goes on trying', async (t) => {
    const page = await pageOf(t);
    for (const options of [{}, authorized, { transport: 'long-poll' }]) {
      await connect(page, closed.url, closed.url, options);
      await page.waitForFunction('errors.length > 0', undefined, { timeout: 30_000 });
      const errors = (await page.evaluate('errors')) as string[];
      t.match(errors, [/^CorsError: .*--allow-origin/]);
      t.match(errors[0], origin, 'it names the origin');
      const attempts = `states.filter((state) => state === 'connecting').length`;
      const before = Number(await page.evaluate(attempts));
      await page.waitForFunction(`${attempts} > ${before}`, undefined, { timeout: 30_000 });
      t.equal(await page.evaluate('errors.length'), 1, 'it is said once');
      await page.evaluate('connection.close()');
    }
  });

  t.test('a server that is away is not taken for one that does not allow', async (t) => {
    const page = await pageOf(t);
    await connect(page, closed.url, `http://127.0.0.1:${await freePort()}`);
    const attempts = `states.filter((state) => state === 'waiting').length >= 3`;
    await page.waitForFunction(attempts, undefined, { timeout: 30_000 });
    t.same(await page.evaluate('errors'), []);
  });
}
