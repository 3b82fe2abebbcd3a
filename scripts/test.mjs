/**
 * Runs compiled test files, several at once, and repeats at the end why some failed:
 *
 *     npm test                                    all
 *     npm test -- gateway/mqtt cli/send           those whose path has one of these words
 *     npm test -- --jobs 2 --again                then up to three that failed once more, one at a time
 *
 * tap is the library of the tests and can run single files too (`npx tap`). As the runner of all it starts them by name,
 * so that a long one is the last, and it puts its module hooks into each process, for coverage that is not asked for.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { longestFirst } from './longest-tests.mjs';
import { readTap } from './tap-report.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const compiled = join(root, 'dist/test');
const jobsMin = 4;
const jobsMaxByDefault = 7;
/** Another file needs about this much of the cores. */
const idleShareMin = 0.3;
/** The run looks so often at the cores. */
const lookMs = 1_000;
/** A test says itself what it waits for after this time. */
const testTimeoutSec = 240;
/** A file that takes longer is killed, as it cannot even say what it waits for. */
const fileTimeoutMs = 420_000;
const againMax = 3;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { jobs: { type: 'string', default: String(jobsMaxByDefault) }, again: { type: 'boolean' } },
});
const files = filesFor(positionals);
if (files.length === 0) {
  console.error(
    `No test file has ${positionals.join(' or ')} in its path below test/. "npm run build" compiles them.`,
  );
  process.exit(1);
}
/** Processes that run now; each leads a group with its servers and browsers. */
const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stopAll(signal));

const startedMs = Date.now();
const results = await runAll(files, Number(values.jobs));
const failed = results.filter(({ ok }) => !ok);
for (const result of failed) console.log(`\n${'='.repeat(72)}\nFAILED ${result.name}\n${result.failures}`);
for (const { name, skipped } of results) for (const line of skipped) console.log(`skipped: ${name}: ${line}`);
// The last lines are as tap prints them: programs that read logs of tests know these.
const total = (key) => results.reduce((sum, result) => sum + result[key], 0);
const [pass, fail, skip] = [
  total('passed'),
  total('failed'),
  results.flatMap(({ skipped }) => skipped).length,
];
console.log(`
Asserts:  ${pass} pass  ${fail} fail  ${skip} skip  ${pass + fail + skip} of ${pass + fail + skip} complete
Suites:   ${files.length - failed.length} pass  ${failed.length} fail  ${files.length} of ${files.length} complete

# { total: ${pass + fail + skip}, pass: ${pass}, fail: ${fail}, skip: ${skip} }
# time=${Date.now() - startedMs}ms`);
if (failed.length > 0) process.exitCode = (await failAgain()) ? 1 : 0;

/** @param words of paths below test/, or paths of compiled files; none = all */
function filesFor(words) {
  const names = readdirSync(compiled, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.test.js'),
  );
  if (words.length === 0) return longestFirst(names).map((name) => join(compiled, name));
  const given = words.filter((word) => word.endsWith('.test.js') && word.startsWith('/'));
  const others = words
    .filter((word) => !given.includes(word))
    .map((word) => word.replace(/^dist\/test\//, ''));
  const chosen = longestFirst(names).filter((name) => others.some((word) => name.includes(word)));
  return [...given, ...chosen.map((name) => join(compiled, name))];
}

/**
 * Most files wait most of the time and some compute all of it, so that no fixed number fits both: beyond `jobsMin` another
 * one starts only where the cores have been idle.
 */
async function runAll(waiting, jobsMax) {
  const done = [];
  const under = new Set();
  let busyBefore = cpuMs();
  for (const file of waiting) {
    while (under.size >= Math.min(jobsMin, jobsMax)) {
      await Promise.race([...under, delay(lookMs)]);
      const busy = cpuMs();
      const idle = (busy.idle - busyBefore.idle) / Math.max(1, busy.all - busyBefore.all);
      if (busy.all - busyBefore.all < lookMs * cpus().length * 0.9) continue; // too short to say
      busyBefore = busy;
      if (under.size < jobsMax && idle > idleShareMin) break;
    }
    const ending = run(file).then((result) => {
      under.delete(ending);
      done.push(result);
      tell(result, `${done.length}/${waiting.length}`);
    });
    under.add(ending);
  }
  await Promise.all(under);
  return done;
}

/** Prints the outcome of a file at once: a run that is cut off has then said why files failed. */
function tell({ ok, seconds, name, passed, failures, said }, count) {
  const outcome = ok ? 'ok    ' : 'FAILED';
  const time = String(seconds).padStart(6);
  console.log(`${outcome} ${count.padStart(7)} ${time} s  ${name}, ${passed} passed`);
  if (!ok) console.log(failures);
  else if (said !== '') process.stderr.write(said);
}

/** @returns the idle time and the whole time of all cores since the machine was started */
function cpuMs() {
  let [idle, all] = [0, 0];
  for (const { times } of cpus()) {
    idle += times.idle;
    for (const time of Object.values(times)) all += time;
  }
  return { idle, all };
}

/** Runs one file in a process that leads a process group of its own, and ends all processes of the group. */
async function run(file) {
  const name = file.startsWith(compiled) ? relative(compiled, file).replace(/\.test\.js$/, '') : file;
  const beganMs = Date.now();
  const child = spawn(process.execPath, [file], {
    cwd: root,
    detached: true,
    env: { ...process.env, TAP: '1', TAP_TIMEOUT: String(testTimeoutSec) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const [stdout, stderr] = [child.stdout, child.stderr].map(collect);
  const timer = setTimeout(() => killGroup(child, 'SIGKILL'), fileTimeoutMs);
  const end = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(code === 0 ? '' : `ended with ${signal ?? `code ${code}`}`));
  });
  clearTimeout(timer);
  killGroup(child, 'SIGKILL');
  running.delete(child);
  // Processes that it started may have had its standard output, too: they have gone now.
  const report = readTap(await stdout());
  const said = await stderr();
  const failures = [report.failures, end, report.incomplete].filter((text) => text !== '').join('\n');
  return {
    ...report,
    ...{ file, name, said, ok: failures === '', seconds: secondsSince(beganMs) },
    failures: `${failures}${failures === '' || said === '' ? '' : `\nstandard error:\n${said.slice(-5_000)}`}`,
  };
}

/** @returns a function that waits for the whole output, but not long: a process outside of the group may keep it open */
function collect(stream) {
  const chunks = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  const closed = new Promise((resolve) => stream.once('close', resolve));
  return async () => {
    await Promise.race([closed, delay(5_000, undefined, { ref: false })]);
    return Buffer.concat(chunks).toString();
  };
}

function killGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch {} // nothing of it is left
}

function stopAll(signal) {
  for (const child of running) killGroup(child, 'SIGKILL');
  process.exit(signal === 'SIGINT' ? 130 : 143);
}

/**
 * A fault fails again, and a test that only fails beside others is named as such in the last line: it is to be mended all
 * the same. @returns whether the run has failed
 */
async function failAgain() {
  if (values.again !== true || failed.length > againMax) return true;
  const names = failed.map(({ name }) => name).join(' ');
  console.log(`\nFAILED beside others, and run once more alone: ${names}`);
  const again = (
    await runAll(
      failed.map(({ file }) => file),
      1,
    )
  ).filter(({ ok }) => !ok);
  for (const { name, failures } of again) console.log(`\nFAILED alone, too: ${name}\n${failures}`);
  if (again.length === 0) console.log(`FAILED beside others, and passed alone (to be mended): ${names}`);
  return again.length > 0;
}

function secondsSince(ms) {
  return Math.round((Date.now() - ms) / 100) / 10;
}
