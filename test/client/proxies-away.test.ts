import { readFileSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import t, { type Test } from 'tap';
import { openChromium } from '../chromium.js';
import { freePort } from '../free-port.js';
import { type GatewayProcess, startProcess } from '../gateway-process.js';
import { findHaproxy, Haproxy } from '../haproxy.js';
import { until } from '../until.js';
import { findNginx, Nginx } from './nginx.js';

/**
 * While the gateway is away a proxy answers in its stead, and an EventSource that gets a 5xx never comes again. With the
 * blocks of docs/operations.md, as they stand there, it does; of another origin and with credentials, too.
 */

t.setTimeout(300_000); // what is missing may have to be installed first

const manual = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
const blocks = [...manual.matchAll(/^```\w*\n(.*?)^```/gms)].map(([, text]) => text!);
const blockWith = (text: string) => blocks.find((block) => block.includes(text))!;

const browser = await openChromium();
const haproxy = await findHaproxy();
const nginx = await findNginx();
const missing = [browser, haproxy, nginx].find((found) => 'missing' in found);
if (missing !== undefined) {
  const { missing: sentence } = missing as { missing: string };
  process.stderr.write(`\nSKIPPED: no EventSource through a proxy whose gateway is away. ${sentence}\n\n`);
  t.test('EventSources behind proxies', { skip: sentence }, async () => {});
} else {
  const haproxyPath = (haproxy as { path: string }).path;
  const nginxPath = (nginx as { path: string }).path;
  t.teardown(() => (browser as Browser).close());

  t.test('HAProxy', (t) =>
    survive(t, browser as Browser, async (port) => {
      const proxy = await Haproxy.start(haproxyPath, port, blockWith('http-after-response'));
      return { url: proxy.url, stop: () => proxy.stop() };
    }),
  );

  t.test('nginx', (t) =>
    survive(t, browser as Browser, async (port, url) => {
      const locations = blockWith('@later').replaceAll('127.0.0.1:8000', `127.0.0.1:${port}`);
      return Nginx.start(nginxPath, url, 'proxy_http_version 1.1;', '/numbers', { locations });
    }),
  );
}

type Proxy = { url: string; stop(): Promise<void> };

async function survive(
  t: Test,
  browser: Browser,
  startProxy: (port: number, url: string) => Promise<Proxy>,
): Promise<void> {
  const elsewhere = await startProcess();
  t.teardown(() => elsewhere.kill());
  const flags = ['--port', String(await freePort()), '--api-port', String(await freePort())];
  const start = () =>
    startProcess({ flags: [...flags, '--allow-origin', elsewhere.url, '--drain-sec', '1'] });
  let gateway: GatewayProcess = await start();
  t.teardown(() => gateway.kill());
  const proxy = await startProxy(gateway.port, gateway.url);
  t.teardown(() => proxy.stop());

  const page = await browser.newPage({ bypassCSP: true });
  await page.goto(`${elsewhere.url}/numbers`);
  await page.evaluate(`
    window.got = [];
    window.errors = 0;
    window.sources = Array.from({ length: 5 }, () => {
      const source = new EventSource('${proxy.url}/events/all', { withCredentials: true });
      source.onmessage = ({ data }) => got.push(data);
      source.onerror = () => errors++;
      return source;
    });
  `);
  const states = () => page.evaluate('sources.map(({ readyState }) => readyState).join("")');
  const untilAllOpen = async (what: string) =>
    until(what, async () => (await states()) === '11111', 20_000).catch(async (error) => {
      throw new Error(`${error.message}: ${await states()}`);
    });
  await untilAllOpen('all are open');
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await gateway.kill(signal);
    await page.evaluate('errors = 0');
    await page.waitForFunction('errors >= 10'); // each has come twice while nobody was there
    t.notMatch(await states(), '2', `none has given up after ${signal}`);
    const answer = await fetch(`${proxy.url}/poll/all?timeout=0`);
    t.ok(answer.status >= 500, `a poll is told what is so: ${answer.status}`);
    gateway = await start();
    await untilAllOpen(`all are back after ${signal}`);
    await page.evaluate('got = []');
    await gateway.send('all', signal);
    await page.waitForFunction('got.length === 5');
  }
}
