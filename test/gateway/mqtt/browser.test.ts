import type { Browser, Page } from 'playwright-core';
import t from 'tap';
import { openChromium } from '../../chromium.js';
import { lastingPort } from '../../free-port.js';
import { startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { complaintsOf } from '../page-complaints.js';
import { ask, Wire } from '../raw-wire.js';
import { RealClient } from './real-client.js';

oneProcessFile('pages that find the API of the gateway that they come from');

/** The demo page /demo/mqtt in a real browser, and the MQTT.js that it loads. */

t.setTimeout(300_000); // Chromium may have to be installed first

const browser = await openChromium();
if ('missing' in browser) {
  process.stderr.write(`\nSKIPPED: MQTT was not tried in a browser. ${browser.missing}\n\n`);
  t.test('MQTT in a browser', { skip: browser.missing }, async () => {});
} else {
  t.teardown(() => browser.close());
  await tryPage(browser);
}

async function says(page: Page, part: string, text: string | RegExp): Promise<void> {
  await page.locator(part, { hasText: text }).waitFor({ timeout: 10_000 });
}

async function connect(page: Page, clientId: string, clean = true): Promise<void> {
  await page.locator('#connect [name=clientId]').fill(clientId);
  await page.locator('#connect [name=clean]').setChecked(clean);
  await page.locator('#connect button').click();
  await says(page, '#state', `Connected as ${clientId}.`);
}

async function subscribe(page: Page, filter: string, qos: number): Promise<void> {
  await page.locator('#subscribe [name=filter]').fill(filter);
  await page.locator('#subscribe [name=qos]').selectOption(String(qos));
  await page.locator('#subscribe button').click();
}

async function publish(page: Page, topic: string, text: string, qos: number, retain = false): Promise<void> {
  await page.locator('#publish [name=topic]').fill(topic);
  await page.locator('#publish [name=text]').fill(text);
  await page.locator('#publish [name=qos]').selectOption(String(qos));
  await page.locator('#publish [name=retain]').setChecked(retain);
  await page.locator('#publish button').click();
}

/** The lines of the log, the newest first, without their times. */
async function lines(page: Page): Promise<string[]> {
  const texts = await page.locator('#log li').allInnerTexts();
  return texts.map((text) => text.replace(/^[\d:]+\s+/, '').replace(/\s*\n\s*/, ' | '));
}

async function tryPage(browser: Browser): Promise<void> {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  const demo = `${gateway.url}/demo/mqtt`;

  t.test('the landing page leads to it', async (t) => {
    const page = await browser.newPage();
    await page.goto(gateway.url);
    await page.getByRole('link', { name: /MQTT/ }).click();
    await page.waitForURL(demo);
    t.match(await page.title(), /MQTT/);
    t.ok(await page.locator('#publish button').isDisabled(), 'who is not connected cannot publish');
    await page.close();
  });

  t.test('it connects, subscribes, publishes and shows what comes', async (t) => {
    const page = await browser.newPage();
    const complaints = complaintsOf(page);
    await page.goto(demo);
    await connect(page, 'my-browser');
    await subscribe(page, 'demo/+', 2);
    await says(page, '#answer', 'Subscribed to demo/+ at QoS 2.');
    for (const qos of [0, 1, 2]) await publish(page, 'demo/a', `at ${qos}`, qos);
    await says(page, '#log', 'at 2');
    await until('all three are there', async () => (await lines(page)).length === 3);
    t.same(
      (await lines(page)).sort(),
      [0, 1, 2].map((qos) => `QoS ${qos} | demo/a: at ${qos}`),
    );
    await page.locator('#subscriptions button').click();
    await until('it has unsubscribed', async () => (await gateway.stats()).router.logins === 0);
    await publish(page, 'demo/a', 'nobody listens', 1);
    await says(page, '#answer', 'The server has it.');
    t.equal((await lines(page)).length, 3);
    await page.locator('#connect button').click();
    await says(page, '#state', 'Disconnected.');
    await until('it is gone', async () => (await gateway.stats()).connections.open === 0);
    t.same(complaints, []);
    await page.close();
  });

  t.test('it shows how /test/<id> and MQTT meet on one id', async (t) => {
    const page = await browser.newPage();
    await page.goto(demo);
    await connect(page, 'meeting');
    await subscribe(page, 'room/8 ü', 1);
    await page.locator('#publish [name=topic]').fill('room/8 ü');
    t.equal(await page.locator('#comet').textContent(), '/test/room/8 ü');
    t.match(
      await page.locator('#terminal').textContent(),
      /curl -d 'Hello World' http:\S+\/send\/room\/8%20%C3%BC$/,
    );
    const [comet] = await Promise.all([page.waitForEvent('popup'), page.locator('#comet').click()]);
    await comet.getByRole('heading').waitFor();
    await publish(page, 'room/8 ü', '<b>from MQTT</b>', 1);
    await comet.getByText("Recvd msg #1: '<b>from MQTT</b>'").waitFor();
    t.equal(await gateway.send(encodeURIComponent('room/8 ü'), 'over HTTP'), 2);
    await says(page, '#log', 'room/8 ü: over HTTP');
    await Promise.all([comet.close(), page.close()]);
  });

  t.test('messages show as text, or as bytes if they are no text; the last 200 stay', async (t) => {
    const page = await browser.newPage();
    const complaints = complaintsOf(page);
    await page.goto(demo);
    await connect(page, '<img src=x onerror="document.title=1">');
    await subscribe(page, 'evil/#', 1);
    await says(page, '#answer', 'Subscribed to evil/#');
    const other = await RealClient.connect(t, gateway);
    const evil = '<script>document.title = "run"</script><img src="x" onerror="document.title = \'run\'">';
    await other.publish(`evil/${evil.replaceAll('/', '')}`, evil, { qos: 1 });
    await other.publish('evil/bytes', Buffer.from([0xff, 0, 1]), { qos: 1 });
    await says(page, '#log', '3 bytes: ff 00 01');
    t.ok((await lines(page))[1]?.endsWith(`: ${evil}`));
    t.equal(await page.locator('#log img, #log script, #state img').count(), 0);
    t.match(await page.title(), /^MQTT/);
    for (let n = 0; n < 250; n++) {
      await other.publish('evil/many', `number ${n}.`, { qos: 1 });
      // A page may be slower than that, and of what waits for it the mqueue takes 100.
      if (n % 50 === 49) await says(page, '#log', `number ${n}.`);
    }
    t.equal((await lines(page)).length, 200);
    t.same(complaints, []);
    await page.close();
  });

  t.test('a retained message and a kept session', async (t) => {
    const [publisher, page] = [await browser.newPage(), await browser.newPage()];
    await publisher.goto(demo);
    await connect(publisher, 'publisher');
    await publish(publisher, 'kept', 'for later', 1, true);
    await says(publisher, '#answer', 'The server has it.');
    await page.goto(demo);
    await connect(page, 'comes-back', false);
    await subscribe(page, 'kept', 1);
    await says(page, '#log', 'for later');
    t.same(await lines(page), ['QoS 1, retained | kept: for later']);
    await page.close();
    await until('its session is away', async () => (await gateway.stats()).mqtt.sessions.connected === 1);
    await publish(publisher, 'kept', 'while you were away', 1);
    const again = await browser.newPage();
    await again.goto(demo);
    await connect(again, 'comes-back', false);
    await says(again, '#state', 'The server has kept the session');
    await says(again, '#log', 'kept: while you were away');
    await publish(publisher, 'kept', '', 1, true);
    await Promise.all([publisher.close(), again.close()]);
  });

  t.test('it is told why it is refused, and what the server closes it reconnects', async (t) => {
    const guarded = await startGateway({
      flags: ['--mqtt-token', 'a-token-of-some-length', '--drain-sec', '0', ...(await lastingPort())],
    });
    t.teardown(() => guarded.kill());
    const page = await browser.newPage();
    await page.goto(`${guarded.url}/demo/mqtt`);
    t.notOk(
      await page.locator('#connect [name=token]').isVisible(),
      'nothing asks for a token until it is wanted',
    );
    await page.locator('#connect button').click();
    await says(page, '#state', 'This server wants a token.');
    await page.locator('#connect [name=token]').fill('a-token-of-some-lengthx');
    await page.locator('#connect button').click();
    await says(page, '#state', /return code 4/);
    await page.locator('#connect [name=token]').fill('a-token-of-some-length');
    await connect(page, 'with-token');
    await subscribe(page, 'a', 1);
    await says(page, '#answer', 'Subscribed');
    await page.locator('#subscribe [name=filter]').fill('a/#/b');
    await page.locator('#subscribe button').click();
    await says(page, '#answer', 'Not subscribed to a/#/b');
    await guarded.kill('SIGTERM');
    await says(page, '#state', /Trying again/);
    t.ok(await page.locator('#publish button').isDisabled());
    const flags = ['--mqtt-token', 'a-token-of-some-length', '--port', String(guarded.port)];
    const next = await startGateway({ flags });
    t.teardown(() => next.kill());
    await says(page, '#state', 'Connected as with-token.');
    await until('it has subscribed again', async () => (await next.stats()).router.logins === 1);
    await page.close();
  });

  t.test(
    'a loop of 1,500 publishes of 1 KB at QoS 0, which MQTT.js joins into one frame, comes whole',
    async (t) => {
      const subscriber = await RealClient.connect(t, gateway);
      await subscriber.subscribe('loop', 0);
      const page = await browser.newPage();
      await page.goto(demo);
      await page.evaluate(`new Promise((resolve) => {
      const client = mqtt.connect('${gateway.url.replace('http', 'ws')}/mqtt', { reconnectPeriod: 0 });
      client.on('connect', () => {
        for (let n = 0; n < 1500; n++) client.publish('loop', String(n).padEnd(1000, '.'));
        resolve();
      });
    })`);
      await subscriber.exactly(1500);
      t.same(
        subscriber.texts('loop').map((text) => Number.parseInt(text, 10)),
        Array.from({ length: 1500 }, (_, n) => n),
      );
      await page.close();
    },
  );

  t.test('it fits a phone, in the dark, too', async (t) => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const context = await browser.newContext({ viewport: { width: 360, height: 740 }, colorScheme });
      const page = await context.newPage();
      await page.goto(demo);
      const width = await page.evaluate('document.documentElement.scrollWidth');
      t.ok(Number(width) <= 360, `${colorScheme}: ${width} pixels wide`);
      const background = await page.evaluate('getComputedStyle(document.documentElement).colorScheme');
      t.equal(background, 'light dark');
      await context.close();
    }
  });

  t.test('a page of another origin can neither connect nor frame it', async (t) => {
    const other = await startGateway({ flags: ['--host', '127.0.0.2'] });
    t.teardown(() => other.kill());
    // The page stands for one of anybody else, whose own policy would let it connect.
    const page = await browser.newPage({ bypassCSP: true });
    await page.goto(other.url);
    const outcome = await page.evaluate(`new Promise((resolve) => {
      const socket = new WebSocket('${gateway.url.replace('http', 'ws')}/mqtt', 'mqtt');
      socket.onopen = () => resolve('opened');
      socket.onerror = () => resolve('refused');
    })`);
    t.equal(outcome, 'refused');
    t.equal((await gateway.stats()).connections.refused['bad-origin'], 1);
    t.equal((await ask(gateway.port, '/demo/mqtt')).header('X-Frame-Options'), 'DENY');
    await page.close();
  });

  t.test('its script is served whole, to who reads slowly, too', async (t) => {
    const answer = await ask(gateway.port, '/demo/mqtt.js');
    t.equal(answer.status, 200);
    t.match(answer.header('Content-Type'), /^text\/javascript/);
    t.match(answer.header('Cache-Control'), /max-age=[1-9]/);
    t.equal(answer.body.length, Number(answer.header('Content-Length')));
    t.ok(answer.body.length > 300_000);
    const slow = await Wire.open(gateway.port);
    slow.stall();
    slow.ask('/demo/mqtt.js');
    await until('it is on its way', async () => (await gateway.stats()).sockets.gateway >= 1);
    slow.resume();
    await slow.untilComplete();
    t.ok(slow.body.equals(answer.body));
    await slow.close();
    t.equal((await ask(gateway.port, '/demo/mqtt', { method: 'POST' })).status, 405);
  });
}
