import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** A descriptor that log lines are written to, and whether a write there can hold the process. */
export interface LogTarget {
  readonly fd: number;
  /**
   * - `own`: a pipe or terminal, opened once more for this process alone: a write that finds no room is EAGAIN.
   * - `file`: a write ends, however slow the disk is.
   * - `shared`: a socket, or a pipe of another user: whether a write waits is a flag that other processes can change.
   */
  readonly kind: 'own' | 'file' | 'shared';
}

/** Standard error, so that a reader who stands still cannot hold this process. */
export function standardError(): LogTarget {
  return targetOf(process.stderr.fd); // making the stream sets O_NONBLOCK where it is a pipe or a socket
}

export function targetOf(fd: number): LogTarget {
  const stat = fstatSync(fd);
  if (stat.isFile()) return { fd, kind: 'file' };
  const own = stat.isFIFO() || stat.isCharacterDevice() ? openOnceMore(fd) : undefined;
  return own === undefined ? { fd, kind: 'shared' } : { fd: own, kind: 'own' };
}

/**
 * The flag O_NONBLOCK belongs to all processes that share a descriptor, and libuv takes it off in each process that it
 * starts. Opened by its path a pipe has a flag of its own. Only Linux opens it anew; a pipe without a reader, or of
 * another user, cannot be opened.
 */
function openOnceMore(fd: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return undefined;
  }
}

/** Whether a write may be tried where nothing can interrupt it. */
export function neverWaits({ fd, kind }: LogTarget): boolean {
  if (kind !== 'shared') return true;
  try {
    const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
    return (Number.parseInt(flags ?? '0', 8) & constants.O_NONBLOCK) !== 0;
  } catch {
    return false; // not Linux: what is left is not written
  }
}

export function closeTarget({ fd, kind }: LogTarget): void {
  if (kind === 'own') closeSync(fd);
}
