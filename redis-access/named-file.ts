import { readFileSync } from 'node:fs';

/** A file that a flag names and that cannot be used. The message says which flag, which file, and why. */
export class FileError extends Error {
  override readonly name = 'FileError';
}

/** The client reads files when it connects, and says no more than ENOENT. @throws FileError */
export function readNamed(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new FileError(`${flag} ${path} cannot be read (${(cause as NodeJS.ErrnoException).code}).`, {
      cause,
    });
  }
}
