import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scaleFreeEdges } from '../cli/graph/generate.js';
import { type Delivery, type Graph, openGraph, Router, Subscriber } from '../router/index.js';
import { collectGarbage } from '../test/garbage.js';

/**
 * What does the friends graph cost? Durable additions in batches, the memory of the process, the time to load it, a
 * lookup, and a send to an id that a million follow.
 *
 *     npm run build && node dist/bench/graph.js [users] [edges of each] [in-order|shuffled] [directory]
 */

const [users = 1_000_000, edgesEach = 15] = process.argv.slice(2, 4).map(Number);
const shuffled = process.argv[4] === 'shuffled';
const directory = mkdtempSync(join(process.argv[5] ?? tmpdir(), 'graph-'));
const batchEdges = 20_000;
const lookups = 1_000_000;
const limits = { bytesMax: 4 * 1024 ** 3 };

class Silent extends Subscriber {
  override deliver(): Delivery {
    return 'sent';
  }
}

async function add(): Promise<void> {
  const pairs = new Uint32Array(users * edgesEach * 2);
  let count = 0;
  for (const [from, to] of scaleFreeEdges(users, edgesEach, 1)) {
    pairs[2 * count] = from;
    pairs[2 * count++ + 1] = to;
  }
  if (shuffled) shuffle(pairs, count);
  const graph = await openGraph(directory, limits);
  const clock = new Clock();
  for (let at = 0; at < count; at += batchEdges) {
    for (let n = at; n < Math.min(count, at + batchEdges); n++)
      graph.add(`user/${pairs[2 * n]}`, `user/${pairs[2 * n + 1]}`);
    await graph.stored();
  }
  const { wallSec, cpuSec } = clock.read();
  const mb = statSync(join(directory, 'data.mdb')).size / 1e6;
  console.log(
    `added, durable: ${Math.round(count / wallSec)} edges/s, ${((cpuSec * 1e6) / count).toFixed(2)} us of CPU an edge; ${mb.toFixed(0)} MB on disk, ${(graph.bytes / 1e6).toFixed(0)} MB in memory`,
  );
  await graph.close();
}

async function load(): Promise<Graph> {
  collectGarbage();
  const before = memory();
  const clock = new Clock();
  const graph = await openGraph(directory, limits);
  const { wallSec, cpuSec } = clock.read();
  collectGarbage();
  const after = memory();
  console.log(
    `loaded: ${graph.edges} edges of ${graph.ids} ids in ${wallSec.toFixed(1)} s (${cpuSec.toFixed(1)} s of CPU); ${(graph.bytes / 1e6).toFixed(0)} MB by its own count, ${inMb(after.anonymous - before.anonymous)} MB more private memory, ${inMb(after.file - before.file)} MB of pages of the file`,
  );
  return graph;
}

function lookUp(graph: Graph): void {
  const ids: string[] = [];
  for (let n = 1; ids.length < 20_000 && n <= users; n++) {
    const { count } = graph.subscribersOf(`user/${n}`, 1);
    if (count >= edgesEach - 1 && count <= edgesEach + 1) ids.push(`user/${n}`);
  }
  let found = 0;
  for (let warm = 0; warm < 2; warm++) {
    const clock = new Clock();
    for (let n = 0; n < lookups; n++) found += graph.subscribersOf(ids[(n * 7919) % ids.length]!).ids.length;
    const { wallSec, cpuSec } = clock.read();
    if (warm === 1)
      console.log(
        `a lookup of ${(found / lookups / 2).toFixed(1)} followers, as ids: ${((wallSec * 1e6) / lookups).toFixed(2)} us (${((cpuSec * 1e6) / lookups).toFixed(2)} of CPU)`,
      );
  }
}

async function sendToMany(graph: Graph): Promise<void> {
  const followers = Math.min(users, 1_000_000);
  for (let n = 1; n <= followers; n++) graph.add(`user/${n}`, 'star');
  await graph.stored();
  const router = new Router({ graph, history: { rules: [] } });
  await router.start();
  for (const online of [0, 10_000, 100_000]) {
    if (online > followers) break;
    const crowd = Array.from({ length: online }, () => new Silent());
    for (const [n, subscriber] of crowd.entries())
      router.login(`user/${1 + Math.floor((n * followers) / online)}`, subscriber);
    for (let round = 0; round < 2; round++) {
      const gaps = new Gaps();
      const clock = new Clock();
      const delivered = await router.sendToFollowers('star', 'Hello');
      const { wallSec, cpuSec } = clock.read();
      const longestMs = gaps.end();
      if (round === 1)
        console.log(
          `a send to ${followers} followers, ${delivered} of them here: ${(wallSec * 1e3).toFixed(0)} ms, ${(cpuSec * 1e3).toFixed(0)} ms of CPU, longest turn ${longestMs.toFixed(1)} ms`,
        );
    }
    for (const subscriber of crowd) router.logout(subscriber);
  }
}

function shuffle(pairs: Uint32Array, count: number): void {
  for (let n = count - 1; n > 0; n--) {
    const other = Math.floor(Math.random() * (n + 1));
    for (let end = 0; end < 2; end++) {
      const kept = pairs[2 * n + end]!;
      pairs[2 * n + end] = pairs[2 * other + end]!;
      pairs[2 * other + end] = kept;
    }
  }
}

class Clock {
  readonly #startedMs = performance.now();
  readonly #usage = process.cpuUsage();

  read(): { wallSec: number; cpuSec: number } {
    const { user, system } = process.cpuUsage(this.#usage);
    return { wallSec: (performance.now() - this.#startedMs) / 1000, cpuSec: (user + system) / 1e6 };
  }
}

/** The longest time between two turns of the loop. */
class Gaps {
  #lastMs = performance.now();
  #longestMs = 0;
  #over = false;

  constructor() {
    setImmediate(this.#turn);
  }

  end(): number {
    this.#over = true;
    return this.#longestMs;
  }

  readonly #turn = (): void => {
    const nowMs = performance.now();
    this.#longestMs = Math.max(this.#longestMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    if (!this.#over) setImmediate(this.#turn);
  };
}

function memory(): { anonymous: number; file: number } {
  const status = readFileSync('/proc/self/status', 'utf8');
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)![1]);
  return { anonymous: kib('RssAnon') * 1024, file: kib('RssFile') * 1024 };
}

function inMb(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

console.log(
  `Node ${process.version}, ${users} ids, ${edgesEach} edges each, ${shuffled ? 'shuffled' : 'in order'}`,
);
try {
  await add();
  const graph = await load();
  lookUp(graph);
  await sendToMany(graph);
  await graph.close();
} finally {
  rmSync(directory, { recursive: true });
}
