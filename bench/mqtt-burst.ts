import { type GatewayProcess, startGateway } from '../test/gateway-process.js';
import { until } from '../test/until.js';
import { readArguments } from './contenders.js';
import { MqttLoad } from './mqtt-load.js';
import { sideBySide } from './side-by-side.js';

/**
 * What does a delivery cost when messages come in bursts? One topic with 2,000 subscribers; 20 messages at once, beside
 * one at a time, which is what one write costs: server CPU a delivery. Arguments: other numbers, and another build, which
 * gets the burst in the place of one at a time. Server on core 0; run this on core 1:
 *
 *     npm run build && taskset -c 1 node dist/bench/mqtt-burst.js [10000 50] [--beside /tmp/base/dist/cli/encke.js]
 */

const { build: other, flags: numbers } = readArguments();
const [subscribers = 2_000, burst = 20] = numbers.map(Number);
const messages = subscribers > 5_000 ? 2 * burst : 200;
const payload = 'x'.repeat(100);

const encke = await startGateway({ cpu: 0, flags: ['--log-level', 'warn'] });
const beside =
  other === undefined
    ? encke
    : await startGateway({ cpu: 0, flags: ['--log-level', 'warn'], program: other });
await sideBySide(
  {
    ours: `${burst} at once`,
    theirs: other === undefined ? 'one at a time' : 'other build',
    unit: 'µs of server CPU a delivery',
    pairs: subscribers > 5_000 ? 5 : 9,
  },
  () => measure(encke, burst),
  () => measure(beside, other === undefined ? 1 : burst),
);
await encke.kill();
await beside.kill();
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
