import t, { type Test } from 'tap';
import { connect } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { RawMqtt, upgradeHeaders } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import { fresh } from '../../conformance/mqtt-3.1.1/server.js';
import { freePort } from '../../free-port.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { ask } from '../raw-wire.js';

oneProcessFile('where a WebSocket is taken; nothing crosses');

/** Where MQTT over WebSocket is, and which subprotocol it wants. */

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  return gateway;
}

/** @returns the return code of its CONNACK */
async function connackAt(t: Test, port: number, path: string, subprotocols = ['mqtt']) {
  const client = await RawMqtt.open({ host: '127.0.0.1', port, path }, subprotocols);
  t.teardown(() => client.drop());
  client.send(connect({ clientId: fresh('path') }));
  const answer = await client.next();
  return { code: answer.type === 'CONNACK' && answer.returnCode, client };
}

t.test('a port for MQTT alone has it at / and at --mqtt-path', async (t) => {
  const port = await freePort();
  const gateway = await start(t, '--mqtt-port', String(port));
  for (const path of ['/', '/mqtt']) t.equal((await connackAt(t, port, path)).code, 0, path);
  t.equal((await ask(port, '/')).status, 426);
  t.equal((await ask(port, '/other', { headers: upgradeHeaders(['mqtt']) })).status, 404);
  t.equal((await connackAt(t, gateway.port, '/mqtt')).code, 0, 'and the public port where it was');
  t.match((await ask(gateway.port, '/')).text, /<html/, 'where / is a page');
  await t.rejects(connackAt(t, gateway.port, '/'), /no upgrade/);
});

t.test('--mqtt-path moves it, and the demo page follows', async (t) => {
  const gateway = await start(t, '--mqtt-path', '/ws/mqtt');
  t.equal((await connackAt(t, gateway.port, '/ws/mqtt')).code, 0);
  await t.rejects(connackAt(t, gateway.port, '/mqtt'), /no upgrade/);
  t.match((await ask(gateway.port, '/demo/mqtt')).text, '<code id="url">/ws/mqtt</code>');
  t.match((await ask(gateway.port, '/nowhere')).text, /\/ws\/mqtt with a WebSocket/);
});

t.test('--mqtt-path may be /, which stays a page for browsers', async (t) => {
  const gateway = await start(t, '--mqtt-path', '/');
  t.equal((await connackAt(t, gateway.port, '/')).code, 0);
  t.match((await ask(gateway.port, '/')).text, /<html/);
});

t.test('a client without a subprotocol is let in with --mqtt-require-subprotocol false', async (t) => {
  const strict = await start(t);
  t.equal((await ask(strict.port, '/mqtt', { headers: upgradeHeaders([]) })).status, 400);
  const gateway = await start(t, '--mqtt-require-subprotocol', 'false');
  const { code, client } = await connackAt(t, gateway.port, '/mqtt', []);
  t.equal(code, 0);
  t.equal(client.header('Sec-WebSocket-Protocol'), undefined, 'and none is selected');
  const usual = await connackAt(t, gateway.port, '/mqtt');
  t.equal(usual.client.header('Sec-WebSocket-Protocol'), 'mqtt', 'one that is asked for is');
  const other = await ask(gateway.port, '/mqtt', { headers: upgradeHeaders(['chat']) });
  t.equal(other.status, 400, 'one that asks for another is refused as before');
});
