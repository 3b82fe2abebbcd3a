import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { openChromium } from '../chromium.js';
import { findNginx, Nginx } from '../client/nginx.js';
import { type GatewayProcess, startGateway } from '../gateway-process.js';
import { findHaproxy, Haproxy, plainSections } from '../haproxy.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';
import { Authority } from './cluster/certificates.js';
import { complaintsOf } from './page-complaints.js';

oneProcessFile('pages that find the API of the gateway that they come from');

/** The gateway's pages as they come through a proxy: under a prefix, with TLS, by another name. */

t.setTimeout(300_000); // Chromium, nginx and HAProxy may have to be installed first

const name = 'push.example.test';
const browser = await openChromium(`--host-resolver-rules=MAP ${name} 127.0.0.1`);
const nginx = await findNginx();
const haproxy = await findHaproxy();
const missing = [browser, nginx, haproxy].map((one) => ('missing' in one ? one.missing : ''));
if ('missing' in browser || 'missing' in nginx || 'missing' in haproxy) {
  process.stderr.write(`\nSKIPPED: no page was tried through a proxy. ${missing.join(' ')}\n\n`);
  t.test('the pages through a proxy', { skip: missing.join(' ') }, async () => {});
} else {
  t.teardown(() => browser.close());
  await tryPrefix(browser, nginx.path, haproxy.path);
}

