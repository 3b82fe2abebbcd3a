import { readFileSync } from 'node:fs';

/** A file of a flag cannot be used. The message says which flag, which file, and why. */
export class FileError extends Error {
  override readonly name = 'FileError';
}

/** Reads a file early: ioredis would read it on connecting, and say only ENOENT. @throws FileError */
export function readNamed(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new FileError(`${flag} ${path} cannot be read (${(cause as NodeJS.ErrnoException).code}).`, {
      cause,
    });
  }
}
