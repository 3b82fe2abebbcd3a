/**
 * The question: how long does a counted send take among many nodes? Two nodes have somebody logged in as the id, this
 * process and another one; then there are 498 more nodes, played by one process, who have nobody. One send at a time.
 *
 *     npm run build && node dist/bench/counted-send.js [nodes] [sends]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { formatLatency, LatencyHistogram } from '../msggen/latency.js';
import type { Outcome } from '../router/engine/engine.js';
import type { RedisEngine } from '../router/engine/redis/engine.js';
import { Message } from '../router/index.js';
import { RedisServer } from '../test/redis-server.js';
import { redisEngineAt } from '../test/router/engine/redis/engine-parts.js';
import { until } from '../test/until.js';

const id = 'user/1';
const payload = Buffer.alloc(64, 'x');
const warmUps = 2_000;
/** So many engines of the one process connect at a time. */
const opening = 25;
const untilMs = 120_000;

interface Order {
  readonly url: string;
  readonly nodes: number;
  readonly interested: boolean;
}

if (process.send === undefined) await main();
else process.once('message', (order: Order) => void play(order));

async function main(): Promise<void> {
  const nodes = Number(process.argv[2] ?? 500);
  const sends = Number(process.argv[3] ?? 5_000);
  const server = await RedisServer.start();
  const engine = await nodeOf(server.url, true);
  const children = [await nodesIn({ url: server.url, nodes: 1, interested: true })];
  await until('the other node is there', () => engine.cluster.peers.length === 1, untilMs);
  await sendAll(engine, warmUps);
  const few = await sendAll(engine, sends);
  console.log(`2 nodes: ${formatLatency(few.summaryMs())}`);

  children.push(await nodesIn({ url: server.url, nodes: nodes - 2, interested: false }));
  await until('all nodes are there', () => engine.cluster.peers.length === nodes - 1, untilMs);
  const many = await sendAll(engine, sends);
  console.log(`${nodes} nodes, 2 of them with the id: ${formatLatency(many.summaryMs())}`);
  for (const percent of [50, 99]) {
    const moreMs = many.percentileMs(percent)! - few.percentileMs(percent)!;
    console.log(`p${percent}: ${moreMs.toFixed(2)} ms more (asked: 3 at most)`);
  }
  for (const child of children) child.kill();
  await engine.stop();
  await server.stop();
  process.exit();
}

async function nodesIn(order: Order): Promise<ChildProcess> {
  const child = fork(fileURLToPath(import.meta.url));
  child.send(order);
  await once(child, 'message');
  return child;
}

async function play({ url, nodes, interested }: Order): Promise<void> {
  for (let n = 0; n < nodes; n += opening) {
    const some = Array.from({ length: Math.min(opening, nodes - n) }, () => nodeOf(url, interested));
    await Promise.all(some);
  }
  process.send!('ready');
}

async function nodeOf(url: string, interested: boolean): Promise<RedisEngine> {
  const engine = redisEngineAt([url]);
  await engine.open();
  await engine.start(() => 1);
  if (interested) engine.addInterest(id);
  await new Promise<void>((resolve) => engine.whenInterested(resolve));
  return engine;
}

/** @throws Error where a count is not that of both nodes */
async function sendAll(engine: RedisEngine, sends: number): Promise<LatencyHistogram> {
  const latency = new LatencyHistogram();
  for (let n = 0; n < sends; n++) {
    const startedMs = performance.now();
    await new Promise<void>((resolve, reject) => {
      const onOutcome = ({ delivered, unanswered }: Outcome) => {
        if (delivered === 2 && unanswered === 0) resolve();
        else reject(new Error(`delivered ${delivered}, unanswered ${unanswered}`));
      };
      engine.publish(new Message(id, payload, 0, 1), { count: true, onOutcome });
    });
    latency.record((performance.now() - startedMs) * 1000);
  }
  return latency;
}
