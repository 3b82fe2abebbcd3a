/**
 * Runs the models, the fuzzer and the chaos of the test suite for as long as asked for, each with a seed that it prints:
 *
 *     npm run soak                                  10 minutes each
 *     npm run soak -- --for 2h --only chaos
 *     npm run soak -- --seed 4711                   the same choices again
 *
 * Ends with 1 where one of them found a fault; the line that repeats it stands above what it found.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
/** 1,220 of the fuzzer's cases a second were measured on two cores that were busy with other things. */
const fuzzCasesPerSec = 1_200;

const { values } = parseArgs({
  options: { for: { type: 'string', default: '10m' }, seed: { type: 'string' }, only: { type: 'string' } },
});
const [, count, unit] = /^(\d+)([smh])$/.exec(values.for) ?? [];
if (count === undefined) fail(`--for is a number with s, m or h, such as 30m, not ${values.for}`);
const forSec = Number(count) * { s: 1, m: 60, h: 3600 }[unit];

const runs = {
  'session-model': ['test/integration/session-model.js', '--for', values.for],
  'history-model': ['test/integration/history-model.js', '--for', values.for],
  'history-model-nodes': ['test/integration/history-model.js', '--nodes', '2', '--for', values.for],
  'kill-loop': ['test/integration/kill-loop.js', '--kills', '1000'],
  chaos: ['test/integration/chaos.js', '--for', values.for],
  'mqtt-fuzz': ['test/fuzz/mqtt-fuzz.js', '--cases', String(forSec * fuzzCasesPerSec)],
};
const asked = values.only === undefined ? Object.keys(runs) : [values.only];
if (!asked.every((name) => Object.hasOwn(runs, name)))
  fail(`--only is one of ${Object.keys(runs).join(', ')}, not ${values.only}`);

const failed = asked.filter((name) => {
  const seed = values.seed ?? String(Math.floor(Math.random() * 2 ** 31));
  const [file, ...flags] = runs[name];
  const command = [`dist/${file}`, ...flags, '--seed', seed];
  console.log(`\n== ${name}: node ${command.join(' ')}`);
  return spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' }).status !== 0;
});
console.log(failed.length === 0 ? '\nNo faults.' : `\nFaults in: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;

function fail(sentence) {
  console.error(sentence);
  process.exit(2);
}
