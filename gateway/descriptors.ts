import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { ConfigError } from './config-error.js';

/** uWS's backlog: the most connections that are accepted in one turn of the loop. */
const backlog = 512;

/** Sockets of the router API beyond --api-sockets-max that may open before as many are closed. */
export function apiSocketsBeyond(apiSocketsMax: number): number {
  return Math.min(backlog, apiSocketsMax);
}

/** Sockets for refusals beyond the last stream: they get a 503. */
export const refusalSockets = 128;

/** Node, libuv, log, stdio: measured 25 after the start. */
const ownDescriptors = 64;

/** These settings limit the sockets that clients do not use, or take descriptors for TLS. */
export interface OperatorSockets {
  readonly apiSocketsMax: number;
  readonly adminSocketsMax: number;
  readonly tlsCertFile: readonly string[];
}

/**
 * Descriptors beside those of streams, at most. A listener with TLS hands accepted sockets to another app, which counts
 * them a turn later: meanwhile as many may be accepted as wait.
 */
export function reserveOf({ apiSocketsMax, adminSocketsMax, tlsCertFile }: OperatorSockets): number {
  const ofApi = apiSocketsMax + apiSocketsBeyond(apiSocketsMax);
  const uncounted = tlsCertFile.length > 0 ? backlog : 0;
  return ofApi + adminSocketsMax + refusalSockets + ownDescriptors + uncounted;
}

/**
 * The number of streams that fit. At the descriptor limit `accept` fails while the listening socket stays readable, and
 * the process spins at 100 % CPU. So the process never reaches the limit, with the reserves above.
 *
 * @param asked --connections-max; 0 = as many as fit
 * @throws ConfigError when more are asked for than fit
 */
export function streamCapacity(
  asked: number,
  sockets: OperatorSockets,
  descriptorLimit = readDescriptorLimit(),
): number {
  const reserve = reserveOf(sockets);
  const fit = descriptorLimit - reserve;
  if (fit < 1) {
    throw new ConfigError(
      `The descriptor limit is ${descriptorLimit}, and ${reserve} are needed before the first stream: raise it (ulimit -n 65536), or lower --api-sockets-max ${sockets.apiSocketsMax}.`,
    );
  }
  if (asked > fit) {
    throw new ConfigError(
      `--connections-max ${asked} needs a descriptor limit of ${asked + reserve}, and it is ${descriptorLimit}: raise it (ulimit -n, or LimitNOFILE= in systemd), or ask for at most ${fit}.`,
    );
  }
  return asked === 0 ? Math.min(fit, unlimitedCapacity) : asked;
}

/** Length of the columns where the limit is "unlimited": 21 bytes a stream, untouched until used. */
const unlimitedCapacity = 2_000_000;

/** The soft limit of this process; Node has raised it to the hard one at its start. */
function readDescriptorLimit(): number {
  const shown = readLimitsFile() ?? execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim();
  return shown === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(shown);
}

/** On Linux, without a child process. */
function readLimitsFile(): string | undefined {
  try {
    return /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}
