import type { Browser } from 'playwright-core';
import t from 'tap';
import { openChromium } from '../chromium.js';
import { complaintsOf } from '../gateway/page-complaints.js';
import { startProcess } from '../gateway-process.js';
import { until } from '../until.js';

t.setTimeout(300_000); // Chromium may have to be installed first

const token = 'a-token-of-operators';
const browser = await openChromium();
if ('missing' in browser) {
  process.stderr.write(`\nSKIPPED: the dashboard was not tried in a browser. ${browser.missing}\n\n`);
  t.test('the dashboard in a browser', { skip: browser.missing }, async () => {});
} else {
  t.teardown(() => browser.close());
  await tryDashboard(browser);
}

async function tryDashboard(browser: Browser): Promise<void> {
  t.test('the dashboard shows the nodes, finds clients, and ends a connection', async (t) => {
    const gateway = await startProcess({ flags: ['--admin-port', '0', '--admin-token', token] });
    t.teardown(() => gateway.kill());
    const hostile = '<img src=x onerror="document.title=1">';
    const streams = await Promise.all(
      ['123', encodeURIComponent(hostile)].map((id) => fetch(`${gateway.url}/stream/${id}`)),
    );
    t.teardown(() => streams.map((stream) => stream.body?.cancel().catch(() => {})));
    const page = await browser.newPage();
    const complaints = complaintsOf(page);
    await page.goto(gateway.adminUrl);
    await page.locator('#token').fill(token);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.locator('#connections', { hasText: /^2$/ }).waitFor();
    await page.locator('#nodes td', { hasText: /^encke$/ }).waitFor();
    await page.locator('#clients td', { hasText: hostile }).waitFor();
    t.equal(await page.title(), 'Encke: dashboard', 'what clients say is text');

    await page.locator('#by').selectOption('id');
    await page.locator('#text').fill('123');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.locator('#found', { hasText: /^1$/ }).waitFor();
    page.on('dialog', (dialog) => dialog.accept());
    await page.getByRole('button', { name: 'End the connection of 123' }).click();
    await until('it is ended', async () => (await gateway.stats()).connections.closed.kicked === 1);
    await page.locator('#found', { hasText: /^none$/ }).waitFor();

    for (const width of [390, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      t.equal(
        await page.evaluate('document.documentElement.scrollWidth'),
        width,
        `nothing sticks out at ${width} px`,
      );
    }
    t.same(
      complaints.filter((complaint) => !complaint.includes('401')),
      [],
      'the browser has nothing to complain of',
    );
    await page.close();
  });
}
