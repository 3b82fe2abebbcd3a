import type { Browser, Page } from 'playwright-core';
import t from 'tap';
import { openChromium } from '../chromium.js';
import { freePort } from '../free-port.js';
import { redisServer } from '../gateway/cluster/redis-nodes.js';
import { type GatewayProcess, type GatewayProcessOptions, startProcess } from '../gateway-process.js';
import { until } from '../until.js';
import { countedTo } from './listener.js';

/**
 * Graceful restarts at the default --drain-sec, as native EventSources see them: a browser comes back over the TCP
 * connection that it still has, and an EventSource that is answered 5xx never comes again.
 */

t.setTimeout(300_000); // Chromium may have to be installed first
t.jobs = 2; // they mostly wait for the drain

const sources = 50;
const restarts = 3;
/** A browser opens six connections to a host, and each address of loopback is one. */
const sourcesPerHost = 5;

const browser = await openChromium();
if ('missing' in browser) {
  process.stderr.write(`\nSKIPPED: restarts were not tried in a browser. ${browser.missing}\n\n`);
  t.test('EventSources through restarts', { skip: browser.missing }, async () => {});
} else {
  t.teardown(() => browser.close());
  tryRestarts(browser);
}

const everywhere = ['--host', '0.0.0.0', '--mqtt', 'false', '--allow-origin', '*'];

/** `got` has the messages of each client. */
async function listen(page: Page, port: number): Promise<void> {
  await page.evaluate(`
    window.got = [];
    window.sources = Array.from({ length: ${sources} }, (_, n) => {
      const host = '127.0.0.' + (1 + Math.floor(n / ${sourcesPerHost}));
      const source = new EventSource('http://' + host + ':${port}/events/all');
      const own = got[n] = [];
      source.onmessage = ({ data }) => own.push(data);
      return source;
    });
  `);
}

async function untilAllOpen(page: Page, gateway: GatewayProcess, what: string): Promise<void> {
  const states = () => page.evaluate('sources.map(({ readyState }) => readyState)') as Promise<number[]>;
  await until(
    what,
    async () => {
      const closed = (await states()).filter((state) => state === 2).length;
      if (closed > 0) throw new Error(`${closed} of ${sources} have given up for good`);
      return (await gateway.stats()).connections.open === sources;
    },
    30_000,
  );
}

function tryRestarts(browser: Browser): void {
  t.test('one server: 50 of 50 EventSources are back each time', { buffered: true }, async (t) => {
    const ports = ['--port', String(await freePort()), '--api-port', String(await freePort())];
    const options: GatewayProcessOptions = { flags: [...everywhere, ...ports] };
    let gateway = await startProcess(options);
    t.teardown(() => gateway.kill());
    const page = await browser.newPage({ bypassCSP: true }); // its address stands for a page
    await page.goto(`${gateway.url}/numbers`);
    await listen(page, gateway.port);
    await untilAllOpen(page, gateway, 'all are open');
    t.equal(await gateway.send('all', '1'), sources);
    for (let restart = 1; restart <= restarts; restart++) {
      t.equal(await gateway.kill('SIGTERM'), 0);
      gateway = await startProcess(options);
      await untilAllOpen(page, gateway, `all are back after restart ${restart}`);
      t.equal(await gateway.send('all', String(restart + 1)), sources);
    }
    await page.waitForFunction(`got.every(({ length }) => length > ${restarts})`);
    const got = (await page.evaluate('got')) as string[][];
    t.ok(got.every((texts) => texts.join() === countedTo(restarts + 1).join()));
  });

  t.test('a gateway with its history in Redis: and none misses a message', { buffered: true }, async (t) => {
    const redis = await redisServer(t);
    const engine = ['--engine', 'redis', '--redis', redis.url];
    const router = await startProcess({ role: 'router', flags: engine });
    t.teardown(() => router.kill());
    const options: GatewayProcessOptions = {
      role: 'gateway',
      flags: [...engine, ...everywhere, '--port', String(await freePort())],
    };
    let gateway = await startProcess(options);
    t.teardown(() => gateway.kill());
    const page = await browser.newPage({ bypassCSP: true }); // its address stands for a page
    await page.goto(`${gateway.url}/numbers`);
    await listen(page, gateway.port);
    await untilAllOpen(page, gateway, 'all are open');
    let sent = 0;
    let sending = true;
    t.teardown(() => {
      sending = false;
    });
    const publishing = (async () => {
      while (sending) {
        await router.send('all', String(++sent)); // while the gateway is there, and while it is not
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    })();
    for (let restart = 1; restart <= restarts; restart++) {
      t.equal(await gateway.kill('SIGTERM'), 0);
      gateway = await startProcess(options);
      await untilAllOpen(page, gateway, `all are back after restart ${restart}`);
    }
    sending = false;
    await publishing;
    await page.waitForFunction(`got.every((texts) => texts.at(-1) === '${sent}')`);
    const got = (await page.evaluate('got')) as string[][];
    t.ok(
      got.every((texts) => texts.join() === countedTo(sent).join()),
      `${sent} messages, each once`,
    );
  });
}
