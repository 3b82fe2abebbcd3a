import t from 'tap';
import { upgradeHeaders } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import { until } from '../../until.js';
import { connectRaw } from '../mqtt/raw-client.js';
import { ask, Wire } from '../raw-wire.js';
import { startInProcess, statsOf } from './in-process.js';

t.test('MQTT has a limit of its own on all its ports, and leaves the rest to streams', async (t) => {
  const running = await startInProcess([], { connectionsMax: 10, mqttConnectionsMax: 3 });
  t.teardown(() => running.gateway.stop());
  const clients = await Promise.all([1, 2, 3].map(() => connectRaw(t, running)));
  const open = () => statsOf(running).connections.byTransport['mqtt-ws'];
  const upgrade = () => ask(running.port, '/mqtt', { headers: upgradeHeaders(['mqtt']) });
  const refused = await upgrade();
  t.equal(refused.status, 503);
  t.equal(refused.header('Retry-After'), '10');
  const wire = await Wire.open(running.port);
  t.teardown(() => wire.close());
  wire.ask('/stream/x');
  await until('the stream is open', () => wire.chunks.length > 0);
  t.equal(open(), 3);
  await clients[0]!.drop();
  await until('it has gone', () => open() === 2);
  await connectRaw(t, running);
});
