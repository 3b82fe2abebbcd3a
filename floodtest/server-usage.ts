/** Memory and CPU time of the servers, from /proc. */
import { readFileSync } from 'node:fs';

export interface ServerUsage {
  rssBytes: number;
  /** User and system time since the process began. */
  cpuSec: number;
}

/** Linux counts in 1/100 s for user space on every architecture that Node runs on. */
const TICKS_PER_SEC = 100;

/** Sum over the processes; undefined when there are none, or one of them does not run. */
export function serverUsage(pids: number[]): ServerUsage | undefined {
  let sum: ServerUsage | undefined;
  for (const pid of pids) {
    const usage = usageOf(pid);
    if (usage === undefined) return undefined;
    const { rssBytes = 0, cpuSec = 0 } = sum ?? {};
    sum = { rssBytes: rssBytes + usage.rssBytes, cpuSec: cpuSec + usage.cpuSec };
  }
  return sum;
}

function usageOf(pid: number): ServerUsage | undefined {
  try {
    const rssKb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold spaces; behind it utime and stime are the 12th and 13th field.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (rssKb === undefined) return undefined;
    return {
      rssBytes: Number(rssKb) * 1024,
      cpuSec: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC,
    };
  } catch {
    return undefined;
  }
}
