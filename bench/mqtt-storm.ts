import { startGateway } from '../test/gateway-process.js';
import { until } from '../test/until.js';
import { MqttLoad } from './mqtt-load.js';
import { settled } from './settled.js';

/**
 * Does memory come back after reconnect storms? 10,000 MQTT clients, each with one subscription, all drop and come
 * back within 5 seconds, ten times: RSS with all of them there, before the first storm and after each. Server on
 * core 0; run this on core 1:
 *
 *     npm run build && taskset -c 1 node dist/bench/mqtt-storm.js
 */

const connections = 10_000;
const storms = 10;

const gateway = await startGateway({ cpu: 0, flags: ['--log-level', 'warn'] });
const start = await settled(gateway);
let load = new MqttLoad(gateway.port);
await load.subscribe(connections, 1);
const before = await settled(gateway);
console.log(
  `Node ${process.version}; RSS ${mb(start)} MB at the start, ${mb(before)} MB with ${connections}`,
);
console.log('storm | back after s | RSS MB at once | RSS MB settled | beside the first');
for (let storm = 1; storm <= storms; storm++) {
  const startedMs = performance.now();
  await load.close();
  load = new MqttLoad(gateway.port);
  await load.subscribe(connections, 1);
  const tookSec = (performance.now() - startedMs) / 1000;
  await until('no one is counted twice', async () => (await gateway.stats()).router.logins === connections);
  const atOnce = gateway.rssBytes;
  const after = await settled(gateway);
  const change = (((after - before) / before) * 100).toFixed(1);
  console.log(`${storm} | ${tookSec.toFixed(1)} | ${mb(atOnce)} | ${mb(after)} | ${change} %`);
}
await load.close();
await gateway.kill();
process.exit();

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
