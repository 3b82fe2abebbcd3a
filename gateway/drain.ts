import type { Stream } from './connections.js';
import type { Streams } from './streams.js';

/** How often another share of the streams is ended. */
const stepMs = 50;

/**
 * Ends all streams, spread over `drainSec`, so that clients come back one by one and not all at once. A stream
 * that is behind is ended when it has got all that was accepted for it, or cut when the time is over.
 */
export async function drain(streams: Streams, drainSec: number): Promise<void> {
  const deadlineMs = performance.now() + drainSec * 1000;
  const open = streams.connections.streams.filter((stream) => stream !== undefined);
  const perStep = Math.ceil(open.length / Math.max(1, (drainSec * 1000) / stepMs));
  let behind: Stream[] = [];
  streams.outbound.flushTurn();
  for (let next = 0; next < open.length; next += perStep) {
    if (next > 0) await step();
    behind.push(...endDrained(streams, open.slice(next, next + perStep)));
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
  for (const stream of some) {
    if (!streams.isOpen(stream)) continue;
    if (streams.outbound.drained(stream)) streams.end(stream, 'server-stopping');
    else behind.push(stream);
  }
  return behind;
}

function step(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, stepMs));
}
