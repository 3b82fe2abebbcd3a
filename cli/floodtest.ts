/** `encke floodtest`: flags of the flood, its lines, its record, its summary and its exit code. */
import { isIP } from 'node:net';
import { Command, Option } from 'commander';
import { Flood, type FloodOptions } from '../floodtest/flood.js';
import {
  ANSWER_TIMEOUT_MS,
  CONNECTIONS_PER_ADDRESS,
  type Cut,
  connectionsPerProcess,
  descriptorsFor,
  type GatewayTarget,
  mqttSourceAddressesFor,
  processesFor,
  processesMax,
  SOURCE_PORTS,
  sourceAddresses,
  sourceAddressesFor,
} from '../floodtest/plan.js';
import { isLoopbackIpv4, isOverTls, preflight } from '../floodtest/preflight.js';
import { type Context, contextOf, Recording, type Row } from '../floodtest/recording.js';
import { floodSummaryJson, floodSummaryText, rowLine } from '../floodtest/report.js';
import { serverUsage } from '../floodtest/server-usage.js';
import { TRANSPORT_NAMES, type TransportName } from '../floodtest/transport/transports.js';
import { descriptorLimit } from '../msggen/descriptors.js';
import { FAILED_EXIT_CODE, type FailOn, verdictOf } from '../msggen/verdict.js';
import { FAIL_ON_HELP, failOnOf } from './fail-on.js';
import {
  collected,
  durationMs,
  gatewayUrl,
  integerBetween,
  positiveInteger,
  positiveNumber,
} from './flag-values.js';
import { CUT_HELP, checkCut, cutOption } from './floodtest-cut.js';
import { addMqttOptions, checkMqttFlags, MQTT_HELP, type MqttFlags, mqttPlanOf } from './floodtest-mqtt.js';

const MAX_SOURCE_ADDRESSES = 60_000;
const DEFAULT_URL = new URL('http://127.0.0.1:8000');
const DEFAULT_MQTT_PATH = '/mqtt';

const HELP = `
Prints a line a second: connections open now, connections that were closed (not by floodtest), chunks received that
are not heartbeats. With messages that carry a stamp (encke msggen --stamp) the end says how many were lost,
duplicated and out of order, and how long they took. A loss shows when a later message for the same connection
comes; to see what was lost at the very end, compare "received" with what msggen says was delivered.

Connection number k logs in as id k modulo --ids, plus 1.
${CUT_HELP}${MQTT_HELP}
Examples:
  encke floodtest --connections 10000 --rate 2000
  encke floodtest --connections 10000 --rate 2000 --hold 1h --pid 4711 --csv run.csv --title "One hour"
  encke floodtest --connections 1000 --ids 10 --transport ndjson --hold 10s --json
  encke floodtest --connections 10000 --transport long-poll --hold 10m --pid 4711
  encke floodtest --connections 10000 --transport sse --cut 30s:10s --hold 60s
  encke floodtest --connections 1000 --transport mqtt-ws --qos 1 --keep-alive 60 --hold 10s
`;

interface Flags extends MqttFlags {
  connections: number;
  rate: number;
  url?: URL[];
  transport: TransportName;
  ids?: number;
  idPrefix: string;
  hold?: number;
  cut?: Cut;
  sourceAddresses?: number;
  processes?: number;
  pid?: number[];
  csv?: string;
  title?: string;
  failOn?: FailOn;
  json?: true;
}

