import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** `encke …` as a user runs it: a process of its own, and what it said and how it ended. */

const door = fileURLToPath(new URL('../../cli/encke.js', import.meta.url));

/** tap has every Node process load it, which doubles the time to start; a user's does not. */
export const command = ['env', '-u', 'NODE_OPTIONS', process.execPath, door] as const;

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Surroundings {
  environment?: Record<string, string>;
  stdin?: string | Uint8Array;
  /** Killed after this, as one that should have ended by itself. */
  timeoutMs?: number;
}

export async function encke(args: readonly string[], surroundings: Surroundings = {}): Promise<Outcome> {
  const child = spawn(command[0], [...command.slice(1), ...args], {
    env: { ...cleanEnvironment(), ...surroundings.environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    outcome.stdout += text;
  });
  child.stderr.on('data', (text) => {
    outcome.stderr += text;
  });
  child.stdin.on('error', () => undefined); // it need not read it
  child.stdin.end(surroundings.stdin ?? '');
  const timer = setTimeout(() => child.kill('SIGKILL'), surroundings.timeoutMs ?? 20_000);
  [outcome.code] = await once(child, 'close');
  clearTimeout(timer);
  return outcome;
}

/** Settings of the shell that runs the tests are none of theirs. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('ENCKE_'));
  return Object.fromEntries(own);
}
