import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { plainNode } from '../child-processes.js';

/** Runs `encke …` as a user does, in a process of its own, and tells what it said and how it ended. */

const door = fileURLToPath(new URL('../../cli/encke.js', import.meta.url));

export const command = [...plainNode, door] as const;

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Surroundings {
  environment?: Record<string, string>;
  stdin?: string | Uint8Array;
  /** The process is killed after this time: it should have ended by itself. */
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
  child.stdin.on('error', () => undefined); // the command need not read its input
  child.stdin.end(surroundings.stdin ?? '');
  const timer = setTimeout(() => child.kill('SIGKILL'), surroundings.timeoutMs ?? 20_000);
  [outcome.code] = await once(child, 'close');
  clearTimeout(timer);
  return outcome;
}

/** Runs an `encke start` that is expected to stop by itself. */
export function start(args: readonly string[], surroundings: Surroundings = {}): Promise<Outcome> {
  return encke(['start', '--port', '0', '--api-port', '0', ...args], { timeoutMs: 8000, ...surroundings });
}

/** The commands that `encke --help` lists. */
export async function commandNames(): Promise<string[]> {
  const { stdout } = await encke(['--help']);
  return [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map((match) => match[1]!).filter((name) => name !== 'help');
}

/** Most of the time goes into starting processes; two at once keep two cores busy. */
export async function inTurn<Case>(
  cases: readonly Case[],
  one: (each: Case) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < cases.length) await one(cases[next++]!);
  };
  await Promise.all([lane(), lane()]);
}

/** Settings of the shell that runs the tests are none of theirs. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('ENCKE_'));
  return Object.fromEntries(own);
}