export function floodtestCommand(): Command {
  const command = new Command('floodtest')
    .description('open many connections, hold them, and account for what they receive')
    .option('-c, --connections <n>', 'connections to open', positiveInteger, 1000)
    .option('-r, --rate <n>', 'connections opened a second', positiveNumber, 1000)
    .addOption(
      new Option(
        '--url <url>',
        `a gateway, several times for several; MQTT goes to ${DEFAULT_MQTT_PATH}, or as in ws://host:port/path (default: ${DEFAULT_URL.origin})`,
      )
        .env('ENCKE_URL')
        .argParser(collected(gatewayUrl)),
    )
    .addOption(
      new Option('-t, --transport <name>', 'what is spoken').choices(TRANSPORT_NAMES).default('http-chunked'),
    )
    .option('--ids <n>', 'ids are 1 to this (default: as many as connections)', positiveInteger)
    .option('--id-prefix <text>', 'goes before the number of the id, such as user/', '')
    .option('--hold <duration>', 'end this long after all are open (default: when interrupted)', durationMs)
    .addOption(cutOption())
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
    .option(
      '--pid <pid>',
      'process id of the server, several times for several: records memory and CPU',
      collected(positiveInteger),
    )
    .option('--csv <file>', 'record a row a second; title, machine and command go beside it as .json')
    .option('--title <text>', 'title of the record')
    .option('--fail-on <what>', FAIL_ON_HELP, failOnOf)
    .option('--json', 'print one JSON object at the end instead of text; the lines go to stderr');
  addMqttOptions(command);
  return command.addHelpText('after', HELP).action(async (flags: Flags, command: Command) => {
    checkTogether(flags, command);
    process.exitCode = await flood(flags, command);
  });
}

/** @returns the number of all connections, those of devices and of subscribers to everything included */
function connectionsInAll({ connections, devices = 0, everything, url }: Flags): number {
  return connections + devices + (everything === undefined ? 0 : (url?.length ?? 1));
}

function checkTogether(flags: Flags, command: Command): void {
  const wrong = (sentence: string) => command.error(`error: ${sentence}`, { exitCode: 2 });
  checkMqttFlags(flags, command);
  checkCut(flags, command);
  const connections = connectionsInAll(flags);
  const perProcess = connectionsPerProcess();
  if (perProcess < 1 || processesFor(connections) > processesMax()) {
    const wanted = descriptorsFor(connections);
    wrong(
      `${connections} connections need more open files than the ${descriptorLimit()} that are allowed here: say "ulimit -n ${wanted}" before, or ask for fewer.`,
    );
  }
  if (flags.processes !== undefined && connections > flags.processes * perProcess) {
    wrong(
      `${flags.processes} process${flags.processes === 1 ? '' : 'es'} can hold ${flags.processes * perProcess} connections here: give --processes ${processesFor(connections)} or more, or leave it out.`,
    );
  }
  if ((flags.processes ?? 1) > connections) {
    wrong(`--processes ${flags.processes} is more than --connections ${connections}.`);
  }
  const onAddresses = (flags.sourceAddresses ?? Number.POSITIVE_INFINITY) * CONNECTIONS_PER_ADDRESS;
  if (connections > onAddresses) {
    wrong(
      `${connections} connections need --source-addresses ${sourceAddressesFor(connections)} or more, ${CONNECTIONS_PER_ADDRESS} on each: or leave it out.`,
    );
  }
  for (const pid of flags.pid ?? []) {
    if (serverUsage([pid]) !== undefined) continue;
    wrong(`there is no process ${pid} on this machine: --pid is the process id of the server.`);
  }
  for (const url of flags.url ?? []) {
    if (/^https?:$/.test(url.protocol) || flags.transport === 'mqtt-ws') continue;
    wrong(
      `${url.href} is for --transport mqtt-ws: give the http URL of the gateway, such as ${DEFAULT_URL.origin}.`,
    );
  }
}

