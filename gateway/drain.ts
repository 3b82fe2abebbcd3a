import type { Connection } from './connection.js';
import type { Connections } from './connections.js';
import type { Outbound } from './outbound.js';

/** Interval between two groups of streams that end. */
const stepMs = 50;

/** Part of the time in which streams end. The rest is for streams that are behind. */
const spreadShare = 0.8;

/**
 * Ends all connections, spread over `drainSec`, so that clients do not all reconnect at once. A connection that is
 * behind ends when it has got everything that was accepted for it, or is cut when the time is over.
 * @param goesOn false: those that are left stay
 */
export async function drain(
  connections: Connections,
  outbound: Outbound,
  drainSec: number,
  goesOn: () => boolean = () => true,
): Promise<void> {
  const startedMs = performance.now();
  const deadlineMs = startedMs + drainSec * 1000;
  const spreadMs = spreadShare * drainSec * 1000;
  const open = connections.slots.filter((connection) => connection !== undefined);
  let behind: Connection[] = [];
  for (let next = 0; next < open.length && goesOn(); ) {
    const share = spreadMs === 0 ? 1 : Math.min(1, (performance.now() - startedMs + stepMs) / spreadMs);
    const until = Math.max(next, Math.floor(open.length * share));
    behind.push(...endDrained(open.slice(next, until)));
    next = until;
    if (next < open.length) await step();
  }
  while (behind.length > 0 && performance.now() < deadlineMs && goesOn()) {
    await step();
    behind = endDrained(behind);
  }
  if (!goesOn()) return;
  for (const connection of behind) if (connections.has(connection)) connection.cut('server-stopping');

  /** @returns connections that are behind */
  function endDrained(some: Connection[]): Connection[] {
    const left: Connection[] = [];
    outbound.flushTurn(); // a batch in progress may have delivered since the last step
    for (const connection of some) {
      if (!connections.has(connection)) continue;
      if (outbound.pushThrough(connection)) connection.end('server-stopping');
      else left.push(connection);
    }
    return left;
  }
}

function step(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, stepMs));
}
