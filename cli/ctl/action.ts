import type { Command } from 'commander';
import { CallError } from '../server-connection.js';
import { terminalLines } from '../terminal-text.js';
import { tokenOf } from '../token-options.js';
import { AdminClient } from './admin-client.js';

/** The flags of every `encke ctl` command. */
export interface CtlFlags {
  readonly admin: URL;
  readonly json?: true;
  readonly timeout: number;
}

/** The answer of a command, as JSON and as text. */
export interface Shown {
  readonly json: unknown;
  /** The answer for people: a table, or a few lines. */
  readonly text: string;
  /** The names of the nodes that did not answer. */
  readonly unanswered?: readonly string[];
  /** There are more entries than were asked for. */
  readonly more?: boolean;
}

/** Runs one command: asks, and prints; a failure is a sentence and exit code 1. */
export async function act(command: Command, ask: (client: AdminClient) => Promise<Shown>): Promise<void> {
  const flags = command.optsWithGlobals<CtlFlags>();
  const client = new AdminClient({
    url: flags.admin,
    token: tokenOf(ctlOf(command), 'token'),
    timeoutMs: flags.timeout,
  });
  try {
    const { json, text, unanswered = [], more = false } = await ask(client);
    process.stdout.write(flags.json === true ? `${JSON.stringify(json)}\n` : terminalLines(text));
    if (more) warn('there are more: give a larger --limit.');
    if (unanswered.length > 0) warn(`these nodes did not answer, and are missing: ${unanswered.join(', ')}.`);
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    warn(error.message);
    process.exitCode = 1;
  } finally {
    await client.close();
  }
}

/** @returns the command `ctl` above a command: it has the flags that all of them share */
function ctlOf(command: Command): Command {
  let ctl = command;
  while (ctl.parent !== null && ctl.name() !== 'ctl') ctl = ctl.parent;
  return ctl;
}

function warn(sentence: string): void {
  process.stderr.write(`encke ctl: ${terminalLines(sentence)}\n`);
}
