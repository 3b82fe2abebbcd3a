/** The code of an error of the system, such as ENOENT; the message of one that has no code. */
export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code || (error as Error).message || 'no reason given';
}
