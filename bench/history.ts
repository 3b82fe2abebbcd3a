import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type HistoryOptions, MemoryHistory, Message, Router } from '../router/index.js';
import { sideBySide } from './side-by-side.js';

/**
 * What does history cost? CPU of a publish to an id with nobody logged in, with history and without, in pairs; how
 * far the process grows when history is full; how long 1,000,000 ids stop the loop when they come and when they
 * expire; and a resume.
 *
 *     npm run build && taskset -c 1 node --max-old-space-size=4096 dist/bench/history.js
 */

const mib = 1024 * 1024;
/** It grows by 30 MB with what passes through, with history or without. */
const fixedYoungGeneration = ['--min-semi-space-size=1', '--max-semi-space-size=1'];
const shapes = [
  { ids: 1_000, bytes: 16 },
  { ids: 1_000, bytes: 100 },
  { ids: 1_000, bytes: 1_000 },
  { ids: 100_000, bytes: 16 },
  { ids: 100_000, bytes: 100 },
  { ids: 100_000, bytes: 1_000 },
  { ids: 1_000, bytes: 64_000 },
];

const [what, ids, bytes] = process.argv.slice(2);
if (what === 'fill') await fill(Number(ids), Number(bytes));
else await all();

async function all(): Promise<void> {
  console.log(`Node ${process.version}`);
  for (const shape of shapes) await comparePublish(shape.ids, shape.bytes);
  console.log('\n64 MiB filled, and as much again six times over, while the process goes on publishing:');
  console.log('   ids | payload B | messages | counted MiB | RSS grown MiB | at most MiB | RSS / limit');
  for (const shape of shapes) console.log(inProcessOfItsOwn('fill', shape.ids, shape.bytes));
  measureMillion();
  measureResume();
}

function inProcessOfItsOwn(...args: (string | number)[]): string {
  const program = fileURLToPath(import.meta.url);
  return execFileSync(
    process.execPath,
    [...fixedYoungGeneration, '--expose-gc', program, ...args.map(String)],
    {
      encoding: 'utf8',
    },
  ).trim();
}

async function comparePublish(ids: number, bytes: number): Promise<void> {
  console.log(`\n${ids} ids at random, ${bytes} B a message, nobody logged in:`);
  const count = Math.min(300_000, Math.round(1e9 / bytes));
  const withHistory = await publisher({}, ids, bytes);
  const without = await publisher({ rules: [] }, ids, bytes);
  withHistory(4 * count); // to the full 64 MiB, mostly
  without(count);
  await sideBySide(
    { ours: 'history', theirs: 'none', unit: 'µs of CPU a publish', pairs: 9 },
    async () => cpuUs(() => withHistory(count)) / count,
    async () => cpuUs(() => without(count)) / count,
  );
}

/** Each id is a string of its own and each payload a copy in Node's pool, as they are when they come by HTTP. */
async function publisher(
  history: HistoryOptions,
  ids: number,
  bytes: number,
): Promise<(count: number) => void> {
  const router = new Router({ history });
  await router.start();
  const received = new Uint8Array(bytes);
  let tickMs = 0;
  return (count) => {
    for (let n = 0; n < count; n++) {
      if (n % 25_000 === 0) router.history.tick(tickMs); // 100,000 messages a second
      if (n % 25_000 === 0) tickMs += 250;
      const id = `user/${Math.floor(Math.random() * ids)}/inbox`;
      router.publish(new Message(Buffer.from(id).toString('latin1'), Buffer.from(received), 1.7e12 + n));
    }
  };
}

function cpuUs(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

async function fill(ids: number, bytes: number): Promise<void> {
  const warm = await publisher({ rules: [] }, ids, bytes);
  warm(200_000);
  const router = new Router({});
  await router.start();
  gc!();
  const before = process.memoryUsage().rss;
  let highest = 0;
  for (let n = 0; n < (7 * 64 * mib) / (bytes + 100); n++) {
    const id = `user/${Math.floor(Math.random() * ids)}/inbox`;
    router.publish(new Message(Buffer.from(id).toString('latin1'), Buffer.alloc(bytes, 'x'), 1.7e12 + n));
    if (n % 1_000 === 0) highest = Math.max(highest, process.memoryUsage.rss());
  }
  gc!();
  await new Promise((resolve) => setTimeout(resolve, 200));
  const grown = process.memoryUsage().rss - before;
  const { history } = router.stats();
  const figures = [history.bytes, grown, highest - before].map((value) =>
    (value / mib).toFixed(1).padStart(6),
  );
  console.log([ids, bytes, history.messages, ...figures, (grown / 64 / mib).toFixed(2)].join(' | '));
}

function measureMillion(): void {
  const history = new MemoryHistory({ bytesMax: 1024 * mib });
  const payload = Buffer.alloc(64, 'x');
  history.tick(0);
  const startedMs = performance.now();
  let appendMs = 0;
  for (let n = 0; n < 1_000_000; n++) {
    const at = performance.now();
    history.append(new Message(`user/${n}/inbox`, payload, 0));
    appendMs = Math.max(appendMs, performance.now() - at);
  }
  const tookMs = performance.now() - startedMs;
  const { bytes } = history.stats();
  console.log(`\n1,000,000 ids with a message of 64 B: ${(bytes / 1e6).toFixed(0)} B each`);
  console.log(
    `they come: ${((tookMs * 1000) / 1e6).toFixed(2)} µs each, the longest append ${appendMs.toFixed(1)} ms`,
  );
  let ticks = 0;
  let longestMs = 0;
  let sumMs = 0;
  for (let nowMs = 61_000; history.stats().ids > 0; nowMs += 250, ticks++) {
    const at = performance.now();
    history.tick(nowMs);
    longestMs = Math.max(longestMs, performance.now() - at);
    sumMs += performance.now() - at;
  }
  console.log(
    `they expire: ${ticks} ticks, ${(sumMs / ticks).toFixed(1)} ms a tick, the longest ${longestMs.toFixed(1)} ms`,
  );
}

function measureResume(): void {
  const router = new Router();
  const { history } = router;
  void router.start();
  const ids = Array.from({ length: 3_000 }, (_, n) => `user/${n}/inbox`);
  for (let n = 0; n < 100; n++) for (const id of ids) router.send(id, 'x'.repeat(64));
  const kept = router.stats().history.messages / router.stats().history.ids;
  const { epoch } = history;
  const first = ids.slice(-1_000);
  report(`a resume of ${kept.toFixed(0)} messages`, first, (id) =>
    history.resume([id], { since: 'oldest' }, 100),
  );
  report('the same again within the tick', first.slice(0, 10), (id) => {
    history.resume([id], { since: 'oldest' }, 100);
  });
  report('a resume of the last one', first, (id) => history.resume([id], { since: 1 }, 100));
  report('a resume with nothing missed', first, (id) =>
    history.resume([id], { epoch, offsets: history.position([id]) }, 100),
  );

  function report(name: string, all: readonly string[], resume: (id: string) => void): void {
    const us = cpuUs(() => {
      for (let n = 0; n < 100_000; n++) {
        if (n % all.length === 0 && all.length > 100) history.tick(n / 1_000);
        resume(all[n % all.length]!);
      }
    });
    console.log(`${name}: ${(us / 100_000).toFixed(2)} µs`);
  }
}
