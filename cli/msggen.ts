/** `encke msggen`: flags of the message generator, its live line, its summary and its exit code. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { Generator } from '../msggen/generator.js';
import { whyUnreachable } from '../msggen/reach.js';
import { type Asked, liveLine, summaryJson, summaryText } from '../msggen/report.js';
import { integerBetween, positiveInteger, positiveNumber, serverUrl, untilMs } from './values.js';

const DEFAULT_INTERVAL_MS = 100;
const DEFAULT_CONNECTIONS = 50;
/** Fewer connections make fuller batches: what is due while a request is on the wire goes with the next one. */
const DEFAULT_BATCH_CONNECTIONS = 4;
const MAX_ID = 10_000_000;

const HELP = `
Every message has a deadline that nothing moves: what a stall of msggen or of the server makes late is sent at
once afterwards, and its latency counts from the deadline. --rate max has no deadlines: each connection sends its
next message as soon as the last one is answered. Messages for one id always take the same connection, so they
arrive in the order they were sent. Ids are the whole numbers from 1 to --max-id, chosen at random.

Examples:
  encke msggen --messages 20 --interval 10 --max-id 5 --senders 10
  encke msggen --senders 100 --interval 100 --max-id 10000 --until 24h --stamp
  encke msggen --rate 50000 --batch 100 --max-id 10000 --until 10m --json
`;

interface Flags {
  messages?: number;
  interval?: number;
  rate?: number | 'max';
  senders: number;
  maxId: number;
  idPrefix: string;
  size: number;
  stamp?: true;
  until?: number;
  forever?: true;
  batch: number;
  connections?: number;
  waitingLimit: number;
  seed?: number;
  url: URL;
  token?: string;
  json?: true;
}

export function msggenCommand(): Command {
  return new Command('msggen')
    .description('send messages to random ids at a steady rate, and say what rate and latency came of it')
    .option('-m, --messages <n>', 'messages from each sender (or say --until or --forever)', positiveInteger)
    .addOption(
      new Option(
        '-i, --interval <ms>',
        `time between two messages of a sender (default: ${DEFAULT_INTERVAL_MS})`,
      )
        .argParser(positiveNumber)
        .conflicts('rate'),
    )
    .option('-r, --rate <n>', 'messages a second from all senders together, or "max"', rateOrMax)
    .option('-s, --senders <n>', 'senders, spread evenly over the interval', positiveInteger, 1)
    .option('--max-id <n>', `ids are 1 to this (at most ${MAX_ID})`, integerBetween(1, MAX_ID), 1000)
    .option('--id-prefix <text>', 'goes before the number of the id, such as user/', '')
    .option('--size <bytes>', 'size of a message; a longer stamp is not cut', integerBetween(1, 1 << 20), 64)
    .option(
      '--stamp',
      'open each message with publisher, number and time, so that floodtest can account for it',
    )
    .option(
      '-u, --until <when>',
      'end after a time (60s, 10m, 24h) or at one (2026-11-20T18:00:00Z)',
      untilMs,
    )
    .addOption(new Option('--forever', 'go on until interrupted').conflicts(['messages', 'until']))
    .option(
      '--batch <n>',
      'send what is due together as one request, at most n messages',
      integerBetween(1, 10_000),
      1,
    )
    .option(
      '-c, --connections <n>',
      `keep-alive connections (default: ${DEFAULT_CONNECTIONS}, with --batch ${DEFAULT_BATCH_CONNECTIONS})`,
      integerBetween(1, 10_000),
    )
    .option(
      '--waiting-limit <n>',
      'late messages kept for a slow server; more are errors',
      positiveInteger,
      200_000,
    )
    .option('--seed <n>', 'choose the same ids again (default: at random)', integerBetween(0, 0xffff_ffff))
    .addOption(
      new Option('--url <url>', 'the router API')
        .env('ENCKE_API_URL')
        .argParser(serverUrl)
        .default(new URL('http://127.0.0.1:8001'), 'http://127.0.0.1:8001'),
    )
    .addOption(new Option('--token <token>', 'token of the router API').env('ENCKE_API_TOKEN'))
    .option('--json', 'print one JSON object at the end instead of text')
    .addHelpText('after', HELP)
    .action(async (flags: Flags, command: Command) => {
      process.exitCode = await generate(askedBy(flags, command), flags.json === true);
    });
}

function rateOrMax(text: string): number | 'max' {
  if (text === 'max') return 'max';
  try {
    return positiveNumber(text);
  } catch {
    throw new InvalidArgumentError(
      'Give messages a second, such as 1000, or max for as fast as the API answers.',
    );
  }
}

function askedBy(flags: Flags, command: Command): Asked {
  if (flags.messages === undefined && flags.until === undefined && flags.forever === undefined) {
    command.error('error: say when to end: --messages <n>, --until <when> or --forever', { exitCode: 2 });
  }
  const { rate, senders } = flags;
  const intervalMs =
    flags.interval ?? (typeof rate === 'number' ? (senders * 1000) / rate : DEFAULT_INTERVAL_MS);
  return {
    url: flags.url,
    token: flags.token || undefined,
    senders,
    intervalMs: rate === 'max' ? undefined : intervalMs,
    ratePerSec: rate ?? (senders * 1000) / intervalMs,
    messagesTotal: (flags.messages ?? Number.POSITIVE_INFINITY) * senders,
    forMs: flags.until ?? Number.POSITIVE_INFINITY,
    maxId: flags.maxId,
    idPrefix: flags.idPrefix,
    sizeBytes: flags.size,
    stamp: flags.stamp === true,
    batch: flags.batch,
    connections: flags.connections ?? (flags.batch > 1 ? DEFAULT_BATCH_CONNECTIONS : DEFAULT_CONNECTIONS),
    waitingLimit: flags.waitingLimit,
    seed: flags.seed ?? Math.floor(Math.random() * 0x1_0000_0000),
  };
}

async function generate(asked: Asked, json: boolean): Promise<number> {
  const unreachable = await whyUnreachable(asked.url, asked.token);
  if (unreachable !== undefined) {
    console.error(unreachable);
    return 1;
  }
  const startedAt = new Date();
  const generator = new Generator(asked);
  const live = process.stderr.isTTY ? showLive(generator, asked) : undefined;
  // The first signal ends the run with its summary, the second ends the process.
  let interrupts = 0;
  const interrupt = () => (interrupts++ === 0 ? generator.stop() : process.exit(130));
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  await generator.run();
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  clearInterval(live);
  if (live !== undefined) process.stderr.write('\r\x1b[K');
  console.log(
    json ? JSON.stringify(summaryJson(generator, asked, startedAt)) : summaryText(generator, asked),
  );
  if (generator.sent > 0) return 0;
  console.error(`Nothing could be sent to ${asked.url.origin}: the errors above say why.`);
  return 1;
}

function showLive(generator: Generator, asked: Asked): NodeJS.Timeout {
  let sentBefore = 0;
  return setInterval(() => {
    process.stderr.write(`\r\x1b[K${liveLine(generator, asked, generator.sent - sentBefore)}`);
    sentBefore = generator.sent;
    generator.latest.reset();
  }, 1000);
}
