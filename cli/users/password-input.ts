import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { passwordBytesMax } from '../../access/stored-password.js';
import { hiddenLines } from './hidden-lines.js';

export interface PasswordFlags {
  readonly passwordFile?: string;
}

export const passwordFileHelp = 'a file that holds the password; - is standard input';

/**
 * A password is never an argument, which anybody on the machine could read in the list of processes. It comes from a file,
 * or from standard input: at a terminal it is asked for twice, and not shown.
 * @returns undefined where no password was given; the command has said why
 */
export async function readPassword(
  { passwordFile }: PasswordFlags,
  whose: string,
  fail: (sentence: string) => void,
): Promise<string | undefined> {
  if (passwordFile === undefined && process.stdin.isTTY) {
    const [password, again] = await hiddenLines([`Password of ${whose}: `, 'Once more: ']);
    if (password === again) return password;
    fail('The two passwords are not the same: nothing was changed.');
    return undefined;
  }
  const bytes =
    passwordFile === undefined || passwordFile === '-' ? await standardInput() : fileBytes(passwordFile);
  if (typeof bytes === 'string') {
    fail(bytes);
    return undefined;
  }
  const password = bytes.toString().replace(/[\r\n]+$/, ''); // echo adds one, htpasswd two
  if (/[\r\n]/.test(password)) {
    fail('A password is one line, and there are more: give it alone.');
    return undefined;
  }
  if (password.includes('\ufffd')) {
    fail('A password is text in UTF-8, and this is not.');
    return undefined;
  }
  return password;
}

/** @returns the bytes of the file, or a sentence that says why it cannot be read */
function fileBytes(path: string): Buffer | string {
  try {
    return readFileSync(path);
  } catch (error) {
    return `--password-file ${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`;
  }
}

async function standardInput(): Promise<Buffer | string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    bytes += (chunk as Buffer).length;
    if (bytes > passwordBytesMax + 2) return `A password has at most ${passwordBytesMax} bytes.`;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

export function addPasswordOption(command: Command): Command {
  return command.option('--password-file <path>', passwordFileHelp);
}
