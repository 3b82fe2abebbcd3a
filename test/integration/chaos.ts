import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runChaos } from './chaos/chaos-run.js';
import { parseDuration } from './session-model.js';

/**
 * Three nodes and two redis-servers, each with a replica, to which things happen at random, while publishers and
 * subscribers go on, against a model of what may be lost:
 *
 *     node dist/test/integration/chaos.js --for 10m [--seed N]
 *
 * One seed after the other, each in a world of its own.
 */

const eachMs = 60_000;

export async function runSeeds(
  firstSeed: number,
  forMs: number,
  say: (line: string) => void,
): Promise<string[]> {
  const endMs = performance.now() + forMs;
  for (let seed = firstSeed; ; seed++) {
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) return [];
    const wrong = await runChaos({ seed, forMs: Math.min(leftMs, eachMs), say });
    if (wrong.length > 0) return [`seed ${seed}`, ...wrong];
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      for: { type: 'string', default: '1m' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    },
  });
  const seed = Number(values.seed);
  if (!Number.isInteger(seed) || seed < 0)
    throw new RangeError(`--seed is a whole number, not ${values.seed}`);
  const wrong = await runSeeds(seed, parseDuration(values.for), (line) => console.log(line));
  for (const line of wrong.slice(0, 100)) console.log(line);
  console.log(wrong.length === 0 ? 'no faults' : `${wrong.length - 1} faults`);
  process.exit(wrong.length === 0 ? 0 : 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch((error: Error) => {
    console.error(error.message);
    process.exit(2);
  });
}
