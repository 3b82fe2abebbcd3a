import { readFileSync } from 'node:fs';
import { Crowd } from '../test/crowd.js';
import { type GatewayProcess, startGateway } from '../test/gateway-process.js';
import { connectPacket, frame, upgradeRequest } from '../test/mqtt-bytes.js';
import { NatsServer } from '../test/nats-server.js';
import { until } from '../test/until.js';

/**
 * What does a CONNECT cost the other nodes, which all hear of it? Storms of 6,000 MQTT clients come to one node of two;
 * CPU of each process for each CONNECT, without presence, beside the same storms at a node that is alone:
 *
 *     npm run build && node dist/bench/takeover.js
 */

const clients = 6_000;
const storms = 5;
const quiet = ['--mqtt-presence', 'false', '--mqtt-sys-interval', '0', '--log-level', 'warn'];

console.log(`Node ${process.version}; ${storms} storms of ${clients} clients`);
console.log('                 | CONNECTs/s | µs at their node | at the other | at nats-server');
for (let pair = 0; pair < 2; pair++) {
  const alone = await startGateway({ flags: quiet });
  await run('alone', alone);
  await alone.kill();
  const nats = await NatsServer.start();
  const flags = [...quiet, '--engine', 'nats', '--nats', nats.url];
  const [a, b] = [await startGateway({ flags }), await startGateway({ flags })];
  await run('one of two nodes', a, b, nats.pid);
  for (const node of [a, b]) await node.kill();
  await nats.stop();
}
process.exit();

async function run(
  name: string,
  node: GatewayProcess,
  other?: GatewayProcess,
  natsPid?: number,
): Promise<void> {
  await storm(node, 0); // the code is warm, and the nodes know each other
  if (other !== undefined) await until('it hears', async () => (await heardBy(other)) >= clients);
  const before = cpuSec(node, other, natsPid);
  const startedMs = performance.now();
  let connectSec = 0;
  for (let n = 1; n <= storms; n++) connectSec += await storm(node, n);
  if (other !== undefined)
    await until('all is heard', async () => (await heardBy(other)) >= (storms + 1) * clients);
  const tookSec = (performance.now() - startedMs) / 1000;
  const beats = other === undefined ? 0 : tookSec; // a beat a second is in it, too
  const used = cpuSec(node, other, natsPid).map((sec, n) => ((sec - before[n]!) * 1e6) / (storms * clients));
  const rate = (storms * clients) / connectSec;
  const [own, others, server] = used.map((us) => us.toFixed(1));
  console.log(
    `${name.padEnd(16)} | ${rate.toFixed(0)} | ${own} | ${others} | ${server}   (${beats.toFixed(0)} s)`,
  );
}

/** @returns how long the clients took to connect, s */
async function storm(node: GatewayProcess, n: number): Promise<number> {
  const crowd = new Crowd(node.port);
  const startedMs = performance.now();
  await crowd.add(clients, (k) => ({
    first: upgradeRequest,
    second: frame(connectPacket(`device-${n}-${k}`)),
  }));
  const connacks = (n + 1) * clients;
  await until('all are connected', async () => (await node.stats()).mqtt.connacks[0] >= connacks);
  const tookSec = (performance.now() - startedMs) / 1000;
  await crowd.clear();
  await until('all have gone', async () => (await node.stats()).connections.open === 0);
  return tookSec;
}

async function heardBy(node: GatewayProcess): Promise<number> {
  return (await node.stats()).mqtt.takeovers.heard;
}

/** Of the node, the other and nats-server, so far. */
function cpuSec(node: GatewayProcess, other?: GatewayProcess, natsPid?: number): number[] {
  return [node.cpuSec, other?.cpuSec ?? 0, natsPid === undefined ? 0 : cpuSecOf(natsPid)];
}

function cpuSecOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
