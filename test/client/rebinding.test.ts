import t from 'tap';
import { openChromium } from '../chromium.js';
import { startGateway } from '../gateway-process.js';
import { until } from '../until.js';

/**
 * DNS rebinding as a browser does it: a page of a name that leads to the loopback of who looks at it. For the browser it
 * is of the same origin as the gateway there, so nothing but the gateway keeps it out.
 */

t.setTimeout(300_000); // Chromium may have to be installed first

const browser = await openChromium('--host-resolver-rules=MAP evil.test 127.0.0.1, MAP push.test 127.0.0.1');
if ('missing' in browser) {
  process.stderr.write(`\nSKIPPED: DNS rebinding was not tried in a browser. ${browser.missing}\n\n`);
  t.test('DNS rebinding in a browser', { skip: browser.missing }, async () => {});
} else {
  t.teardown(() => browser.close());
  t.test('a page of a stranger reads nothing, and one of --allowed-hosts does', async (t) => {
    const gateway = await startGateway({ flags: ['--allowed-hosts', 'push.test'] });
    t.teardown(() => gateway.kill());
    const page = await browser.newPage({ bypassCSP: true });
    for (const [name, status] of [
      ['evil.test', 421],
      ['push.test', 200],
    ] as const) {
      const response = await page.goto(`http://${name}:${gateway.port}/`);
      t.equal(response?.status(), status, `its page is answered ${status}`);
      t.equal(await page.evaluate('location.hostname'), name, 'and it stands in the window of that origin');
      const statuses = await page.evaluate(`Promise.all(['/events/a', '/stream/a', '/test/a', '/numbers'].map(
        async (path) => {
          const stop = new AbortController();
          const { status } = await fetch(path, { signal: stop.signal });
          stop.abort();
          return status;
        }))`);
      t.same(statuses, [status, status, status, status]);
      await page.evaluate(`
        window.got = [];
        window.source = new EventSource('/events/secret');
        source.onmessage = ({ data }) => got.push(data);
        window.socket = new WebSocket('ws://' + location.host + '/mqtt', 'mqtt');
        window.ended = new Promise((resolve) => { socket.onclose = () => resolve('closed'); socket.onopen = () => resolve('open'); });
      `);
      const open = status === 200;
      await until('it is decided', async () => (await page.evaluate('source.readyState')) === (open ? 1 : 2));
      await gateway.send('secret', 'for the right ones');
      if (open) await page.waitForFunction('got.length === 1');
      t.same(await page.evaluate('got'), open ? ['for the right ones'] : []);
      t.equal(await page.evaluate('ended'), open ? 'open' : 'closed', 'MQTT too');
      await page.evaluate('source.close()');
    }
    t.equal((await gateway.stats()).connections.closed['slow-consumer'], 0);
    t.ok((await gateway.stats()).connections.refused['wrong-host'] >= 6);
  });
}
