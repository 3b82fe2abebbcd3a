import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runModel } from './session-model/model-run.js';

/**
 * Clients that connect, drop, publish and acknowledge at random, against a model that knows what may and what must arrive:
 *
 *     node dist/test/integration/session-model.js --for 30m [--seed N] [--program other/dist/cli/encke.js]
 *
 * One seed after the other, each on a server of its own.
 */

const unitsMs: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000 };
const eachMs = 15_000;

export function parseDuration(text: string): number {
  const [, count, unit] = /^(\d+)([smh])$/.exec(text) ?? [];
  if (count === undefined) throw new RangeError(`--for is a number with s, m or h, such as 30m, not ${text}`);
  return Number(count) * unitsMs[unit!]!;
}

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
