import t from 'tap';
import { upgradeHeaders } from '../conformance/mqtt-3.1.1/raw-mqtt.js';
import { startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { ask, type Wire } from './raw-wire.js';

oneProcessFile('by which name a request comes is looked at where it comes');

/**
 * A page whose name was made to lead to somebody's loopback (DNS rebinding) is of the same origin as what answers there,
 * and may read it. Only `Host` tells.
 */

const routes = [
  '/',
  '/numbers',
  '/client.js',
  '/demo/mqtt',
  '/mqtt',
  '/nowhere',
  '/poll/a?timeout=0',
  '/poll?id=a',
];
const streams = ['/test/a', '/stream/a', '/stream?id=a', '/events/a', '/events?id=a'];
const strangers = [
  'evil.example',
  'evil.example:8000',
  '127.0.0.1.evil.example',
  'localhost.evil.example',
  'evil.example.',
  '',
  '2130706433',
];
const own = [
  'localhost',
  'LOCALHOST:1',
  '127.0.0.1:8000',
  '10.1.2.3',
  '[::1]',
  '[::1]:8000',
  'app.localhost:8000',
  'localhost.:8000',
];

function as(host: string, headers: Record<string, string> = {}) {
  return { headers: { ...headers, Host: host } };
}

t.test('a gateway on loopback is called by address or as localhost', async (t) => {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  for (const path of [...routes, ...streams]) {
    for (const host of strangers) {
      const answer = await ask(gateway.port, path, as(host));
      t.equal(answer.status, 421, `${path} as ${JSON.stringify(host)}`);
      t.match(answer.text, /--allowed-hosts/);
      t.equal((await ask(gateway.port, path, { ...as(host), method: 'HEAD' })).status, 421);
    }
  }
  for (const host of own) {
    t.equal((await ask(gateway.port, '/poll/a?timeout=0', as(host))).status, 204, host);
    t.equal((await ask(gateway.port, '/events/a', { ...as(host), method: 'HEAD' })).status, 200, host);
  }
  const { refused } = (await gateway.stats()).connections;
  t.equal(refused['wrong-host'], 2 * strangers.length * (routes.length + streams.length));
});

t.test('--allowed-hosts are names of it besides, for its streams, its API and MQTT', async (t) => {
  const gateway = await startGateway({ flags: ['--allowed-hosts', 'Push.example,other.example.'] });
  t.teardown(() => gateway.kill());
  for (const host of [
    'push.example',
    'push.example:443',
    'OTHER.example',
    'push.example.',
    'other.example.:80',
  ]) {
    t.equal((await ask(gateway.port, '/poll/a?timeout=0', as(host))).status, 204, host);
    t.equal((await ask(gateway.apiPort, '/stats', as(host))).status, 200, host);
  }
  for (const host of ['evil.example', 'a.push.example', 'push.example.evil', 'push.example..']) {
    t.equal((await ask(gateway.port, '/poll/a?timeout=0', as(host))).status, 421, host);
    t.equal((await ask(gateway.apiPort, '/stats', as(host))).status, 421, host);
  }
  const page = (host: string): Promise<Wire> =>
    ask(gateway.port, '/mqtt', as(host, { ...upgradeHeaders(['mqtt']), Origin: `https://${host}` }));
  t.equal((await page('push.example')).status, 101);
  t.equal((await page('evil.example')).status, 403);
});

t.test('elsewhere than on loopback it has any name, unless it is told which', async (t) => {
  const everywhere = ['--host', '0.0.0.0', '--mqtt', 'false'];
  const [any, named, all] = await Promise.all([
    startGateway({ flags: everywhere }),
    startGateway({ flags: [...everywhere, '--allowed-hosts', 'push.example'] }),
    startGateway({ flags: ['--allowed-hosts', '*'] }),
  ]);
  t.teardown(() => Promise.all([any.kill(), named.kill(), all.kill()]));
  const status = async (port: number, host: string) =>
    (await ask(port, '/poll/a?timeout=0', as(host))).status;
  t.equal(await status(any.port, 'push.example'), 204);
  t.equal(await status(named.port, 'push.example'), 204);
  t.equal(await status(named.port, 'evil.example'), 421);
  t.equal(await status(all.port, 'evil.example'), 204);
});
