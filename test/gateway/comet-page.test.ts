import type { Browser, Page } from 'playwright-core';
import t from 'tap';
import { openChromium } from '../chromium.js';
import { startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';
import { complaintsOf } from './page-complaints.js';

oneProcessFile('what a browser makes of a page; nothing crosses');

t.setTimeout(300_000); // Chromium may have to be installed first

const browser = await openChromium();
if ('missing' in browser) {
  process.stderr.write(`\nSKIPPED: the Comet page was not tried in a browser. ${browser.missing}\n\n`);
  t.test('the Comet page in a browser', { skip: browser.missing }, async () => {});
} else {
  t.teardown(() => browser.close());
  await tryCometPage(browser);
}

/** It never ends loading, so what is waited for is its text. */
async function open(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 600, height: 400 } });
  t.teardown(() => page.close());
  await page.goto(url, { waitUntil: 'commit' });
  await page.getByRole('heading').waitFor();
  return page;
}

async function isInSight(page: Page, text: string): Promise<boolean> {
  const box = await page.getByText(text, { exact: true }).boundingBox();
  return box !== null && box.y >= 0 && box.y + box.height <= 400;
}

async function tryCometPage(browser: Browser): Promise<void> {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());

  t.test('line breaks of a message are kept, and it does not look like several', async (t) => {
    const page = await open(browser, `${gateway.url}/test/lines`);
    const complaints = complaintsOf(page);
    const texts = ['one\ntwo', 'a\r\nb\rc\n', "x'\nRecvd msg #9: 'forged", '<b>\n</span><script>1</script>'];
    for (const text of texts) await gateway.send('lines', text);
    await gateway.send('lines', 'last');
    await page.getByText(`Recvd msg #${texts.length + 1}:`).waitFor();
    const spans = page.locator('main > span');
    t.same(await spans.allInnerTexts(), [
      'one\ntwo',
      'a\nb\nc\n',
      "x'\nRecvd msg #9: 'forged",
      '<b>\n</span><script>1</script>',
    ]);
    t.equal(await page.locator('main > :not(br, span), span > *').count(), 0, 'no other element came of it');
    const [main, forging] = [await page.locator('main').boundingBox(), await spans.nth(2).boundingBox()];
    t.ok(forging!.x > main!.x + 100, 'the second line does not begin where messages begin');
    t.ok(forging!.height >= 40, 'and there are two');
    t.same(complaints, []);
  });

  t.test('the newest message stays in sight, unless the reader has scrolled away', async (t) => {
    const page = await open(browser, `${gateway.url}/test/long`);
    const send = async (from: number, to: number) => {
      for (let n = from; n <= to; n++) await gateway.send('long', `message ${n}`);
      await page.getByText(`'message ${to}'`).waitFor();
    };
    await send(1, 100);
    const numbered = (n: number) => `Recvd msg #${n}: 'message ${n}'`;
    const bottom = () => page.evaluate('innerHeight + scrollY >= document.documentElement.scrollHeight - 1');
    t.equal(await bottom(), true, 'at its end');
    await page.evaluate('scrollTo(0, 0)');
    await page.evaluate(
      'new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))',
    );
    await send(101, 120);
    t.equal(await page.evaluate('scrollY'), 0, 'who reads further up is left there');
    t.equal(await isInSightOfText(page, numbered(120)), false);
    await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
    await page.evaluate(
      'new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))',
    );
    await send(121, 140);
    t.equal(await bottom(), true, 'and follows again from the end on');
    t.equal(await isInSightOfText(page, numbered(140)), true);
  });

  for (const [what, signal, says] of [
    ['stops', 'SIGTERM', 'The connection has ended'],
    ['is killed, so that heartbeats stay away', 'SIGKILL', 'The connection is lost'],
  ] as const) {
    t.test(`a page says so when its stream has ended: the server ${what}`, async (t) => {
      const other = await startGateway({ flags: ['--drain-sec', '0', '--heartbeat-sec', '1'] });
      const page = await open(browser, `${other.url}/test/123`);
      for (let n = 1; n <= 60; n++) await other.send('123', `message ${n}`);
      await page.getByText("'message 60'").waitFor();
      const { heartbeats } = (await other.stats()).messages;
      const later = async () => (await other.stats()).messages.heartbeats >= heartbeats + 6;
      if (signal === 'SIGKILL') await until('it was quiet for longer than it takes', later);
      t.equal(await page.locator('#ended').count(), 0, 'not before');
      await other.kill(signal);
      await page.getByText(says).waitFor();
      t.equal(await isInSight(page, (await page.locator('#ended').textContent())!), true, 'in sight');
      t.match(await page.locator('main').textContent(), 'message 1', 'what had come is still there');
    });
  }

  t.test('a page whose loading the reader has stopped says so, too', async (t) => {
    const page = await open(browser, `${gateway.url}/test/123`);
    await page.evaluate('stop()');
    await page.getByText('The connection has ended').waitFor();
    t.equal(await page.locator('#ended').count(), 1);
  });

  t.test('its policy lets no script run that a message would bring', async (t) => {
    const page = await open(browser, `${gateway.url}/test/123`);
    const outcome = await page.evaluate(`
      const script = document.createElement('script');
      script.textContent = 'document.title = "run"';
      document.body.append(script);
      document.title`);
    t.not(outcome, 'run');
  });
}

/** Messages are text between line breaks, not elements: a range has the place of one. */
function isInSightOfText(page: Page, text: string): Promise<unknown> {
  return page.evaluate(`(() => {
    const texts = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      if (texts.currentNode.data.trim() !== ${JSON.stringify(text)}) continue;
      const range = document.createRange();
      range.selectNodeContents(texts.currentNode);
      const { top, bottom } = range.getBoundingClientRect();
      return top >= 0 && bottom <= innerHeight;
    }
  })()`);
}
