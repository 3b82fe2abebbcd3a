import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { GatewayProcess } from '../gateway-process.js';
import type { Case } from './cases.js';
import type { Outcome } from './fuzz-connection.js';
import { Fuzzer } from './fuzzer.js';
import { settledRss, startServerUnderFuzz, untilNothingRemains } from './server-under-fuzz.js';
import { Tally } from './tally.js';

/**
 * A seeded fuzzer of MQTT packets and of WebSocket frames against a gateway of its own:
 *
 *     node dist/test/fuzz/mqtt-fuzz.js --cases 1000000 --seed 1 [--lanes 100]
 *     node dist/test/fuzz/mqtt-fuzz.js --seed 1 --connection 4711      what this one has done, alone on a new server
 *
 * A part of the cases warms the server up, so that what it has loaded and compiled for the first time is not taken for growth.
 */

const warmUpCasesMax = 50_000;

/** From the end of the warm-up to the end. A million cases have left 72 MiB where 77 had been. */
const growthBytesMax = 8 * 2 ** 20;

export interface FuzzRun {
  cases: number;
  seed: number;
  lanes: number;
  say: (line: string) => void;
  program?: string;
}

export interface FuzzResult {
  tally: Tally;
  /** Sentences; none when all is well. */
  faults: string[];
  /** RSS when nobody is connected: before anybody was, and after each part. */
  rss: { part: string; bytes: number }[];
}

export async function fuzz(run: FuzzRun): Promise<FuzzResult> {
  const { say, seed, lanes } = run;
  const gateway = await startServerUnderFuzz(run.program);
  const tally = new Tally();
  const result: FuzzResult = { tally, faults: [], rss: [{ part: 'start', bytes: gateway.rssBytes }] };
  try {
    say(`seed ${seed}, ${lanes} connections at a time, Node ${process.version}`);
    say(`stats before: ${JSON.stringify(await gateway.stats())}`);
    const fuzzer = new Fuzzer({ port: gateway.port, seed, lanes, tally });
    for (const { part, more } of parts(run, tally, gateway)) {
      const startedMs = performance.now();
      const before = tally.cases;
      const progress = setInterval(() => {
        const perSec = Math.round(((tally.cases - before) / (performance.now() - startedMs)) * 1000);
        say(
          `${tally.cases} cases, ${tally.connections} connections, ${perSec} cases/s, ${tally.problemsTotal} problems`,
        );
      }, 10_000);
      await fuzzer.run(more);
      clearInterval(progress);
      const tookSec = (performance.now() - startedMs) / 1000;
      say(
        `${part}: ${tally.cases - before} cases in ${tookSec.toFixed(1)} s, ${Math.round((tally.cases - before) / tookSec)} cases/s`,
      );
      await check(gateway, part, result);
      if (!gateway.alive) break;
    }
    if (gateway.alive) say(`stats after: ${JSON.stringify(await gateway.stats())}`);
    result.faults.push(...tally.problems, ...growth(result));
    if (tally.problemsTotal > tally.problems.length)
      result.faults.push(`${tally.problemsTotal} problems in all`);
  } finally {
    await gateway.kill();
  }
  return result;
}

/** A warm-up, and two halves. */
function parts({ cases }: FuzzRun, tally: Tally, gateway: GatewayProcess) {
  const share = (of: number) => () => gateway.alive && tally.cases < cases * of;
  const warmUp = Math.min(0.3, warmUpCasesMax / cases);
  return [
    { part: 'warm-up', more: share(warmUp) },
    { part: 'middle', more: share((1 + warmUp) / 2) },
    { part: 'end', more: share(1) },
  ];
}

async function check(gateway: GatewayProcess, part: string, result: FuzzResult): Promise<void> {
  const { faults, rss } = result;
  if (!gateway.alive) {
    faults.push(`the server has ended (${part}): ${gateway.log}`);
    return;
  }
  const left = await untilNothingRemains(gateway);
  if (Object.keys(left).length > 0) faults.push(`left behind (${part}): ${JSON.stringify(left)}`);
  if (gateway.log !== '') faults.push(`logged (${part}): ${gateway.log}`);
  rss.push({ part, bytes: await settledRss(gateway) });
}

function growth({ rss }: FuzzResult): string[] {
  const warm = rss.find(({ part }) => part === 'warm-up');
  const grownBytes = warm === undefined ? 0 : rss.at(-1)!.bytes - warm.bytes;
  return grownBytes > growthBytesMax ? [`the server has grown by ${grownBytes} bytes`] : [];
}

export function summary({ tally, faults, rss }: FuzzResult): string[] {
  return [
    `${tally.cases} cases on ${tally.connections} connections, ${tally.writes} writes, ${tally.bytes} bytes`,
    ...tally.lines(),
    `RSS with nobody connected: ${rss.map(({ part, bytes }) => `${part} ${(bytes / 2 ** 20).toFixed(1)} MiB`).join(', ')}`,
    faults.length === 0 ? 'no faults' : `${faults.length} faults:`,
    ...faults,
  ];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string', default: '100000' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      lanes: { type: 'string', default: '100' },
      /** Plays this connection alone, on a new server. */
      connection: { type: 'string' },
      program: { type: 'string' },
    },
  });
  const [cases, seed, lanes] = [values.cases, values.seed, values.lanes].map(Number) as [
    number,
    number,
    number,
  ];
  if (![cases, seed, lanes].every((value) => Number.isInteger(value) && value >= 0)) {
    console.error('--cases, --seed and --lanes are whole numbers.');
    process.exit(2);
  }
  if (values.connection !== undefined) return replay(seed, Number(values.connection));
  const { program } = values;
  const say = (line: string) => console.log(line);
  const result = await fuzz({ cases, seed, lanes, say, ...(program !== undefined && { program }) });
  for (const line of summary(result)) console.log(line);
  process.exitCode = result.faults.length === 0 ? 0 : 1;
}

/** One connection's cases, alone, on a new server: says what each was and what became of it. */
async function replay(seed: number, number: number): Promise<void> {
  const gateway = await startServerUnderFuzz();
  const tally = new Tally();
  const onCase = ({ kind, writes, mqtt, replies }: Case, outcome: Outcome) => {
    console.log(`${kind}: ${outcome}`);
    console.log(`  writes   ${writes.map((write) => write.toString('hex')).join(' | ')}`);
    console.log(`  MQTT     ${mqtt?.toString('hex') ?? 'unknown'}`);
    if (replies !== undefined) console.log(`  replies  ${replies.join(', ')}`);
  };
  await new Fuzzer({ port: gateway.port, seed, lanes: 1, tally, onCase }).replay(number);
  for (const line of tally.problems) console.log(line);
  console.log(JSON.stringify(await gateway.stats()));
  await gateway.kill();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
