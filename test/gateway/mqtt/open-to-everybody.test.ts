import t, { type Test } from 'tap';
import { ConfigError, readConfig } from '../../../gateway/config.js';
import { encke } from '../../cli/encke.js';
import { upgradeHeaders } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { ask, openStream } from '../raw-wire.js';
import { RealClient } from './real-client.js';

oneProcessFile('who may connect to one process');

/** A gateway on more than loopback: who may publish there, and which pages may connect. */

const token = 'a-token-of-some-length';

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  return gateway;
}

t.test('on more than loopback MQTT wants a token, or a word that it need not', async (t) => {
  const outcome = await encke(['start', '--port', '0', '--api-port', '0', '--host', '0.0.0.0']);
  t.equal(outcome.code, 2);
  t.equal(outcome.stdout, '');
  t.match(outcome.stderr, /^encke start: MQTT would let anybody on 0\.0\.0\.0 publish: [^\n]*\n$/);
  for (const flag of ['--mqtt-token', '--mqtt false', '--mqtt-allow-anonymous true', '--host'])
    t.match(outcome.stderr, flag, 'it says how to mend it');
  for (const host of ['::', '192.0.2.1', '10.0.0.1', '127.0.0.1.example.com'])
    t.throws(() => readConfig({ flags: { host } }), ConfigError, host);
  for (const flags of [
    { host: '127.0.0.1' },
    { host: 'localhost' },
    { host: '::1' },
    { host: '0.0.0.0', mqttToken: token },
    { host: '0.0.0.0', mqtt: 'false' },
    { host: '0.0.0.0', mqttAllowAnonymous: 'true' },
  ]) {
    t.doesNotThrow(() => readConfig({ flags }), JSON.stringify(flags));
  }
});

t.test('--mqtt-allow-anonymous lets everybody in, --mqtt-token who has it', async (t) => {
  const open = await start(t, '--host', '0.0.0.0', '--mqtt-allow-anonymous', 'true');
  t.ok((await RealClient.connect(t, open)).connected);
  const closed = await start(t, '--host', '0.0.0.0', '--mqtt-token', token);
  await t.rejects(RealClient.connect(t, closed), { code: 5 });
  t.ok((await RealClient.connect(t, closed, { username: 'x', password: token })).connected);
});

t.test('with --mqtt false there are HTTP streams alone', async (t) => {
  const gateway = await start(t, '--host', '0.0.0.0', '--mqtt', 'false');
  for (const path of ['/mqtt', '/demo/mqtt', '/demo/mqtt.js'])
    t.equal((await ask(gateway.port, path)).status, 404, path);
  const upgrade = await ask(gateway.port, '/mqtt', { headers: upgradeHeaders(['mqtt']) });
  t.equal(upgrade.status, 404);
  t.notMatch(upgrade.text, /mqtt/i);
  t.notMatch((await ask(gateway.port, '/')).text, '/mqtt');
  const stream = await openStream(gateway.port, '/stream/123');
  t.equal(await gateway.send('123', 'Hello'), 1);
  await stream.saw('"Hello"');
  await stream.close();
});

t.test('a name that leads here makes no own page, unless a token is wanted', async (t) => {
  const as = (gateway: GatewayProcess, Host: string, scheme = 'http') =>
    RealClient.connect(t, gateway, {
      username: 'page',
      password: token,
      wsOptions: { headers: { Host, Origin: `${scheme}://${Host}` } },
    });
  const host = ['--host', '0.0.0.0'];
  const anonymous = await start(t, ...host, '--mqtt-allow-anonymous', 'true');
  for (const name of [`rebound.example:${anonymous.port}`, 'rebound.example', '127.0.0.1.example'])
    await t.rejects(as(anonymous, name), { message: /HTTP 403/ }, name);
  for (const address of [
    `127.0.0.1:${anonymous.port}`,
    `localhost:${anonymous.port}`,
    '192.0.2.1',
    '[::1]:8000',
  ])
    t.ok((await as(anonymous, address)).connected, address);
  const named = await start(t, ...host, '--mqtt-token', token);
  t.ok((await as(named, 'chat.example.com', 'https')).connected, 'its page does not know the token');
  const withUsers = await start(t, '--auth', 'jwt', '--auth-jwt-secret', 'x'.repeat(40));
  await t.rejects(
    as(withUsers, 'chat.example.com', 'https'),
    { code: 4 },
    'its page has no user, and may ask',
  );
  const behindProxy = await start(t, '--mqtt-allow-origin', 'https://chat.example.com');
  t.ok((await as(behindProxy, 'chat.example.com', 'https')).connected, 'as operations.md says');
});
