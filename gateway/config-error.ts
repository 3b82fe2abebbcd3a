import { FileError } from '../redis-access/named-file.js';

/** A setting that cannot be used. The sentence names the key, its source and what it must be. */
export class ConfigError extends Error {
  readonly code = 'ERR_ENCKE_CONFIG';
  override readonly name = 'ConfigError';
}

/** Reads files that settings name. @throws ConfigError where one of them cannot be used */
export function readingFiles<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof FileError ? new ConfigError(error.message, { cause: error }) : error;
  }
}
