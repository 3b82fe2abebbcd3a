import { connect, createServer, type Socket } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { openChromium } from '../../chromium.js';
import { freePort } from '../../free-port.js';
import { type GatewayProcessOptions, startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { complaintsOf } from '../page-complaints.js';
import { RealClient } from './real-client.js';

oneProcessFile('pages that find the API of the gateway that they come from');

/** /demo/mqtt with what a server takes from nobody: told before it is sent, or told and not sent again. */

t.setTimeout(300_000); // Chromium may have to be installed first

const browser = await openChromium();
if ('missing' in browser) {
  process.stderr.write(`\nSKIPPED: MQTT was not tried in a browser. ${browser.missing}\n\n`);
  t.test('the MQTT page', { skip: browser.missing }, async () => {});
} else {
  t.teardown(() => browser.close());
  await tryPage(browser);
}

async function says(page: Page, part: string, text: string | RegExp): Promise<void> {
  await page.locator(part, { hasText: text }).waitFor({ timeout: 20_000 });
}

async function publish(page: Page, topic: string, text: string, qos = 1): Promise<void> {
  await page.locator('#publish [name=topic]').fill(topic);
  await page.locator('#publish [name=text]').fill(text);
  await page.locator('#publish [name=qos]').selectOption(String(qos));
  await page.locator('#publish button').click();
}

async function tryPage(browser: Browser): Promise<void> {
  async function opened(t: Test, options: GatewayProcessOptions, clientId = 'demo', url?: string) {
    const gateway = await startGateway(options);
    t.teardown(() => gateway.kill());
    const page = await browser.newPage();
    t.teardown(() => page.close());
    const complaints = complaintsOf(page);
    await page.goto(`${url ?? gateway.url}/demo/mqtt`);
    await page.locator('#connect [name=clientId]').fill(clientId);
    await page.locator('#connect button').click();
    await says(page, '#state', `Connected as ${clientId}.`);
    return { gateway, page, complaints };
  }

  async function hasStopped(page: Page): Promise<void> {
    await page.locator('#connect button', { hasText: /^Connect$/ }).waitFor();
  }

  t.test('topic and size are looked at before anything is sent', async (t) => {
    const { gateway, page, complaints } = await opened(t, {
      flags: ['--mqtt-max-packet-size', '60000', '--allow-control-characters', 'false'],
    });
    const bad: [topic: string, text: string, said: string][] = [
      ['a/+', 'x', 'no wildcards'],
      ['$SYS/x', 'x', 'only the server itself publishes under $SYS'],
      ['a\u0007', 'x', 'control characters'],
      ['a\ufdd0', 'x', 'control characters'],
      ['ä'.repeat(513), 'x', 'the topic has 1026 bytes, and this server takes 1024.'],
      ['/'.repeat(32), 'x', 'the topic has 33 levels, and this server takes 32.'],
      ['a', 'ä'.repeat(33_000), 'the message has 66000 bytes, and this server takes 65536.'],
      ['a', 'x'.repeat(60_000), 'a packet of 60005 bytes, and this server takes 60000.'],
    ];
    for (const [topic, text, said] of bad) {
      await publish(page, topic, text);
      await says(page, '#answer', `Not published: `);
      await says(page, '#answer', said);
    }
    const half = `document.querySelector('#publish [name=topic]').value = 'a\\ud800'`;
    await page.evaluate(half);
    await page.locator('#publish button').click();
    await says(page, '#answer', 'half of a surrogate pair');
    await page.evaluate(`document.querySelector('#subscribe [name=filter]').value = 'a\\0'`);
    await page.locator('#subscribe button').click();
    await says(page, '#answer', 'Not subscribed: the topic filter is no filter: it has a NUL character.');
    for (const [qos, bytes] of [
      [1, 59_995],
      [0, 59_997],
    ] as const) {
      await publish(page, 'a', 'x'.repeat(bytes), qos);
      await says(page, '#answer', qos === 0 ? 'Sent.' : 'The server has it.');
    }
    await publish(page, 'ä'.repeat(512), 'x');
    await says(page, '#answer', 'The server has it.');
    await publish(page, `${'/'.repeat(31)}`, 'x');
    await says(page, '#answer', 'The server has it.');
    const { mqtt, connections } = await gateway.stats();
    t.same([mqtt.publishesReceived, connections.opened], [[1, 3, 0], 1]);
    t.same(complaints, []);
  });

  t.test('a message that the server closes on is not sent again, and the page says why', async (t) => {
    // The page cannot know what the operator's rule makes of a topic.
    const rule = `pub short/# ^short/(.*)$ ${'long'.repeat(300)}/$1`;
    const { gateway, page } = await opened(t, { flags: ['--mqtt-rewrite', rule] });
    await publish(page, 'short/a', 'x', 2);
    await says(page, '#state', 'The server has closed the connection: that topic is longer than it takes');
    await says(page, '#state', '(1009 topic-too-large)');
    await says(page, '#answer', 'There was no answer. It is not sent again.');
    await hasStopped(page);
    t.match((await gateway.stats()).connections, { opened: 1, open: 0 });
    await page.locator('#connect button').click();
    await says(page, '#state', 'Connected as demo.');
    await publish(page, 'good', 'x', 2);
    await says(page, '#answer', 'The server has it.');
    t.equal((await gateway.stats()).connections.opened, 2, 'nothing of it is left');
  });

  t.test('the page stops after a takeover, and past a rate limit', async (t) => {
    const { gateway, page } = await opened(t, { flags: ['--mqtt-rate-limit-messages', '5,1'] }, 'twice');
    await RealClient.connect(t, gateway, { clientId: 'twice' });
    await says(page, '#state', 'another client has connected with this client id. (1008 taken-over)');
    await hasStopped(page);
    await page.locator('#connect [name=clientId]').fill('fast');
    await page.locator('#connect button').click();
    await says(page, '#state', 'Connected as fast.');
    await page.evaluate(`for (let n = 0; n < 50; n++) document.getElementById('publish').requestSubmit()`);
    await says(page, '#state', 'that was faster than a client may send. (1008 rate-limited)');
    await hasStopped(page);
  });

  t.test('a connection that is cut each time, without a reason, is given up after three', async (t) => {
    const port = await freePort();
    let cuts = 0;
    const proxy = createServer((client) => {
      const server = connect(target, '127.0.0.1');
      const cut = () => [client, server].map((socket: Socket) => socket.destroy());
      client.on('error', cut).on('close', cut);
      server.on('error', cut).on('close', cut);
      server.pipe(client);
      client.on('data', (bytes) => {
        if (bytes.length < 10_000) return server.write(bytes);
        cuts++;
        return cut();
      });
    }).listen(port, '127.0.0.1');
    t.teardown(() => proxy.close());
    const target = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const { page } = await opened(t, { flags: ['--port', String(target)] }, 'cut', url);
    await publish(page, 'a', 'x'.repeat(20_000));
    await says(page, '#state', 'The connection was closed 3 times before the answer came.');
    await hasStopped(page);
    t.equal(cuts, 3);
  });
}
