import { ConfigError } from '../config.js';
import { workerGroupVariable, workerVariable } from './variables.js';

/**
 * A worker's side of its supervisor: who it is, by its environment, and the channel between the two. The channel carries
 * one message, the ports that the worker listens on; and its end says that the supervisor is gone, whatever became of it.
 */

export interface Worker {
  /** From 1. */
  readonly number: number;
  /** Of all workers of its supervisor. */
  readonly group: string;
}

export interface ListeningPorts {
  readonly port: number;
  readonly apiPort: number;
}

/**
 * @returns undefined where this process is no worker
 * @throws ConfigError where it says it is, and no supervisor has started it
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

/** Clients can come. */
export function tellSupervisor(ports: ListeningPorts): void {
  // A supervisor that went at this moment is noticed by the end of the channel, not by an error here.
  process.send!(ports, () => undefined);
}

/**
 * Stops once, by a signal or with the supervisor. Ctrl-C reaches a worker twice, from the terminal and from the
 * supervisor: so the second signal means nothing, as long as there is a supervisor that ends its workers at once itself.
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
  else setImmediate(() => stopOnce('supervisor gone')); // it went while this process was loading
}
