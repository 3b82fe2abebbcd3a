import { type GatewayProcess, startGateway } from '../test/gateway-process.js';
import { until } from '../test/until.js';
import { MqttLoad } from './mqtt-load.js';
import { sideBySide } from './side-by-side.js';

/**
 * What does a delivery cost when messages come in bursts? One topic with 2,000 subscribers; 20 messages at once, beside
 * one at a time, which is what one write costs: server CPU a delivery. Server on core 0; run this on core 1:
 *
 *     npm run build && taskset -c 1 node dist/bench/mqtt-burst.js
 */

const subscribers = 2_000;
const messages = 200;
const payload = 'x'.repeat(100);

const encke = await startGateway({ cpu: 0, flags: ['--log-level', 'warn'] });
await sideBySide(
  { ours: '20 at once', theirs: 'one at a time', unit: 'µs of server CPU a delivery', pairs: 9 },
  () => measure(encke, 20),
  () => measure(encke, 1),
);
await encke.kill();
process.exit();

async function measure(server: GatewayProcess, burst: number): Promise<number> {
  const load = new MqttLoad(server.port);
  await load.subscribe(subscribers, 0, () => 'all');
  await load.addPublishers(1);
  const cpuBefore = server.cpuSec;
  // A burst leaves when the one before it has arrived everywhere: nothing is ever backpressured.
  await load.publish({
    messages,
    perWrite: burst,
    window: burst,
    qos: 0,
    topicOf: () => 'all',
    subscribersOfTopic: subscribers,
    payload,
  });
  const cpuSec = server.cpuSec - cpuBefore;
  await load.close();
  await until('the server has noticed', () => server.descriptors < 1_000);
  return (cpuSec * 1e6) / (messages * subscribers);
}