async function flood(flags: Flags, command: Command): Promise<number> {
  const urls = flags.url ?? [DEFAULT_URL];
  let gateways: GatewayTarget[];
  try {
    gateways = await Promise.all(urls.map(gatewayAt));
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
  const options = optionsOf(flags, gateways, command);
  const context = contextOf(flags.title, ['encke', ...withoutToken(process.argv.slice(2))], new Date());
  const mqtt = flags.transport === 'mqtt-ws';
  const recording = flags.csv === undefined ? undefined : record(flags.csv, context, mqtt, command);
  const run = new Flood(options, (row) => show(row, recording, flags.json === true));
  // The first signal ends the run with its summary, the second ends the process.
  let interrupts = 0;
  const interrupt = () => {
    if (interrupts++ > 0) process.exit(130);
    if (options.share.mqtt.devices !== undefined)
      console.error('Stopping: messages that are on their way are waited for. A second Ctrl-C ends at once.');
    run.stop();
  };
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
  console.log(
    flags.json ? JSON.stringify(floodSummaryJson(run, options, context)) : floodSummaryText(run, options),
  );
  if (recording?.failed) {
    console.error(`The record ${flags.csv} is not complete: see above.`);
    return 1;
  }
  if (run.connectedAtMost > 0) return exitCodeOf(run, flags.failOn);
  const names = urls.map((url) => `${url.protocol}//${url.host}`).join(' or ');
  console.error(`No connection to ${names} was accepted: the reasons are above.`);
  return 1;
}

/** Losses of all rows, including the subscribers to everything. */
function exitCodeOf(run: Flood, failOn: FailOn | undefined): number {
  if (failOn === undefined) return 0;
  const { closed, refused, failed, receivedUnsubscribed } = run.counts;
  const sum = (of: 'lost' | 'duplicated' | 'outOfOrder') =>
    run.tallies.reduce((total, tally) => total + tally[of], 0);
  const verdict = verdictOf(failOn, {
    losses: { lost: sum('lost'), duplicated: sum('duplicated'), 'out of order': sum('outOfOrder') },
    errors: { closed, refused, failed, 'received while unsubscribed': receivedUnsubscribed },
    latency: run.latency,
  });
  for (const sentence of verdict) console.error(sentence);
  return verdict.length > 0 ? FAILED_EXIT_CODE : 0;
}

/** Hides tokens: the command line goes into files that people publish. */
function withoutToken(args: string[]): string[] {
  return args.map((arg, i) =>
    args[i - 1] === '--mqtt-token' ? '…' : arg.replace(/^--mqtt-token=.*/s, '--mqtt-token=…'),
  );
}

async function gatewayAt(url: URL): Promise<GatewayTarget> {
  const path = `${url.pathname}${url.search}`;
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  return {
    ...(await preflight(url)),
    ...(isOverTls(url) ? { tls: isIP(hostname) === 0 ? { servername: hostname } : {} } : {}),
    host: url.host,
    mqttPath: url.protocol.startsWith('ws') && path !== '/' ? path : DEFAULT_MQTT_PATH,
  };
}

function optionsOf(flags: Flags, gateways: GatewayTarget[], command: Command): FloodOptions {
  const elsewhere = gateways.find(({ address }) => !isLoopbackIpv4(address));
  if (flags.sourceAddresses !== undefined && elsewhere !== undefined) {
    command.error(
      `error: --source-addresses works for a server on 127.0.0.0/8 only, and ${elsewhere.host} is ${elsewhere.address}.`,
      { exitCode: 2 },
    );
  }
  const connections = connectionsInAll(flags);
  const usualAddresses = flags.transport === 'mqtt-ws' ? mqttSourceAddressesFor : sourceAddressesFor;
  const addresses = elsewhere === undefined ? (flags.sourceAddresses ?? usualAddresses(connections)) : 0;
  return {
    share: {
      processes: flags.processes ?? processesFor(connections),
      connections,
      ratePerSec: flags.rate,
      gateways,
      transport: flags.transport,
      ids: flags.ids ?? flags.devices ?? flags.connections,
      idPrefix: flags.idPrefix,
      sourceAddresses: sourceAddresses(addresses),
      answerTimeoutMs: ANSWER_TIMEOUT_MS,
      cut: flags.cut,
      sourcePortOffset: Math.floor(Math.random() * SOURCE_PORTS),
      mqtt: mqttPlanOf(flags, flags.idPrefix, command),
    },
    holdMs: flags.hold,
    serverPids: flags.pid ?? [],
  };
}

function record(csvFile: string, context: Context, mqtt: boolean, command: Command): Recording {
  try {
    return new Recording(csvFile, context, mqtt);
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
  const failure = recording?.write(row);
  if (failure !== undefined) console.error(failure);
  if (json) console.error(rowLine(row));
  else console.log(rowLine(row));
}
