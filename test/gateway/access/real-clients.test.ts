import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import mqtt from 'mqtt';
import type { Browser, Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { nowSec, secret, sign } from '../../access/tokens.js';
import { openChromium } from '../../chromium.js';
import { findOrInstall, findPythonWith } from '../../debian-package.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { RedisServer } from '../../redis-server.js';
import { PahoClient } from '../mqtt/paho-client.js';
import { ask, basic, bearer } from '../raw-wire.js';

/** MQTT.js, Paho, curl and a browser with credentials, and passwords that other tools have hashed. */

t.setTimeout(230_000); // Paho, Chromium or htpasswd may have to be installed first

const server = await RedisServer.start();
const redis = server.client();
t.teardown(() => server.stop());
const start = (...flags: string[]) => startGateway({ flags: [...flags, '--auth-timeout-ms', '7000'] });
const jwt = ['--auth', 'jwt,redis', '--auth-jwt-secret', secret, '--auth-redis', server.url];
const gateway = await start(...jwt);
t.teardown(() => gateway.kill());
await redis.hset('mqtt_user:sensor', { password: 'secret' });
await redis.hset('mqtt_acl:sensor', { 'sensor/%u/#': 3 });
const claims = { sub: 'alice', subs: ['user/%u/#'], pubs: ['user/%u/#'] };

t.test('MQTT.js with a password in Redis, and with a token as password', async (t) => {
  const open = (username: string, password: string) =>
    mqtt.connectAsync(`ws://127.0.0.1:${gateway.port}/mqtt`, { username, password, reconnectPeriod: 0 });
  for (const [username, password, own, foreign] of [
    ['sensor', 'secret', 'sensor/sensor/x', 'user/alice/x'],
    ['whatever', await sign(claims), 'user/alice/x', 'sensor/sensor/x'],
  ] as const) {
    const client = await open(username, password);
    t.match(await client.subscribeAsync(own, { qos: 1 }), [{ topic: own, qos: 1 }]);
    await t.rejects(client.subscribeAsync(foreign), 'SUBACK 0x80');
    const arrived = new Promise<string>((resolve) =>
      client.once('message', (_, payload) => resolve(String(payload))),
    );
    await client.publishAsync(own, 'Hello', { qos: 1 });
    t.equal(await arrived, 'Hello', username);
    await client.endAsync();
  }
  await t.rejects(open('sensor', 'wrong'), { code: 4 }, 'CONNACK 4');
  await t.rejects(open('alice', await sign({ ...claims, exp: nowSec() - 60 })), { code: 4 });
});

const python = await findPythonWith('paho.mqtt.client', 'python3-paho-mqtt');
const noPaho = 'missing' in python ? { skip: python.missing } : {};
t.test('Paho with a password in Redis, and with a token as password', noPaho, async (t) => {
  if ('missing' in python) return;
  for (const [userName, password, own, foreign] of [
    ['sensor', 'secret', 'sensor/sensor/x', 'user/alice/x'],
    ['whatever', await sign(claims), 'user/alice/x', 'sensor/sensor/x'],
  ] as const) {
    const client = await PahoClient.connect(t, python.path, gateway, {
      clientId: userName,
      userName,
      password,
    });
    t.match(client.connack, { code: 0 });
    t.same(await client.subscribe([own, 1], [foreign, 1]), [1, 0x80]);
    await client.publish(own, 'Hello', 1);
    t.equal((await client.untilReceived(1))[0]!.payload.toString(), 'Hello');
    await client.leave();
  }
  const options = { clientId: 'w', userName: 'sensor', password: 'wrong' };
  t.match((await PahoClient.connect(t, python.path, gateway, options)).connack, { code: 4 });
});

t.test('curl with a user and password, and with a token', async (t) => {
  const curl = (...args: string[]) => {
    const { stdout } = spawnSync('curl', ['-s', '-w', '%{http_code}', '-m', '60', ...args], {
      encoding: 'utf8',
    });
    return stdout;
  };
  const token = await sign(claims);
  const poll = (id: string) => `${gateway.url}/poll/${id}?timeout=0`;
  t.match(curl('-u', 'sensor:secret', poll('sensor/sensor/y')), /204$/);
  t.match(curl('-u', 'sensor:wrong', poll('sensor/sensor/y')), /401$/);
  t.match(curl('-H', `Authorization: Bearer ${token}`, poll('user/alice/y')), /204$/);
  t.match(curl('--oauth2-bearer', token, poll('user/alice/y')), /204$/);
  t.match(curl(poll('user/alice/y')), /401$/);
  t.match(
    curl('-u', 'sensor:secret', '-d', 'x', `${gateway.apiUrl}/send/sensor/sensor/y`),
    /"delivered":0.*200$/s,
  );
});

t.test('passwords that other tools have hashed', async (t) => {
  const says = (program: string, ...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${program}: ${stderr}`);
    return stdout.trim();
  };
  const python = (code: string) => says('/usr/bin/python3', '-c', `import hashlib; print(${code})`);
  const hashed: [hash: string, stored: { password: string; salt?: string }][] = [];
  if (!('missing' in (await findOrInstall('python3', 'python3'))))
    hashed.push(
      [
        'pbkdf2,sha256,1000,20',
        {
          salt: 'NaCl',
          password: python("hashlib.pbkdf2_hmac('sha256', 'sésame'.encode(), b'NaCl', 1000, 20).hex()"),
        },
      ],
      [
        'pbkdf2,sha512,2000,64',
        {
          salt: 'NaCl',
          password: python("hashlib.pbkdf2_hmac('sha512', 'sésame'.encode(), b'NaCl', 2000, 64).hex()"),
        },
      ],
      [
        'salt,sha256',
        { salt: 'NaCl', password: python("hashlib.sha256('NaClsésame'.encode()).hexdigest()") },
      ],
      ['md5,salt', { salt: 'NaCl', password: python("hashlib.md5('sésameNaCl'.encode()).hexdigest()") }],
    );
  const htpasswd = await findOrInstall('htpasswd', 'apache2-utils');
  if (!('missing' in htpasswd))
    hashed.push(['bcrypt', { password: says(htpasswd.path, '-nbB', 'x', 'sésame').split(':')[1]! }]);
  const sha256sum = spawnSync('sha256sum', { input: 'sésame', encoding: 'utf8' });
  hashed.push(['sha256', { password: sha256sum.stdout.split(' ')[0]! }]);
  t.ok(hashed.length >= 1, `${hashed.length} kinds`);
  for (const [hash, stored] of hashed) {
    await redis.del('mqtt_user:guest');
    await redis.hset('mqtt_user:guest', stored);
    await redis.hset('mqtt_acl:guest', { x: 1 });
    const other = await start(
      '--auth',
      'redis',
      '--auth-redis',
      server.url,
      '--auth-redis-password-hash',
      hash,
    );
    const status = async (password: string) =>
      (await ask(other.port, '/poll/x?timeout=0', basic('guest', password))).status;
    t.equal(await status('sésame'), 204, hash);
    t.equal(await status('sesame'), 401, hash);
    await other.kill();
  }
});

const browser = await openChromium('--host-resolver-rules=MAP *.example.test 127.0.0.1');
const noBrowser = 'missing' in browser ? { skip: browser.missing } : {};
t.test('EventSource of a page of another origin, with the cookie of its site', noBrowser, async (t) => {
  if ('missing' in browser) return;
  t.teardown(() => browser.close());
  await tryBrowser(t, browser);
});

/** The page is of app.example.test, the gateway push.example.test: the cookie of example.test goes to both. */
async function tryBrowser(t: Test, browser: Browser): Promise<void> {
  let cookie = '';
  const site = createServer((_, response) => {
    response.setHeader(
      'Set-Cookie',
      `session=${cookie}; Domain=example.test; HttpOnly; SameSite=Lax; Path=/`,
    );
    response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>app</title>');
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  t.teardown(() => site.close());
  const port = (site.address() as AddressInfo).port;
  const push = await startGateway({
    flags: [
      ...['--auth', 'jwt', '--auth-jwt-secret', secret, '--auth-jwt-cookie', 'session'],
      ...['--allow-origin', `http://app.example.test:${port}`, '--allowed-hosts', 'push.example.test'],
    ],
  });
  t.teardown(() => push.kill());
  const open = async (host: string, token: string, id: string, withCredentials: boolean): Promise<Page> => {
    cookie = token;
    const page = await (await browser.newContext()).newPage();
    await page.goto(`http://${host}:${port}/`);
    await page.evaluate(
      `globalThis.said = [];
      const source = new EventSource('http://push.example.test:${push.port}/events/${id}', { withCredentials: ${withCredentials} });
      source.onopen = () => said.push('open');
      source.onerror = () => said.push('error');
      source.onmessage = ({ data }) => said.push(data);`,
    );
    return page;
  };
  const says = async (page: Page, word: string) => {
    await page.waitForFunction(`said.some((one) => one.includes('${word}'))`, undefined, { timeout: 60_000 });
    return page.evaluate('said');
  };
  const token = await sign(claims);
  const page = await open('app.example.test', token, 'user/alice/news', true);
  await says(page, 'open');
  t.equal(await sendTo(push, 'user/alice/news', token), 200);
  await says(page, 'Hello');
  for (const [what, host, given, id, withCredentials] of [
    ['without the cookie', 'app.example.test', token, 'user/alice/news', false],
    ['an id that is not its own', 'app.example.test', token, 'user/bob/news', true],
    ['a wrong token', 'app.example.test', `${token}x`, 'user/alice/news', true],
    ['a page of another site', 'evil.example.test', token, 'user/alice/news', true],
  ] as const) {
    const refused = await open(host, given, id, withCredentials);
    t.match(await says(refused, 'error'), ['error'], what);
    await refused.context().close();
  }
  await page.context().close();
}

async function sendTo({ apiPort }: GatewayProcess, id: string, token: string): Promise<number> {
  return (await ask(apiPort, `/send/${id}`, { method: 'POST', body: 'Hello', ...bearer(token) })).status;
}
