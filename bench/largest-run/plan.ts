/** The plan of the run, and the number of its processes. */
import { Command } from 'commander';
import { durationMs, nonNegativeInteger, positiveInteger, positiveNumber } from '../../cli/flag-values.js';
import { processesFor, type Share, sourceAddresses, sourceAddressesFor } from '../../floodtest/plan.js';
import { TRANSPORT_NAMES, type TransportName } from '../../floodtest/transport/transports.js';
import { reserveOf } from '../../gateway/descriptors.js';
import { settings } from '../../gateway/settings.js';
import { descriptorLimit } from '../../msggen/descriptors.js';
import { everyShare } from '../flood-share.js';

/** Descriptors that a gateway keeps free below its limit. Past that it refuses streams. */
const gatewayDescriptors = reserveOf({
  apiSocketsMax: settings.apiSocketsMax.default,
  adminSocketsMax: settings.adminSocketsMax.default,
  tlsCertFile: [],
});

/** The graph of the origin had 15 million edges of a million users. */
const followedDefault = 15;

export interface Plan {
  connections: number;
  gateways: number;
  redisServers: number;
  clientProcesses: number;
  loginsPerSec: number;
  messagesPerSec: number;
  holdMs: number;
  heartbeatSec: number;
  /** As `encke start` takes them; `# 0 0` = no history. */
  historyRules: string | undefined;
  /** Each id follows so many, and messages go to followers; 0 = no friends graph. */
  followed: number;
  transport: TransportName;
  freeBytesMin: number;
  csv: string;
  title: string;
  /** Only say what it will take. */
  dry: boolean;
  /** Start though the forecast says that it does not fit. */
  anyway: boolean;
}

interface Flags {
  connections: number;
  logins: number;
  rate: number;
  hold: number;
  gateways: number;
  redisServers: number;
  heartbeatSec: number;
  historyRules?: string;
  graph?: number | true;
  transport: TransportName;
  freeMin: number;
  csv: string;
  title?: string;
  dry?: true;
  anyway?: true;
}

export function planOf(argv: readonly string[]): Plan {
  const command = new Command('largest-run')
    .description('hold as many connections as asked for, with messages on top, on this one machine')
    .option('-c, --connections <n>', 'connections, each with an id of its own', positiveInteger, 40_000)
    .option('-l, --logins <n>', 'connections opened a second', positiveNumber, 5_000)
    .option('-r, --rate <n>', 'messages a second to random ids; 0 = none', nonNegativeInteger, 5_000)
    .option('--hold <duration>', 'how long messages are sent', durationMs, 60_000)
    .option('--gateways <n>', 'at least so many processes, as a larger run would have', positiveInteger, 1)
    .option('--redis-servers <n>', 'the ids are spread over them', positiveInteger, 1)
    .option(
      '--heartbeat-sec <n>',
      'a gateway writes a newline to a stream that was idle for so long; each costs what a message costs at both ends, so 1,000,000 streams at the default 45 s would be 22,000 a second, and at 600 s 1,700',
      positiveInteger,
      600,
    )
    .option('-t, --transport <name>', `one of ${TRANSPORT_NAMES.join(', ')}`, 'http-chunked')
    .option('--history-rules <rules>', "of the gateways, such as '# 0 0' for none (default: theirs)")
    .option(
      '--graph [edges]',
      'load a scale-free friends graph in which each id follows so many (default: 15), and send to followers',
      positiveInteger,
    )
    .option('--free-min <GB>', 'stop when less memory than this is free', positiveNumber, 1.5)
    .option('--csv <file>', 'a row a second; figures and command go beside it as .json', 'largest-run.csv')
    .option('--title <text>', 'of the record')
    .option('--dry', 'only say what it will take')
    .option('--anyway', 'start though the forecast says that it does not fit');
  const flags = command.parse(argv as string[]).opts<Flags>();
  const { connections } = flags;
  return {
    connections,
    gateways: Math.max(flags.gateways, Math.ceil(connections / (descriptorLimit() - gatewayDescriptors))),
    redisServers: flags.redisServers,
    clientProcesses: processesFor(connections),
    loginsPerSec: flags.logins,
    messagesPerSec: flags.rate,
    holdMs: flags.hold,
    heartbeatSec: flags.heartbeatSec,
    historyRules: flags.historyRules,
    followed: flags.graph === true ? followedDefault : (flags.graph ?? 0),
    transport: flags.transport,
    freeBytesMin: flags.freeMin * 1e9,
    csv: flags.csv,
    title: flags.title ?? `${connections.toLocaleString('en')} connections, ${flags.rate} messages/s`,
    dry: flags.dry === true,
    anyway: flags.anyway === true,
  };
}

export function floodShare(plan: Plan, ports: readonly number[]): Omit<Share, 'index'> {
  const { connections, clientProcesses, loginsPerSec, transport } = plan;
  return everyShare(ports, connections, {
    processes: clientProcesses,
    ratePerSec: loginsPerSec,
    transport,
    sourceAddresses: sourceAddresses(sourceAddressesFor(connections)),
  });
}
