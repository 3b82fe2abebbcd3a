import type { Browser, Page } from 'playwright-core';
import t from 'tap';
import { openChromium } from '../chromium.js';
import { startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { complaintsOf } from './page-complaints.js';
import { openStream } from './raw-wire.js';

oneProcessFile('pages that find the API of the gateway that they come from');

t.setTimeout(300_000); // Chromium may have to be installed first

const browser = await openChromium();
if ('missing' in browser) {
  process.stderr.write(`\nSKIPPED: nothing was tried in a browser. ${browser.missing}\n\n`);
  t.test('the pages in a browser', { skip: browser.missing }, async () => {});
} else {
  t.teardown(() => browser.close());
  await tryPages(browser);
}

/** A Comet page never ends loading, so what is waited for is its text. */
async function openCometPage(page: Page, url: string): Promise<void> {
  await page.goto(url, { waitUntil: 'commit' });
  await page.getByRole('heading').waitFor();
}

async function textOf(page: Page, part: string): Promise<string> {
  return ((await page.locator(part).textContent()) ?? '').trim();
}

/** Waits until the form says this. */
async function answerOf(landing: Page, text: RegExp): Promise<void> {
  await landing.locator('#answer', { hasText: text }).waitFor();
}

async function tryPages(browser: Browser): Promise<void> {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());

  t.test('/test/123 greets with its id and shows a message while it is still loading', async (t) => {
    const page = await browser.newPage();
    const complaints = complaintsOf(page);
    await openCometPage(page, `${gateway.url}/test/123`);
    t.match(await textOf(page, 'h1'), /\b123\b/);
    t.match(await page.title(), /123/);
    t.equal(await gateway.send('123', 'Hello World'), 1);
    await page.getByText("Recvd msg #1: 'Hello World'").waitFor();
    t.equal(await page.evaluate('document.readyState'), 'loading');
    t.equal(await gateway.send('123', 'again'), 1);
    await page.getByText("Recvd msg #2: 'again'").waitFor();
    t.equal(await textOf(page, 'main'), "Recvd msg #1: 'Hello World'\nRecvd msg #2: 'again'");
    t.same(complaints, []);
    await page.close();
  });

  t.test('two windows on one id each have their own count', async (t) => {
    const [first, second] = [await browser.newPage(), await browser.newPage()];
    await openCometPage(first, `${gateway.url}/test/two`);
    t.equal(await gateway.send('two', 'for one'), 1);
    await openCometPage(second, `${gateway.url}/test/two`);
    t.equal(await gateway.send('two', 'for both'), 2);
    await first.getByText("Recvd msg #2: 'for both'").waitFor();
    await second.getByText("Recvd msg #1: 'for both'").waitFor();
    await first.close();
    await second.getByText('for both').waitFor();
    await second.close();
  });

  t.test('markup in a message shows as text and does nothing', async (t) => {
    const page = await browser.newPage();
    const complaints = complaintsOf(page);
    await openCometPage(page, `${gateway.url}/test/markup`);
    const texts = [
      '<script>document.title = "run"</script>',
      '<img src="x" onerror="document.title = \'run\'">',
      '</main></body></html><h1>gone</h1>',
      '&lt;b&gt; &amp; &#39;',
      "'<br/>Recvd msg #99: 'forged",
    ];
    for (const text of texts) await gateway.send('markup', text);
    await page.getByText(`Recvd msg #${texts.length}:`).waitFor();
    t.equal(await textOf(page, 'main'), texts.map((text, n) => `Recvd msg #${n + 1}: '${text}'`).join('\n'));
    t.not(await page.title(), 'run');
    t.equal(await page.locator('main > :not(br)').count(), 0, 'no element came of it');
    t.equal(await page.getByRole('heading').count(), 1);
    t.same(complaints, []);
    await page.close();
  });

  t.test('an id may have slashes, markup and any character', async (t) => {
    for (const id of ['room/7/Größe/日本', '<b>&"\'']) {
      const path = id.split('/').map(encodeURIComponent).join('/');
      const page = await browser.newPage();
      await openCometPage(page, `${gateway.url}/test/${path}`);
      t.ok((await textOf(page, 'h1')).endsWith(id), id);
      t.match(await page.title(), id);
      t.equal(await gateway.send(path, `für ${id}`), 1);
      await page.getByText(`Recvd msg #1: 'für ${id}'`).waitFor();
      await page.close();
    }
    const typed = await browser.newPage();
    await openCometPage(typed, `${gateway.url}/test/room/日本`);
    t.equal(await gateway.send('room/%E6%97%A5%E6%9C%AC', 'x'), 1, 'as typed into the address bar');
    await typed.close();
  });

  t.test('the landing page shows numbers that move', async (t) => {
    const page = await browser.newPage();
    const complaints = complaintsOf(page);
    await page.goto(gateway.url);
    const number = (id: string, value: string) =>
      page.locator(`#${id}`, { hasText: new RegExp(`^${value}$`) }).waitFor();
    await number('connections', '0');
    const streams = await Promise.all([1, 2, 3].map((n) => openStream(gateway.port, `/stream/n${n}`)));
    await number('connections', '3');
    const { written } = (await gateway.stats()).messages;
    await gateway.send('n1', 'x');
    await number('messages', String(written + 1));
    await Promise.all(streams.map((stream) => stream.close()));
    await number('connections', '0');
    t.same(complaints, []);
    await page.close();
  });

  t.test('its form sends, and shows what came of it', async (t) => {
    const landing = await browser.newPage();
    const complaints = complaintsOf(landing);
    await landing.goto(gateway.url);
    const send = async (id: string, text: string) => {
      await landing.locator('#send [name=id]').fill(id);
      await landing.locator('#send [name=text]').fill(text);
      await landing.locator('#send button').click();
    };
    await send('nobody', 'x');
    await landing.getByText('Delivered to 0').waitFor();
    for (const id of ['room/7', 'Größe', 'a b?c=d%20e&f', 'a/../b', '..']) {
      const stream = await openStream(gateway.port, `/stream?id=${encodeURIComponent(id)}`);
      await send(id, `Grüße an ${id}`);
      await landing
        .getByText('Delivered to 1')
        .waitFor({ timeout: 5000 })
        .catch(() => t.fail(`${id}: not delivered`));
      await stream.close();
      await send('nobody', 'x');
      await landing.getByText('Delivered to 0').waitFor();
    }
    t.same(complaints, []);
    await send('a/+', 'x');
    await answerOf(landing, /wildcards/);
    await send('large', 'x'.repeat(70_000));
    await answerOf(landing, /65536/);
    t.pass('a refusal is shown, too');
    await landing.close();
  });

  t.test('its other form opens a page under that id, which gets what the first form sends', async (t) => {
    const landing = await browser.newPage();
    await landing.goto(gateway.url);
    await landing.locator('#open [name=id]').fill('room/8 ü');
    const [comet] = await Promise.all([
      landing.waitForEvent('popup'),
      landing.locator('#open button').click(),
    ]);
    await comet.getByRole('heading').waitFor();
    t.match(await textOf(comet, 'h1'), 'room/8 ü');
    await landing.locator('#send [name=id]').fill('room/8 ü');
    await landing.locator('#send [name=text]').fill('<b>from the form</b>');
    await landing.locator('#send button').click();
    await landing.getByText('Delivered to 1').waitFor();
    await comet.getByText("Recvd msg #1: '<b>from the form</b>'").waitFor();
    await Promise.all([comet.close(), landing.close()]);
  });

  t.test('with a token the form asks for it, and sends only with the right one', async (t) => {
    const token = 'a-token-of-some-length';
    const guarded = await startGateway({ flags: ['--api-token', token] });
    t.teardown(() => guarded.kill());
    const stream = await openStream(guarded.port, '/stream/123');
    const landing = await browser.newPage();
    await landing.goto(guarded.url);
    await landing.locator('#send [name=token]').fill(`${token}-not`);
    await landing.locator('#send button').click();
    await answerOf(landing, /401|token/i);
    await landing.locator('#send [name=token]').fill(token);
    await landing.locator('#send button').click();
    await landing.getByText('Delivered to 1').waitFor();
    await stream.saw('Hello World');
    t.match(await textOf(landing, '#terminal'), /Authorization: Bearer/, 'so does the line to try');
    t.notMatch(await landing.content(), token, 'which is nowhere in the page');
    await Promise.all([landing.close(), stream.close()]);
  });

  t.test('the form works on every address under which the page can be opened', async (t) => {
    const token = 'a-token-of-some-length';
    const everywhere = ['--host', '0.0.0.0', '--api-host', '0.0.0.0'];
    const flags = [...everywhere, '--api-token', token, '--mqtt-token', token];
    const open = await startGateway({ flags });
    t.teardown(() => open.kill());
    for (const host of ['127.0.0.1', 'localhost', '127.0.0.2']) {
      const landing = await browser.newPage();
      await landing.goto(`http://${host}:${open.port}`);
      await landing.locator('#send [name=token]').fill(token);
      await landing.locator('#send button').click();
      await landing.locator('#answer:not(:empty)').waitFor();
      t.match(await textOf(landing, '#answer'), /^Delivered to 0/, host);
      await landing.close();
    }
  });

  t.test('a page of anybody else may not send', async (t) => {
    const page = await browser.newPage();
    const other = await startGateway({ flags: ['--host', '127.0.0.2'] });
    t.teardown(() => other.kill());
    await page.goto(other.url);
    const stream = await openStream(gateway.port, '/stream/123');
    const send = `fetch('${gateway.apiUrl}/send/123', { method: 'POST', body: 'x' }).then(() => 'sent', () => 'failed')`;
    t.equal(await page.evaluate(send), 'failed');
    t.equal(await gateway.send('123', 'after'), 1);
    await stream.saw('"after"');
    t.equal(stream.text.match(/"data"/g)?.length, 1, 'nothing came of it');
    await Promise.all([page.close(), stream.close()]);
  });
}
