import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { killAtExit } from './child-processes.js';

/** The blocks of a document, run as a reader pastes them: each in a shell of its own, in a folder like a checkout. */

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Block {
  /** `sh`, `js` and so on. */
  readonly kind: string;
  readonly text: string;
}

/** @param document its path from the root of the repository */
export function blocksOf(document: string): Block[] {
  const text = readFileSync(join(root, document), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, kind, text]) => ({
    kind: kind!,
    text: text!,
  }));
}

export interface ShellOutcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunningShell {
  readonly child: ChildProcess;
  readonly outcome: Promise<ShellOutcome>;
  /** The text that is on standard output so far. */
  said(): string;
}

/** A checkout as far as the blocks see one: what they write stays here. It is gone when the test ends. */
export function folderLikeCheckout(t: Pick<Test, 'teardown'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'encke-document-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  for (const name of ['dist', 'node_modules']) symlinkSync(join(root, name), join(folder, name));
  return folder;
}

export function startShell(text: string, cwd: string, environment: NodeJS.ProcessEnv): RunningShell {
  // A group of its own, so that what a block leaves behind can be ended with it.
  const child = spawn('bash', ['-c', text], {
    cwd,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  killAtExit(child);
  const said = { out: '', err: '' };
  child.stdout.on('data', (data) => {
    said.out += data;
  });
  child.stderr.on('data', (data) => {
    said.err += data;
  });
  const outcome = once(child, 'close').then(([code]) => ({ code: code as number | null, ...said }));
  return { child, outcome, said: () => said.out };
}

export function endGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGTERM');
  } catch {
    // It has ended by itself.
  }
}
