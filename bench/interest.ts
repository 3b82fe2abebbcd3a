/**
 * The question: how does a publisher's message find the node where somebody is logged in? Prototypes of the ways, on the
 * same NATS client: a subject for each id; a subject for each node and a directory of ids at each publisher, announced
 * or in a JetStream KV bucket; hashed partitions. Two nodes, one publisher, one nats-server.
 *
 *     npm run build && node dist/bench/interest.js [ids on each node]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { serverUsage } from '../floodtest/server-usage.js';
import { NatsServer } from '../test/nats-server.js';
import type { Answer, Task } from './interest/process.js';
import { type WayName, wayNames } from './interest/ways.js';

const idsEach = Number(process.argv[2] ?? 18_000);
const nodes = 2;
const messages = 300_000;
const settleMs = 3_000;

console.log(
  `Node ${process.version}; ${nodes} nodes, ${idsEach} ids on each; ${messages} messages of 64 B to random ids`,
);
console.log(
  'way            | B an id in its node | at a publisher | in nats-server | login µs CPU: node, nats | messages/s | µs CPU a message: publisher, nats, all nodes | false deliveries a message | lost',
);
for (const way of wayNames) await measure(way);
process.exit();

async function measure(way: WayName): Promise<void> {
  const nats = await NatsServer.start();
  const crowd = Array.from({ length: nodes }, () => start());
  const publisher = start();
  const all = [...crowd, publisher];
  for (const [n, child] of all.entries()) await ask(child, { open: { way, url: nats.url, node: n } });
  const cpuOf = (child: { pid?: number | undefined }) => serverUsage([child.pid!])!.cpuSec;
  const rssOf = (pid: number) => serverUsage([pid])!.rssBytes;
  await pause(settleMs);
  const before = [];
  for (const child of all) before.push((await ask(child, 'memory')).bytes);
  const natsBefore = { rss: rssOf(nats.pid), cpu: cpuOf(nats) };

  const cpuBefore = crowd.map(cpuOf);
  for (const [n, child] of crowd.entries())
    await ask(child, { login: { from: n * idsEach, count: idsEach } });
  const ids = nodes * idsEach;
  const loginUs = (sum(crowd.map((child, n) => cpuOf(child) - cpuBefore[n]!)) * 1e6) / ids;
  const loginNatsUs = ((cpuOf(nats) - natsBefore.cpu) * 1e6) / ids;
  await pause(settleMs);
  const after = [];
  for (const child of all) after.push((await ask(child, 'memory')).bytes);
  const own = (after[0]! - before[0]!) / idsEach;
  const atPublisher = (after[nodes]! - before[nodes]!) / ids;
  const atNats = (rssOf(nats.pid) - natsBefore.rss) / ids;

  // Once to warm up.
  await ask(publisher, { publish: { messages: messages / 3, ids } });
  await until(crowd, messages / 3);
  const cpuAt = [publisher, nats, ...crowd].map(cpuOf);
  const startMs = performance.now();
  await ask(publisher, { publish: { messages, ids } });
  const { wanted, others } = await until(crowd, messages);
  const seconds = (performance.now() - startMs) / 1000;
  const cpu = [publisher, nats, ...crowd].map((one, n) => ((cpuOf(one) - cpuAt[n]!) * 1e6) / messages);
  console.log(
    [
      way.padEnd(14),
      ...[own, atPublisher, atNats].map((bytes) => bytes.toFixed(0)),
      `${loginUs.toFixed(1)}, ${loginNatsUs.toFixed(1)}`,
      (wanted / seconds).toFixed(0),
      [cpu[0]!, cpu[1]!, sum(cpu.slice(2))].map((us) => us.toFixed(1)).join(', '),
      (others / messages).toFixed(2),
      messages - wanted,
    ].join(' | '),
  );
  for (const child of all) child.kill();
  await nats.stop();
}

function start(): ChildProcess {
  return fork(new URL('interest/process.js', import.meta.url), {
    execArgv: ['--expose-gc', '--max-semi-space-size=2'],
  });
}

async function ask(child: ChildProcess, task: Task): Promise<Answer> {
  child.send(task);
  const [answer] = await once(child, 'message');
  return answer as Answer;
}

/** What all nodes have got since they were last asked, once it is all, or nothing more comes. */
async function until(crowd: readonly ChildProcess[], expected: number) {
  let wanted = 0;
  let others = 0;
  for (let quiet = 0; wanted < expected && quiet < 100; quiet++) {
    for (const child of crowd) {
      const got = await ask(child, 'received');
      if (got.wanted > 0) quiet = 0;
      wanted += got.wanted;
      others += got.others;
    }
    await pause(20);
  }
  return { wanted, others };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
