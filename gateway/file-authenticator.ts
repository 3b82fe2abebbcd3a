import type { Authenticator } from '../access/authenticator.js';
import { FileUsers } from '../access/file/file-users.js';
import { UserFileError } from '../access/file/user-file.js';
import type { AuthenticatorParts } from './authenticator-parts.js';
import { ConfigError } from './config-error.js';

/** The users of --auth-file. @throws ConfigError where it cannot be used; later on the file before goes on */
export async function fileUsersOf({
  config,
  cache,
  slowChecks,
  log,
}: AuthenticatorParts): Promise<Authenticator> {
  const { authFile: path, authFileBytesMax: bytesMax, authTimeoutMs: timeoutMs } = config;
  const onRead = (counts: object) =>
    log.info('auth-file', { path, ...counts }, 'the users of --auth-file have changed and are in use');
  const onTrouble = (error: unknown) =>
    log.warn(
      'auth-file',
      { path, detail: problemOf(error) },
      '--auth-file has changed and cannot be used: the users that were in it before go on. Mend it; it is read again when it changes',
    );
  try {
    return await FileUsers.open({ path, bytesMax, cache, slowChecks, timeoutMs, onRead, onTrouble });
  } catch (error) {
    throw new ConfigError(`--auth-file ${path} cannot be used: ${problemOf(error)}`, { cause: error });
  }
}

/** @throws the error where it is one of the program */
function problemOf(error: unknown): string {
  if (error instanceof UserFileError) return error.message;
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  return `it cannot be read (${code}).`;
}
