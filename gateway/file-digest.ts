import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** @returns a hash of the content of a file; undefined where it cannot be read */
export function digestOfFile(path: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('base64');
  } catch {
    return undefined;
  }
}
