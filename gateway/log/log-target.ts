import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** The descriptor of the log, and whether a write there can block the process. */
export interface LogTarget {
  readonly fd: number;
  /**
   * - `own`: a pipe or terminal, opened once more for this process alone: a write without room gives EAGAIN.
   * - `file`: a write ends, however slow the disk is.
   * - `shared`: a socket, or a pipe of another user: other processes can change the flag that makes a write block.
   */
  readonly kind: 'own' | 'file' | 'shared';
}

/** Standard error, so that a stuck reader cannot block this process. */
export function standardError(): LogTarget {
  return targetOf(process.stderr.fd); // creating the stream sets O_NONBLOCK on a pipe or socket
}

export function targetOf(fd: number): LogTarget {
  const stat = fstatSync(fd);
  if (stat.isFile()) return { fd, kind: 'file' };
  const own = stat.isFIFO() || stat.isCharacterDevice() ? openOnceMore(fd) : undefined;
  return own === undefined ? { fd, kind: 'shared' } : { fd: own, kind: 'own' };
}

/**
 * All processes that share a descriptor share its flag O_NONBLOCK, and libuv clears the flag in each process that it
 * starts. A pipe that is opened by its path has a flag of its own. Only Linux can open it again. A pipe without a
 * reader, or of another user, cannot be opened.
 */
function openOnceMore(fd: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return undefined;
  }
}

/** Whether a write cannot block. */
export function neverWaits({ fd, kind }: LogTarget): boolean {
  if (kind !== 'shared') return true;
  try {
    const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
    return (Number.parseInt(flags ?? '0', 8) & constants.O_NONBLOCK) !== 0;
  } catch {
    return false; // not Linux: the rest is not written
  }
}

export function closeTarget({ fd, kind }: LogTarget): void {
  if (kind === 'own') closeSync(fd);
}
