/** `encke floodtest`: flags of the flood, its lines, its record, its summary and its exit code. */
import { Command, Option } from 'commander';
import { Flood, type FloodOptions } from '../floodtest/flood.js';
import {
  ANSWER_TIMEOUT_MS,
  CONNECTIONS_PER_ADDRESS,
  connectionsPerProcess,
  processesFor,
  SOURCE_PORTS,
  sourceAddresses,
  sourceAddressesFor,
} from '../floodtest/plan.js';
import { isLoopback, type Reached, reach } from '../floodtest/reach.js';
import { type Context, contextOf, Recording, type Row } from '../floodtest/recording.js';
import { rowLine, summaryJson, summaryText } from '../floodtest/report.js';
import { serverUsage } from '../floodtest/server-usage.js';
import { TRANSPORT_NAMES, type TransportName } from '../floodtest/transport/transports.js';
import { durationMs, integerBetween, positiveInteger, positiveNumber, serverUrl } from './values.js';

const MAX_SOURCE_ADDRESSES = 60_000;

const HELP = `
Prints a line a second: connections open now, connections that were closed (not by floodtest), chunks received that
are not heartbeats. With messages that carry a stamp (encke msggen --stamp) the end says how many were lost,
duplicated and out of order, and how long they took. A loss shows when a later message for the same connection
comes; to see what was lost at the very end, compare "received" with what msggen says was delivered.

Connection number k logs in as id k modulo --ids, plus 1.

Examples:
  encke floodtest --connections 10000 --rate 2000
  encke floodtest --connections 10000 --rate 2000 --hold 1h --pid 4711 --csv run.csv --title "One hour"
  encke floodtest --connections 1000 --ids 10 --transport ndjson --hold 10s --json
`;

interface Flags {
  connections: number;
  rate: number;
  url: URL;
  transport: TransportName;
  ids?: number;
  idPrefix: string;
  hold?: number;
  sourceAddresses?: number;
  processes?: number;
  pid?: number;
  csv?: string;
  title?: string;
  json?: true;
}

export function floodtestCommand(): Command {
  return new Command('floodtest')
    .description('open many connections, hold them, and account for what they receive')
    .option('-c, --connections <n>', 'connections to open', positiveInteger, 1000)
    .option('-r, --rate <n>', 'connections opened a second', positiveNumber, 1000)
    .addOption(
      new Option('--url <url>', 'the gateway')
        .env('ENCKE_URL')
        .argParser(serverUrl)
        .default(new URL('http://127.0.0.1:8000'), 'http://127.0.0.1:8000'),
    )
    .addOption(
      new Option('-t, --transport <name>', 'what is spoken').choices(TRANSPORT_NAMES).default('http-chunked'),
    )
    .option('--ids <n>', 'ids are 1 to this (default: as many as connections)', positiveInteger)
    .option('--id-prefix <text>', 'goes before the number of the id, such as user/', '')
    .option('--hold <duration>', 'end this long after all are open (default: when interrupted)', durationMs)
    .option(
      '--source-addresses <n>',
      'connect from this many of 127.0.0.2, 127.0.0.3, … (default: none up to 1,000 connections, then one for each 20,000)',
      integerBetween(1, MAX_SOURCE_ADDRESSES),
    )
    .option(
      '--processes <n>',
      'spread over this many processes (default: as the descriptor limit asks, 18,000 connections each at most)',
      positiveInteger,
    )
    .option('--pid <pid>', 'process id of the server: records its memory and CPU', positiveInteger)
    .option('--csv <file>', 'record a row a second; title, machine and command go beside it as .json')
    .option('--title <text>', 'title of the record')
    .option('--json', 'print one JSON object at the end instead of text; the lines go to stderr')
    .addHelpText('after', HELP)
    .action(async (flags: Flags, command: Command) => {
      checkTogether(flags, command);
      process.exitCode = await flood(flags, command);
    });
}

function checkTogether(flags: Flags, command: Command): void {
  const wrong = (sentence: string) => command.error(`error: ${sentence}`, { exitCode: 2 });
  const perProcess = connectionsPerProcess();
  if (flags.processes !== undefined && flags.connections > flags.processes * perProcess) {
    wrong(
      `${flags.processes} process${flags.processes === 1 ? '' : 'es'} can hold ${flags.processes * perProcess} connections here: give --processes ${processesFor(flags.connections)} or more, or leave it out.`,
    );
  }
  if ((flags.processes ?? 1) > flags.connections) {
    wrong(`--processes ${flags.processes} is more than --connections ${flags.connections}.`);
  }
  const onAddresses = (flags.sourceAddresses ?? Number.POSITIVE_INFINITY) * CONNECTIONS_PER_ADDRESS;
  if (flags.connections > onAddresses) {
    wrong(
      `${flags.connections} connections need --source-addresses ${sourceAddressesFor(flags.connections)} or more, ${CONNECTIONS_PER_ADDRESS} on each: or leave it out.`,
    );
  }
  if (flags.pid !== undefined && serverUsage(flags.pid) === undefined) {
    wrong(`there is no process ${flags.pid} on this machine: --pid is the process id of the server.`);
  }
}

async function flood(flags: Flags, command: Command): Promise<number> {
  let reached: Reached;
  try {
    reached = await reach(flags.url);
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
  const options = optionsOf(flags, reached, command);
  const context = contextOf(flags.title, ['encke', ...process.argv.slice(2)], new Date());
  const recording = flags.csv === undefined ? undefined : record(flags.csv, context, command);
  const run = new Flood(options, (row) => show(row, recording, flags.json === true));
  // The first signal ends the run with its summary, the second ends the process.
  let interrupts = 0;
  const interrupt = () => (interrupts++ === 0 ? run.stop() : process.exit(130));
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    await run.run();
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    recording?.close();
  }
  console.log(flags.json ? JSON.stringify(summaryJson(run, options, context)) : summaryText(run, options));
  if (run.connectedAtMost > 0) return 0;
  console.error(`No connection to ${flags.url.origin} was accepted: the reasons are above.`);
  return 1;
}

function optionsOf(flags: Flags, reached: Reached, command: Command): FloodOptions {
  if (flags.sourceAddresses !== undefined && !isLoopback(reached.address)) {
    command.error(
      `error: --source-addresses works for a server on 127.0.0.0/8 only, and ${flags.url.hostname} is ${reached.address}.`,
      { exitCode: 2 },
    );
  }
  const addresses = isLoopback(reached.address)
    ? (flags.sourceAddresses ?? sourceAddressesFor(flags.connections))
    : 0;
  return {
    share: {
      processes: flags.processes ?? processesFor(flags.connections),
      connections: flags.connections,
      ratePerSec: flags.rate,
      address: reached.address,
      port: reached.port,
      host: flags.url.host,
      transport: flags.transport,
      ids: flags.ids ?? flags.connections,
      idPrefix: flags.idPrefix,
      sourceAddresses: sourceAddresses(addresses),
      answerTimeoutMs: ANSWER_TIMEOUT_MS,
      sourcePortOffset: Math.floor(Math.random() * SOURCE_PORTS),
    },
    holdMs: flags.hold,
    serverPid: flags.pid,
  };
}

function record(csvFile: string, context: Context, command: Command): Recording {
  try {
    return new Recording(csvFile, context);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return command.error(
      `error: ${csvFile} cannot be written (${code}): give --csv a file in a directory that exists.`,
      {
        exitCode: 2,
      },
    );
  }
}

function show(row: Row, recording: Recording | undefined, json: boolean): void {
  recording?.write(row);
  if (json) console.error(rowLine(row));
  else console.log(rowLine(row));
}
