import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { until } from './until.js';

/** Starts, watches and ends the processes of tests and benchmarks. */

/**
 * Node as a user starts it. tap puts NODE_OPTIONS into the environment of each process that is spawned, whatever `env`
 * says: its loader would be in every server, in its memory and in its time to start. So it is taken out behind tap.
 */
export const plainNode = ['env', '-u', 'NODE_OPTIONS', process.execPath] as const;

const living = new Set<ChildProcess>();

/** It is not to outlive this process, which may fail before it ends it. */
export function killAtExit(child: ChildProcess): void {
  // One listener for all: from the eleventh on Node warns of a leak.
  if (living.size === 0) process.on('exit', killAll);
  living.add(child);
  child.once('exit', () => {
    living.delete(child);
    if (living.size === 0) process.off('exit', killAll);
  });
}

/**
 * A server of somebody else, such as a proxy, in the foreground. Resolves once it is up.
 * @throws Error with what it said
 */
export async function startServer(
  name: string,
  path: string,
  args: readonly string[],
  isUp: () => Promise<boolean>,
): Promise<ChildProcess> {
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  killAtExit(child);
  let said = '';
  child.stderr!.on('data', (text) => {
    said += text;
  });
  await until(`${name} answers`, () => {
    if (child.exitCode !== null) throw new Error(`${name} ended: ${said}`);
    return isUp();
  });
  return child;
}

/** Resolves once it has ended. */
export async function endServer(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

function killAll(): void {
  for (const child of living) child.kill('SIGKILL');
}
