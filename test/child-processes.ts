import type { ChildProcess } from 'node:child_process';

/** What the processes have in common that tests and benchmarks start. */

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

function killAll(): void {
  for (const child of living) child.kill('SIGKILL');
}
