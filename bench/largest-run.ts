/**
 * The question: how many connections does this machine hold, both ends included, with messages on top? Starts one
 * redis-server, as many gateways as the descriptor limit asks for, a router that takes the sends, and floodtest; writes a
 * row a second and ends by itself.
 *
 *     npm run build && node dist/bench/largest-run.js --connections 1000000 --rate 5000 --hold 10m
 *
 * With --graph all messages go to followers. In three minutes:
 *
 *     npm run build && node dist/bench/largest-run.js --connections 100000 --graph 15 --rate 500 --hold 1m
 */
import { writeFileSync } from 'node:fs';
import { Flood } from '../floodtest/flood.js';
import { contextOf } from '../floodtest/recording.js';
import { Fleet } from './largest-run/fleet.js';
import { assertItFits, forecastText } from './largest-run/forecast.js';
import { loadFriends } from './largest-run/friends.js';
import { availableBytes, MemoryParts } from './largest-run/memory-parts.js';
import { floodShare, type Plan, planOf } from './largest-run/plan.js';
import { Publisher } from './largest-run/publisher.js';
import { RunRecord } from './largest-run/record.js';
import { resultJson, resultText } from './largest-run/result.js';

const watchIntervalMs = 250;
/** Progress on the terminal; the CSV has a row a second. */
const linesEverySec = 5;
/** Time for messages that are still on their way to followers. */
const followersMs = 5_000;
/** Between the last login and the first message: the floodtest processes and the gateways collect and give back. */
const settleMs = 20_000;

const plan = planOf(process.argv);
console.log(forecastText(plan));
if (!plan.anyway) assertItFits(plan);
if (plan.dry) process.exit();
// Where memory runs out all the same, it is these processes that the kernel is to end, and no others.
writeFileSync('/proc/self/oom_score_adj', '900');

const memory = new MemoryParts();
const fleet = await Fleet.start(plan, (text) => console.log(text));
const friends =
  plan.followed === 0 ? undefined : await loadFriends(plan, fleet.sendUrl, (text) => console.log(text));
const base = memory.read({ ...fleet.pids, clients: [], publisher: [] });
const context = contextOf(
  plan.title,
  ['node', 'dist/bench/largest-run.js', ...process.argv.slice(2)],
  new Date(),
);
const record = new RunRecord(plan.csv, context);
const publisher = new Publisher(plan, fleet.sendUrl);
/** Why it stops before its time. */
let ended: string | undefined;
let over = false;

const flood = new Flood(
  { share: floodShare(plan, fleet.gatewayPorts), holdMs: undefined, serverPids: fleet.pids.gateways },
  (row) => {
    const parts = memory.read({ ...fleet.pids, clients: flood.pids, publisher: publisher.pids });
    if (!over) record.write(row, parts);
    if (Math.round(row.elapsedSec) % linesEverySec === 0) console.log(record.line());
  },
);
fleet.onEnd((what) => end(`${what} ended by itself`));
process.once('SIGINT', () => end('interrupted')).once('SIGTERM', () => end('interrupted'));
const watch = setInterval(() => watchMemory(plan), watchIntervalMs);

const flooding = flood.run().catch((error: Error) => end(error.message));
await hold();
clearInterval(watch);
const after = ended === undefined ? await fleet.figures() : undefined;
await killAll();
record.close();
writeFileSync(plan.csv.replace(/\.csv$/i, '.log'), fleet.log);
const result = { plan, flood, record, base, after, publisher, friends, ended };
writeFileSync(
  plan.csv.replace(/\.csv$/i, '.json'),
  `${JSON.stringify({ ...context, ...resultJson(result) }, null, 2)}\n`,
);
console.log(resultText(result));
process.exit(ended === undefined ? 0 : 1);

/** All are open, then messages for the time asked for, then a few seconds for the last of them. */
async function hold(): Promise<void> {
  await waitUntil(() => flood.counts.tried >= plan.connections);
  record.mark('open');
  await pause(settleMs);
  record.mark('settled');
  if (ended === undefined) await publisher.run(plan.holdMs);
  await waitUntil(() => flood.counts.messages >= publisher.sent, 10_000);
  if (friends !== undefined) await pause(followersMs);
  await pause(2_000); // a row for what came last
  record.mark('end');
}

/**
 * Both ends at once: to close a million streams in good order would be a run of its own, and where memory is short there is
 * no time for it.
 */
async function killAll(): Promise<void> {
  over = true;
  for (const pid of flood.pids) process.kill(pid, 'SIGKILL');
  await Promise.all([fleet.stop(), flooding]);
}

function watchMemory({ freeBytesMin }: Plan): void {
  const free = availableBytes();
  if (free < freeBytesMin) end(`free memory fell to ${(free / 1e9).toFixed(2)} GB`);
}

function end(why: string): void {
  if (ended !== undefined || over) return;
  ended = why;
  console.log(`Stopping: ${why}.`);
  publisher.stop();
}

async function pause(ms: number): Promise<void> {
  const untilMs = performance.now() + ms;
  await waitUntil(() => performance.now() >= untilMs);
}

/** Or until the run is to end. */
async function waitUntil(condition: () => boolean, timeoutMs = Number.POSITIVE_INFINITY): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  while (ended === undefined && !condition() && performance.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
