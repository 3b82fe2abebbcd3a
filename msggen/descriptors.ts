/** How many files and sockets a process may have open. */
import { readFileSync } from 'node:fs';

/** Node's own, standard streams, and what undici and the resolver open for a while. */
export const OWN_DESCRIPTORS = 40;

export function descriptorLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  const soft = /^Max open files +(\S+)/m.exec(limits)?.[1];
  return soft === undefined || soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}
