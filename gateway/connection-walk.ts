import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Connection } from './connection.js';
import type { Connections } from './connections.js';

/** Time that a walk takes of one turn of the loop, so that a million connections hold nobody up. */
const turnMs = 2;
/** Slots between two looks at the clock: to end a connection takes 20 to 50 µs. */
const slotsPerLook = 16;

/** Visits all connections that are open now and still are when it comes to them, in turns of bounded time. */
export async function walkConnections(
  { slots }: Pick<Connections, 'slots'>,
  visit: (connection: Connection) => void,
): Promise<void> {
  let endMs = performance.now() + turnMs;
  for (let slot = 0; slot < slots.length; slot++) {
    const connection = slots[slot];
    if (connection !== undefined) visit(connection);
    if (slot % slotsPerLook !== 0 || performance.now() < endMs) continue;
    await nextTurn();
    endMs = performance.now() + turnMs;
  }
}
