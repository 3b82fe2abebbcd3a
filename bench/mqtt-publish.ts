import type { GatewayProcess } from '../test/gateway-process.js';
import { until } from '../test/until.js';
import { Contenders } from './contenders.js';
import { MqttLoad } from './mqtt-load.js';
import { sideBySide } from './side-by-side.js';

/**
 * What does a PUBLISH cost, from one client to another? 20 publishers at full speed, each message to a random one of
 * 10,000 subscribers: server CPU a message, beside the smallest uWebSockets.js program that does the same at QoS 0;
 * and at QoS 1 on both ends beside QoS 0. Or beside another build, at both. Other arguments are flags for the server: the
 * program beside it keeps no history, so without it the two do the same. Server on core 0; run this on core 1:
 *
 *     npm run build && taskset -c 1 node dist/bench/mqtt-publish.js [--beside /tmp/base/dist/cli/encke.js] [--history-rules '# 0 0']
 */

const connections = 10_000;
const publishers = 20;
const messages = 100_000;
const payload = 'x'.repeat(64);

const contenders = await Contenders.start('mqtt-server.js');
await contenders.compare(9, 'µs of server CPU a message at QoS 0', (server) => measure(server, 0));
if (contenders.besideBuild)
  await contenders.compare(9, 'µs of server CPU a message at QoS 1', (server) => measure(server, 1));
else
  await sideBySide(
    { ours: 'QoS 1', theirs: 'QoS 0', unit: 'µs of server CPU a message', pairs: 9 },
    () => measure(contenders.encke, 1),
    () => measure(contenders.encke, 0),
  );
await contenders.end();

async function measure(server: GatewayProcess, qos: number): Promise<number> {
  const load = new MqttLoad(server.port);
  await load.subscribe(connections, qos);
  await load.addPublishers(publishers);
  const cpuBefore = server.cpuSec;
  await load.publish({
    messages,
    perWrite: 20,
    window: 2_000,
    qos,
    topicOf: () => String(Math.floor(Math.random() * connections)),
    payload,
  });
  const cpuSec = server.cpuSec - cpuBefore;
  await load.close();
  await until('the server has noticed', () => server.descriptors < 1_000);
  return (cpuSec * 1e6) / messages;
}
