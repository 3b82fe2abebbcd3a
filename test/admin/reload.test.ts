import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { encke } from '../cli/encke.js';
import { RealClient } from '../gateway/mqtt/real-client.js';
import { openStream } from '../gateway/raw-wire.js';
import { startProcess } from '../gateway-process.js';
import { until } from '../until.js';

/** Settings that change while the gateway runs: none of its connections ends. */

const [first, second] = ['the-first-token-of-all', 'the-second-token-here'];
const settings = {
  apiToken: first,
  mqttToken: first,
  historyRules: ['a/# 100 60', '# 5 60'],
  allowOrigin: ['https://one.example.com'],
  logLevel: 'info',
  pendingBytesMax: 100_000,
};

const gateway = await (async () => {
  const file = join(t.testdir(), 'encke.json');
  writeFileSync(file, JSON.stringify(settings));
  const flags = ['--config', file, '--admin-port', '0', '--heartbeat-sec', '40'];
  const started = await startProcess({ flags });
  t.teardown(() => started.kill());
  return Object.assign(started, { write: (next: object) => writeFileSync(file, JSON.stringify(next)) });
})();

let token = first;

async function reload() {
  const response = await fetch(`${gateway.adminUrl}/api/v1/reload`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
  });
  const { nodes, unanswered } = (await response.json()) as { nodes: object[]; unanswered: string[] };
  t.same(unanswered, []);
  return nodes[0] as { taken: boolean; sentence: string; changed: string[] };
}

async function send(id: string, text: string, own = token): Promise<number> {
  const headers = { Authorization: `Bearer ${own}` };
  return (await fetch(`${gateway.apiUrl}/send/${id}`, { method: 'POST', body: text, headers })).status;
}

async function kept(id: string): Promise<string[]> {
  const headers = { Authorization: `Bearer ${token}` };
  const response = await fetch(`${gateway.adminUrl}/api/v1/history/${id}`, { headers });
  if (response.status !== 200) return [];
  return ((await response.json()) as { messages: { data: string }[] }).messages.map(({ data }) => data);
}

t.test('SIGHUP and the admin API take new settings, and no connection ends', async (t) => {
  const stream = await openStream(gateway.port, '/stream/a/1');
  const client = await RealClient.connect(t, gateway, { username: 'x', password: first });
  await client.subscribe('a/1', 1);
  for (const id of ['a/1', 'b', 'c/1']) for (const text of ['1', '2', '3']) await send(id, text);
  await stream.saw('3');

  gateway.write({
    ...settings,
    apiToken: second,
    mqttToken: second,
    messageBytesMax: 50_000,
    heartbeatSec: 20,
  });
  gateway.child.kill('SIGHUP');
  await until('the log says so', () => gateway.log.includes('settings read again'));
  t.match(gateway.log, /Changed: apiToken, mqttToken\. These wait for a restart: messageBytesMax\. /);
  t.match(gateway.log, /a flag or the environment sets them: heartbeatSec\./);
  t.notMatch(gateway.log, second, 'a token is never shown');
  t.equal(await send('a/1', 'late'), 401, 'the token before');
  token = second;
  t.equal(await send('a/1', '4'), 200, 'the new one');
  await t.rejects(RealClient.connect(t, gateway, { username: 'x', password: first }), { code: 4 });
  await RealClient.connect(t, gateway, { username: 'x', password: second });

  const next = {
    ...{ ...settings, apiToken: second, mqttToken: second },
    historyRules: ['c/# 0 0', '# 2 60'],
    allowOrigin: ['https://two.example.com'],
    mqttRewrite: ['pub old/# ^old/(.+)$ a/$1'],
    mqttAutoSubscribe: ['inbox/$c=1'],
    rateLimitConnects: '1,1',
    logLevel: 'debug',
  };
  gateway.write(next);
  t.match(await reload(), { taken: true, sentence: /^Changed: .*historyRules/ });
  t.same(await kept('b'), ['1', '2', '3'], 'what is kept stays until the next message');
  await send('b', '4');
  t.same(await kept('b'), ['3', '4']);
  t.same(await kept('a/1'), ['1', '2', '3', '4'], 'under another rule now');
  t.same(await kept('c/1'), []);
  const origin = async (name: string) => {
    const headers = { Origin: `https://${name}.example.com`, Authorization: `Bearer ${token}` };
    const response = await fetch(`${gateway.url}/poll/b?timeout=0`, { headers });
    return response.headers.get('Access-Control-Allow-Origin');
  };
  t.equal(await origin('one'), null);
  t.equal(await origin('two'), 'https://two.example.com');
  const subscriber = await RealClient.connect(t, gateway, {
    username: 'x',
    password: second,
    clientId: 'sensor',
  });
  await subscriber.publish('old/1', 'rewritten', { qos: 1 });
  await stream.saw('rewritten');
  await subscriber.publish('inbox/sensor', 'for me', { qos: 1 });
  await subscriber.exactly(1);
  const refusals = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const { status, body } = await fetch(`${gateway.url}/stream/b`);
      await body?.cancel();
      return status;
    }),
  );
  t.ok(refusals.includes(503), `one connection a second: ${refusals}`);

  gateway.write({ ...next, rateLimitConnects: '', apiAllowOrigin: 'no list' });
  t.match(await reload(), { taken: false, sentence: /^Nothing has changed: "apiAllowOrigin" .* must be/ });
  gateway.write({ ...next, rateLimitConnects: '', mqttRewrite: ['pub a/# ( b'] });
  t.match(
    await reload(),
    { taken: false, sentence: /regular expression/ },
    'checked before anything is taken',
  );
  gateway.write({ ...next, rateLimitConnects: '', auth: ['file'], authFile: '/nowhere' });
  t.match(
    await reload(),
    { taken: false, sentence: /auth would need a restart/ },
    'nobody was asked for a name until now',
  );
  t.equal(await send('a/1', '5'), 200);
  await stream.saw('5');
  t.notOk(stream.closed);
  t.ok(client.mqtt.connected);
  await stream.close();
});

t.test('encke ctl reload says what has changed, and fails where nothing can', async (t) => {
  const environment = { ENCKE_ADMIN_URL: gateway.adminUrl, ENCKE_ADMIN_TOKEN: token };
  gateway.write({ ...settings, apiToken: second, mqttToken: second, drainSec: 7 });
  const good = await encke(['ctl', 'reload'], { environment });
  t.match(good, { code: 0, stdout: /^encke: Changed: .*drainSec/ });
  gateway.write({ drainSec: -1 });
  const bad = await encke(['ctl', 'reload'], { environment });
  t.match(bad, { code: 1, stdout: /Nothing has changed: "drainSec".*must be/ });
});
