// The command as a process of its own, with the exit codes of `encke`.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CommanderError } from 'commander';
import { chartsCommand } from '../../cli/charts.js';
import { plainNode } from '../child-processes.js';

const THIS_FILE = fileURLToPath(import.meta.url);

export interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function enckeCharts(args: readonly string[], cwd: string): Promise<Ended> {
  return new Promise((resolve) => {
    const [program, ...itsArgs] = plainNode;
    const child = execFile(program, [...itsArgs, THIS_FILE, ...args], { cwd }, (_error, stdout, stderr) =>
      resolve({ exitCode: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

if (process.argv[1] === THIS_FILE) {
  try {
    await chartsCommand().exitOverride().parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  }
}
