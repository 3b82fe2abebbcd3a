import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runModel } from './history-model/model-run.js';
import { parseDuration } from './session-model.js';

/**
 * Readers of all transports that come, go and stall at random while messages go on, against a model of what each must get:
 *
 *     node dist/test/integration/history-model.js --for 30m [--seed N] [--program other/dist/cli/encke.js]
 *
 * One seed after the other, each on a server of its own.
 */

const eachMs = 15_000;

export async function runSeeds(
  firstSeed: number,
  forMs: number,
  say: (line: string) => void,
  program?: string,
): Promise<string[]> {
  const endMs = performance.now() + forMs;
  for (let seed = firstSeed; ; seed++) {
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) return [];
    const runMs = Math.min(leftMs, Math.min(eachMs, forMs / 4));
    const faults = await runModel({ seed, forMs: runMs, say, ...(program !== undefined && { program }) });
    if (faults.length > 0) return [`seed ${seed}`, ...faults];
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      for: { type: 'string', default: '1m' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      program: { type: 'string' },
    },
  });
  const seed = Number(values.seed);
  if (!Number.isInteger(seed) || seed < 0)
    throw new RangeError(`--seed is a whole number, not ${values.seed}`);
  const faults = await runSeeds(seed, parseDuration(values.for), (line) => console.log(line), values.program);
  for (const fault of faults) console.log(fault);
  console.log(faults.length === 0 ? 'no faults' : `${faults.length - 1} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch((error: Error) => {
    console.error(error.message);
    process.exit(2);
  });
}
