/**
 * The question: what does an MQTT CONNECT cost where a client id has one connection over all nodes? 10,000 clients come to
 * one of two nodes, and then, while they are still connected, all of them to the other node, to and fro: with clean session
 * 1, and with clean session 0 and a subscription, so that their sessions move. Beside it a node alone. CPU of each process
 * for each CONNECT, without presence:
 *
 *     npm run build && node dist/bench/takeover.js [clients] [alone | clean | session]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { serverUsage } from '../floodtest/server-usage.js';
import { Crowd } from '../test/crowd.js';
import { type GatewayProcess, startGateway } from '../test/gateway-process.js';
import { connectPacket, frame, subscribePacket, upgradeRequest } from '../test/mqtt-bytes.js';
import { RedisServer } from '../test/redis-server.js';
import { until } from '../test/until.js';

const clients = Number(process.argv[2] ?? 10_000);
const only = process.argv[3];
const moves = 4;
const quiet = ['--mqtt-presence', 'false', '--mqtt-sys-interval', '0', '--log-level', 'error'];
const untilMs = 60_000;

type Task = { port: number; clean: boolean } | 'clear';

if (process.send === undefined) await main();
else work();

async function main(): Promise<void> {
  console.log(`Node ${process.version}; ${clients} clients`);
  console.log('                            | CONNECTs/s | µs a CONNECT: its node, the other one, Redis');
  if (only === undefined || only === 'alone') await alone();
  if (only === undefined || only === 'clean') await twoNodes('clean session 1', true);
  if (only === undefined || only === 'session') await twoNodes('clean session 0', false);
  process.exit();
}

async function alone(): Promise<void> {
  const node = await startGateway({ flags: quiet });
  const crowd = crowdProcess();
  for (const round of ['', 'a node alone']) {
    await storm(round, node, crowd, true, { node: node.pid });
    await ask(crowd, 'clear');
    await until('all have gone', async () => (await node.stats()).connections.open === 0, untilMs);
  }
  await node.kill();
}

async function twoNodes(name: string, clean: boolean): Promise<void> {
  const redis = await RedisServer.start();
  const flags = [...quiet, '--engine', 'redis', '--redis', redis.url];
  const nodes = [await startGateway({ flags }), await startGateway({ flags })] as const;
  const crowds = [crowdProcess(), crowdProcess()] as const;
  for (let n = 0; n <= moves; n++) {
    const [here, there] = n % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const);
    const pids = { node: nodes[here].pid, other: nodes[there].pid, redis: redis.pid };
    await storm(
      `${name}, ${n === 0 ? 'new' : `move ${n}`}`,
      nodes[here],
      crowds[here],
      clean,
      pids,
      async () =>
        until(
          'the other node has none left',
          async () => (await nodes[there].stats()).connections.open === 0,
          untilMs,
        ),
    );
  }
  for (const node of nodes) {
    const { dropped } = (await node.stats()).mqtt.sessions;
    if (Object.values(dropped).some((count) => count !== 0))
      console.log(`dropped ${JSON.stringify(dropped)}`);
    if (node.log !== '') console.log(node.log.slice(0, 1_000));
  }
  for (const node of nodes) await node.kill();
  await redis.stop();
}

/** All clients come to the node. */
async function storm(
  name: string,
  node: GatewayProcess,
  crowd: ChildProcess,
  clean: boolean,
  pids: Record<string, number>,
  more: () => Promise<void> = async () => {},
): Promise<void> {
  const connacks = (await node.stats()).mqtt.connacks[0] + clients;
  const cpuOf = () => Object.values(pids).map((pid) => serverUsage([pid])!.cpuSec);
  const before = cpuOf();
  const startedMs = performance.now();
  await ask(crowd, { port: node.port, clean });
  await until('all are connected', async () => (await node.stats()).mqtt.connacks[0] >= connacks, untilMs);
  const seconds = (performance.now() - startedMs) / 1000;
  await more();
  const used = cpuOf().map((sec, n) => (((sec - before[n]!) * 1e6) / clients).toFixed(0));
  if (name !== '') console.log(`${name.padEnd(27)} | ${(clients / seconds).toFixed(0)} | ${used.join(', ')}`);
}

/** A process for the clients of a node, as 20,000 are more than some may open. */
function crowdProcess(): ChildProcess {
  return fork(fileURLToPath(import.meta.url), process.argv.slice(2));
}

async function ask(child: ChildProcess, task: Task): Promise<void> {
  child.send(task);
  await once(child, 'message');
}

function work(): void {
  let crowd: Crowd | undefined;
  process.on('message', async (task: Task) => {
    if (task === 'clear') await crowd?.clear();
    else {
      const { port, clean } = task;
      crowd = new Crowd(port);
      await crowd.add(clients, (n) => ({
        first: upgradeRequest,
        second: clean
          ? frame(connectPacket(`device-${n}`))
          : frame(connectPacket(`device-${n}`, { clean }), subscribePacket(1, `device/${n}`, 1)),
      }));
    }
    process.send!('done');
  });
  process.on('disconnect', () => process.exit());
}