async function tryPrefix(browser: Browser, nginxPath: string, haproxyPath: string): Promise<void> {
  const certificate = new Authority(t.testdir(), 'authority').issue('proxy', `IP:127.0.0.1,DNS:${name}`);

  /** Of docs/operations.md. */
  const page = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const location = /```nginx\nlocation \/push\/ \{\n +proxy_pass http:\/\/127.0.0.1:8000\/;([^}]*)\}/.exec(
    page,
  )![1]!;
  const rule = /HAProxy[^`]*`Host`[^`]*`(http-request replace-path [^`]*)`/.exec(page)![1]!;

  const proxies: Record<string, (t: Test, gateway: GatewayProcess) => Promise<number>> = {
    nginx: async (t, gateway) => {
      const front = { path: '/push/', certificate };
      const started = await Nginx.start(nginxPath, `${gateway.url}/`, location, '', front);
      t.teardown(() => started.stop());
      return Number(new URL(started.url).port);
    },
    HAProxy: async (t, gateway) => {
      const started = await Haproxy.start(haproxyPath, gateway.port, plainSections(rule), certificate);
      t.teardown(() => started.stop());
      return started.port;
    },
  };

  async function newPage(t: Test): Promise<{ page: Page; complaints: string[]; paths: Set<string> }> {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    t.teardown(() => context.close());
    const page = await context.newPage();
    const complaints = complaintsOf(page);
    const paths = new Set<string>();
    page.on('request', (request) => {
      const { protocol, origin, pathname } = new URL(request.url());
      if (protocol === 'https:' && origin === new URL(page.url()).origin) paths.add(pathname);
    });
    return { page, complaints, paths };
  }

  for (const [proxy, start] of Object.entries(proxies)) {
    t.test(`${proxy}, prefix and TLS: all of the landing page works`, async (t) => {
      const gateway = await startGateway({ flags: ['--allowed-hosts', name] });
      t.teardown(() => gateway.kill());
      const port = await start(t, gateway);
      const { page, complaints, paths } = await newPage(t);
      const root = `https://${name}:${port}/push/`;
      await page.goto(root);
      await page.locator('#connections', { hasText: /^0$/ }).waitFor();
      await gateway.send('123', 'before');
      await page.locator('#listen button').click();
      await page.locator('#listening', { hasText: 'Listening to 123, by server-sent events.' }).waitFor();
      await gateway.send('123', 'through the proxy');
      await page.locator('#messages-of-id', { hasText: 'through the proxy' }).waitFor();
      await page.locator('#open [name=id]').fill('room/7 ü');
      const [comet] = await Promise.all([page.waitForEvent('popup'), page.locator('#open button').click()]);
      await comet.getByRole('heading', { name: 'room/7 ü' }).waitFor();
      t.equal(comet.url(), `${root}test/room/7%20%C3%BC`);
      await gateway.send(encodeURIComponent('room/7 ü'), 'Hello');
      await comet.getByText("Recvd msg #1: 'Hello'").waitFor();
      await page.locator('#no-api').waitFor();
      t.notOk(await page.locator('#send').isVisible(), 'the API is on the loopback of another machine');
      t.equal(await page.locator('#terminal').textContent(), `curl -N ${root}stream/123`);
      t.same(
        [...paths].filter((path) => !path.startsWith('/push/')),
        [],
      );
      const elsewhere = complaints.filter((text) => !text.startsWith(root)); // the name is no loopback to it
      t.same(elsewhere, []);
    });

    t.test(`${proxy}, prefix and TLS: so does the MQTT page, over wss`, async (t) => {
      const gateway = await startGateway({ flags: ['--allowed-hosts', name] });
      t.teardown(() => gateway.kill());
      const port = await start(t, gateway);
      const { page, paths } = await newPage(t);
      const root = `https://${name}:${port}/push/`;
      await page.goto(root);
      await page.getByRole('link', { name: /MQTT/ }).click();
      await page.waitForURL(`${root}demo/mqtt`);
      t.equal(await page.locator('#url').textContent(), `wss://${name}:${port}/push/mqtt`);
      await page.locator('#connect button').click();
      await page.locator('#state', { hasText: 'Connected as demo-' }).waitFor();
      await page.locator('#subscribe button').click();
      await page.locator('#answer', { hasText: 'Subscribed to 123 at QoS 1.' }).waitFor();
      await page.locator('#http button').click();
      await page.locator('#http button', { hasText: 'No more' }).waitFor();
      const [comet] = await Promise.all([page.waitForEvent('popup'), page.locator('#comet').click()]);
      await comet.getByRole('heading', { name: '123' }).waitFor();
      t.equal(comet.url(), `${root}test/123`);
      await until('all three listen', async () => (await gateway.stats()).router.logins === 3);
      await page.locator('#publish [name=text]').fill('over wss');
      await page.locator('#publish button').click();
      await page.locator('#answer', { hasText: 'The server has it.' }).waitFor();
      await page.locator('#log li', { hasText: 'over HTTP' }).waitFor();
      await comet.getByText("'over wss'").waitFor();
      t.notOk(await page.locator('#terminal').isVisible());
      await page.getByRole('link', { name: /Back/ }).click();
      await page.waitForURL(root);
      t.same(
        [...paths].filter((path) => !path.startsWith('/push/')),
        [],
      );
    });
  }

  t.test('a root without its slash, as HAProxy passes it on', async (t) => {
    const gateway = await startGateway({ flags: ['--allowed-hosts', name] });
    t.teardown(() => gateway.kill());
    const { page, complaints } = await newPage(t);
    const root = `https://${name}:${await proxies.HAProxy!(t, gateway)}/push`;
    await page.goto(root);
    await page.locator('#connections', { hasText: /^0$/ }).waitFor();
    await page.locator('#listen button').click();
    await page.locator('#listening', { hasText: 'Listening to 123' }).waitFor();
    t.equal(await page.getByRole('link', { name: /MQTT/ }).getAttribute('href'), `${root}/demo/mqtt`);
    t.same(
      complaints.filter((text) => !text.startsWith(root)),
      [],
    );
  });

  t.test('the form is there where the API answers: on loopback, for an origin that it allows', async (t) => {
    const before = await startGateway();
    const port = await proxies.nginx!(t, before);
    const origin = `https://127.0.0.1:${port}`;
    const { page } = await newPage(t);
    await page.goto(`${origin}/push/`);
    await page.locator('#no-api').waitFor();
    t.notOk(await page.locator('#send').isVisible(), 'the API would refuse this origin');
    const ports = ['--port', String(before.port), '--api-port', String(before.apiPort)];
    await before.kill();
    const allowing = await startGateway({ flags: [...ports, '--api-allow-origin', origin] });
    t.teardown(() => allowing.kill());
    await page.reload();
    await page.locator('#send button').click();
    await page.locator('#answer', { hasText: 'Delivered to 0 connections.' }).waitFor();
    t.match(
      await page.locator('#terminal').textContent(),
      `\ncurl -d 'Hello World' ${allowing.apiUrl}/send/123`,
    );
  });

  t.test(
    'a proxy that passes no WebSockets on: the MQTT page says so and does not try for ever',
    async (t) => {
      const gateway = await startGateway();
      t.teardown(() => gateway.kill());
      const front = { path: '/push/' };
      const plain = await Nginx.start(
        nginxPath,
        `${gateway.url}/`,
        'proxy_http_version 1.1;',
        '/push/numbers',
        front,
      );
      t.teardown(() => plain.stop());
      const { page } = await newPage(t);
      await page.goto(`${plain.url}/push/demo/mqtt`);
      await page.locator('#connect button').click();
      await page.locator('#state', { hasText: 'a proxy in between passes no WebSockets on' }).waitFor();
      await page.locator('#connect button', { hasText: /^Connect$/ }).waitFor();
    },
  );
}
