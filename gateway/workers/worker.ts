import { ConfigError } from '../config.js';
import { workerGroupVariable, workerVariable } from './variables.js';

/**
 * A worker's view of its supervisor: the worker's number, from the environment, and the channel between the two. The
 * channel carries one message, the ports of the worker. Its end means that the supervisor is gone.
 */

export interface Worker {
  /** The number of the worker, from 1. */
  readonly number: number;
  /** A random text, the same for all workers of the supervisor. */
  readonly group: string;
}

export interface ListeningPorts {
  readonly port: number;
  readonly apiPort: number;
}

/**
 * @returns undefined if this process is no worker
 * @throws ConfigError if the environment says so, but no supervisor has started it
 */
export function workerOf(environment: NodeJS.ProcessEnv): Worker | undefined {
  const number = environment[workerVariable];
  if (number === undefined || number === '') return undefined;
  if (process.send === undefined) {
    throw new ConfigError(
      `${workerVariable} in the environment is for the processes that --workers starts: unset it.`,
    );
  }
  return { number: Number(number), group: environment[workerGroupVariable] ?? '' };
}

/** Tells the supervisor that this worker is ready for clients. */
export function tellSupervisor(ports: ListeningPorts): void {
  // The end of the channel shows that the supervisor is gone, not an error here.
  process.send!(ports, () => undefined);
}

/**
 * Stops once, by a signal or with the supervisor. Ctrl-C reaches a worker twice, from the terminal and from the
 * supervisor. So a second signal is ignored while there is a supervisor, which ends its workers at once itself.
 */
export function stopWithSupervisor(stop: (cause: string) => void): void {
  let stopping = false;
  const stopOnce = (cause: string) => {
    if (stopping) return;
    stopping = true;
    stop(cause);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping && !process.connected) process.exit(signal === 'SIGINT' ? 130 : 143);
      stopOnce(signal);
    });
  }
  if (process.connected) process.once('disconnect', () => stopOnce('supervisor gone'));
  else setImmediate(() => stopOnce('supervisor gone')); // the supervisor ended while this process was loading
}
