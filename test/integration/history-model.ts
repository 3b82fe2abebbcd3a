import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { strainCount } from './history-model/conditions.js';
import { runModel } from './history-model/model-run.js';
import { type NodesCounts, noNodesCounts, runNodes } from './history-model/nodes-run.js';
import { addCounts, type Counts, noCounts } from './history-model/run-counts.js';
import { parseDuration } from './session-model.js';

/**
 * Readers of all transports that come, go and stall at random while messages go on, against a model of what each must get:
 *
 *     node dist/test/integration/history-model.js --for 30m [--seed N] [--program other/dist/cli/encke.js]
 *     node dist/test/integration/history-model.js --for 30m --nodes 2 [--seed N]
 *
 * One seed after the other, each on a server of its own; with --nodes, on so many nodes on a redis-server, which are killed,
 * as is that, while they go on.
 */

const eachMs = 15_000;
const eachOnNodesMs = 30_000;

export async function runSeeds(
  firstSeed: number,
  forMs: number,
  say: (line: string) => void,
  program?: string,
): Promise<{ faults: string[]; counts: Counts }> {
  const endMs = performance.now() + forMs;
  let counts: Counts = noCounts;
  for (let seed = firstSeed; ; seed++) {
    const leftMs = endMs - performance.now();
    if (leftMs <= 0 && seed >= firstSeed + strainCount) return { faults: [], counts };
    const runMs = Math.min(Math.max(leftMs, 1), eachMs, forMs / strainCount);
    const run = await runModel({ seed, forMs: runMs, say, ...(program !== undefined && { program }) });
    counts = addCounts(counts, run.counts);
    if (run.faults.length > 0) return { faults: [`seed ${seed}`, ...run.faults], counts };
  }
}

export async function runSeedsOnNodes(
  nodes: number,
  firstSeed: number,
  forMs: number,
  say: (line: string) => void,
): Promise<{ faults: string[]; counts: NodesCounts }> {
  const endMs = performance.now() + forMs;
  let counts: NodesCounts = noNodesCounts;
  for (let seed = firstSeed; ; seed++) {
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) return { faults: [], counts };
    const run = await runNodes({ seed, nodes, forMs: Math.min(leftMs, eachOnNodesMs), say });
    counts = addCounts(counts, run.counts);
    if (run.faults.length > 0) return { faults: [`seed ${seed}`, ...run.faults], counts };
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      for: { type: 'string', default: '1m' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      program: { type: 'string' },
      nodes: { type: 'string' },
    },
  });
  const seed = Number(values.seed);
  if (!Number.isInteger(seed) || seed < 0)
    throw new RangeError(`--seed is a whole number, not ${values.seed}`);
  if (values.nodes !== undefined) return mainOnNodes(Number(values.nodes), seed, parseDuration(values.for));
  const { faults, counts } = await runSeeds(
    seed,
    parseDuration(values.for),
    (line) => console.log(line),
    values.program,
  );
  for (const fault of faults) console.log(fault);
  console.log(`in all: ${JSON.stringify(counts)}`);
  console.log(faults.length === 0 ? 'no faults' : `${faults.length - 1} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

async function mainOnNodes(nodes: number, seed: number, forMs: number): Promise<void> {
  if (!Number.isInteger(nodes) || nodes < 2) throw new RangeError('--nodes is a whole number from 2');
  const { faults, counts } = await runSeedsOnNodes(nodes, seed, forMs, (line) => console.log(line));
  for (const fault of faults) console.log(fault);
  console.log(`in all: ${JSON.stringify(counts)}`);
  console.log(faults.length === 0 ? 'no faults' : `${faults.length - 1} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch((error: Error) => {
    console.error(error.message);
    process.exit(2);
  });
}
