import type { Browser } from 'playwright-core';
import t, { type Test } from 'tap';
import { EventSource as UndiciEventSource } from 'undici';
import { openChromium } from '../chromium.js';
import { cursorNow } from '../gateway/history/ask-poll.js';
import { littleHistory, raiseFloors } from '../gateway/history/raised-floors.js';
import { startGateway } from '../gateway-process.js';
import { until } from '../until.js';
import { HttpProxy } from './http-proxy.js';

/**
 * EventSources that have had no message know where they stand all the same, and come back behind that: from the
 * greeting, and from what heartbeats of a quiet stream say. `onmessage` hears nothing of it. npm's `eventsource` takes
 * an id from events with data alone.
 */

t.setTimeout(300_000); // Chromium may have to be installed first

interface Heard {
  readyState: number;
  /** The calls of `onmessage` and of the listeners of `cursor` and `recovered`. */
  messages: string[];
  cursors: { cursor: string; lastEventId: string }[];
  recovered: string[];
}

type Listen = (t: Test, url: string) => Promise<() => Promise<Heard>>;

/** As source text, since it runs in a page, too. */
const listening = `(source, heard) => {
  source.onmessage = ({ data }) => heard.messages.push(data);
  source.addEventListener('recovered', ({ data }) => heard.recovered.push(data));
  source.addEventListener('cursor', ({ data, lastEventId }) => {
    heard.cursors.push({ cursor: JSON.parse(data).cursor, lastEventId });
  });
}`;
const nothing = '{ messages: [], cursors: [], recovered: [] }';

const inNode =
  (EventSource: new (url: string) => { readyState: number; close(): void }): Listen =>
  async (t, url) => {
    const source = new EventSource(url);
    t.teardown(() => source.close());
    const [listen, heard] = new Function(`return [${listening}, ${nothing}]`)();
    listen(source, heard);
    return async () => ({ ...heard, readyState: source.readyState });
  };

const inChromium =
  (browser: Browser): Listen =>
  async (t, url) => {
    const page = await browser.newPage({ bypassCSP: true }); // its address stands for a page
    t.teardown(() => page.close());
    await page.goto(new URL('/numbers', url).href);
    await page.evaluate(`
      window.heard = ${nothing};
      window.source = new EventSource(${JSON.stringify(url)});
      (${listening})(source, heard);
    `);
    return () => page.evaluate('({ ...heard, readyState: source.readyState })') as Promise<Heard>;
  };

const gateway = await startGateway({ flags: ['--heartbeat-sec', '1', ...littleHistory] });
t.teardown(() => gateway.kill());

const npm = await import('eventsource' as string);
const clients = new Map<string, Listen>([
  ['undici', inNode(UndiciEventSource as never)],
  ['npm eventsource', inNode(npm.EventSource)],
]);
const browser = await openChromium();
if ('missing' in browser) {
  process.stderr.write(`\nSKIPPED: EventSource was not tried in a browser. ${browser.missing}\n\n`);
  t.test('Chromium', { skip: browser.missing }, async () => {});
} else {
  t.teardown(() => browser.close());
  clients.set('Chromium', inChromium(browser));
}

/** Several ids, as few but some stay as they were while others are raised. */
const quietIds = (n: number) => Array.from({ length: 8 }, (_, k) => `id=quiet-${n}-${k}`).join('&');

async function isSent(id: string): Promise<void> {
  await gateway.send(id, 'while it was away');
}

t.test('with the greeting alone', async (t) => {
  for (const [name, listen] of clients) {
    const proxy = await HttpProxy.to(gateway.url);
    t.teardown(() => proxy.close());
    const id = `greeted-${name.replace(' ', '-')}`;
    const heard = await listen(t, `${proxy.url}/events/${id}`);
    await until(`${name} is greeted`, async () => (await heard()).cursors.length === 1);
    const { cursors, messages } = await heard();
    t.match(cursors[0]!.cursor, /^\w+:0$/, `${name}: stands at the beginning`);
    t.equal(cursors[0]!.lastEventId, cursors[0]!.cursor);
    t.same(messages, [], 'and onmessage was not called');
    proxy.cut();
    await until(`${name} is away`, async () => (await gateway.stats()).connections.open === 0);
    await isSent(id);
    await until(`${name} is back`, async () => (await heard()).messages.length > 0, 30_000);
    t.match(await heard(), { messages: ['while it was away'], recovered: ['{"recovered":true}'] });
    proxy.close();
    proxy.cut();
    await until(`${name} has left`, async () => (await gateway.stats()).connections.open === 0);
  }
});

t.test('with what a heartbeat says', async (t) => {
  const proxy = await HttpProxy.to(gateway.url);
  t.teardown(() => proxy.close());
  const all = await Promise.all(
    [...clients].map(async ([name, listen], n) => {
      const ids = quietIds(n);
      return { name, ids, heard: await listen(t, `${proxy.url}/events?${ids}`) };
    }),
  );
  for (const { name, heard } of all)
    await until(`${name} is greeted`, async () => (await heard()).cursors.length === 1);
  await raiseFloors(gateway);
  for (const { name, ids, heard } of all) {
    const cursor = await cursorNow(gateway.port, `?${ids}`);
    const last = async () => (await heard()).cursors.at(-1)!;
    await until(`${name} is told`, async () => (await last()).cursor === cursor, 30_000);
    t.equal((await last()).lastEventId, cursor, name);
    t.ok((await heard()).cursors.length > 1, `${name}: not by its greeting`);
  }
  proxy.cut();
  for (const [n, { name, heard }] of all.entries()) {
    await until(`${name} is back`, async () => (await heard()).recovered.length > 0, 30_000);
    t.match(
      await heard(),
      { messages: [], recovered: ['{"recovered":true}'] },
      `${name}: an older one would be refused`,
    );
    await gateway.send(`quiet-${n}-0`, 'new');
    await until(`${name} goes on`, async () => (await heard()).messages.length === 1);
  }
});
