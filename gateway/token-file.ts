import { FileError, readNamed } from '../redis-access/named-file.js';

/** A token in a file, because every user of the machine can read the flags of a process. */

/** The shape of a token, also in settings. */
const tokenPattern = /^[\x21-\x7e]{16,}$/;
const tokenExpected = 'at least 16 printable characters without spaces';

/** Editors and `echo` end a file with a line break; some editors on Windows begin it with a byte order mark. */
export function secretIn(content: string): string {
  return content.replace(/^\ufeff/, '').replace(/[\r\n]+$/, '');
}

/**
 * @param flag the name of the setting, for messages, which never contain the token
 * @returns the token, or what is wrong
 */
export function tokenFrom(flag: string, path: string): { token: string } | { problem: string } {
  let content: string;
  try {
    content = readNamed(flag, path);
  } catch (error) {
    if (error instanceof FileError) return { problem: error.message };
    throw error;
  }
  const token = secretIn(content);
  if (token === '') return { problem: `${flag} ${path} is empty: put the token into it, ${tokenExpected}.` };
  if (!tokenPattern.test(token))
    return { problem: `${flag} ${path} must hold one token and nothing else: ${tokenExpected}.` };
  return { token };
}
