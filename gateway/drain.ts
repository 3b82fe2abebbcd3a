import type { Stream } from './connections.js';
import type { Streams } from './streams.js';

/** How often another share of the streams is ended. */
const stepMs = 50;

/** The rest of the time is for those that are behind when their turn comes last. */
const spreadShare = 0.8;

/**
 * Ends all streams, spread over `drainSec`, so that clients come back one by one and not all at once. A stream
 * that is behind is ended when it has got all that was accepted for it, or cut when the time is over.
 */
export async function drain(streams: Streams, drainSec: number): Promise<void> {
  const startedMs = performance.now();
  const deadlineMs = startedMs + drainSec * 1000;
  const spreadMs = spreadShare * drainSec * 1000;
  const open = streams.connections.streams.filter((stream) => stream !== undefined);
  let behind: Stream[] = [];
  for (let next = 0; next < open.length; ) {
    const share = spreadMs === 0 ? 1 : Math.min(1, (performance.now() - startedMs + stepMs) / spreadMs);
    const until = Math.max(next, Math.floor(open.length * share));
    behind.push(...endDrained(streams, open.slice(next, until)));
    next = until;
    if (next < open.length) await step();
  }
  while (behind.length > 0 && performance.now() < deadlineMs) {
    await step();
    behind = endDrained(streams, behind);
  }
  for (const stream of behind) if (streams.isOpen(stream)) streams.close(stream, 'server-stopping');
}

/** @returns those that are behind */
function endDrained(streams: Streams, some: Stream[]): Stream[] {
  const behind: Stream[] = [];
  streams.outbound.flushTurn(); // a batch that goes on may have delivered since the last step
  for (const stream of some) {
    if (!streams.isOpen(stream)) continue;
    if (streams.outbound.pushThrough(stream)) streams.end(stream, 'server-stopping');
    else behind.push(stream);
  }
  return behind;
}

function step(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, stepMs));
}
