import type { SessionFlow } from './session-store.js';
import type { Sessions } from './sessions.js';
import type { SessionDropReason } from './sessions-stats.js';

/**
 * Makes room for one more message in an mqueue, within what it and what all sessions together may hold: by dropping
 * the oldest, where that is the policy. What is dropped here is counted here.
 * @returns undefined, or why there is no room
 */
export function makeRoom(
  flow: SessionFlow,
  bytes: number,
  sessions: Sessions,
): SessionDropReason | undefined {
  // Dropping all that is here would not help: keep it.
  if (!sessions.hasBytesFor(bytes - flow.queuedBytes)) return 'sessions-bytes';
  for (;;) {
    const reason = lacking(flow, bytes, sessions);
    if (reason === undefined || sessions.limits.mqueueDrop === 'newest' || flow.queued === 0) return reason;
    flow.dequeue();
    sessions.countDropped(reason, 1);
  }
}

function lacking(flow: SessionFlow, bytes: number, sessions: Sessions): SessionDropReason | undefined {
  if (flow.queued >= sessions.limits.maxMqueue) return 'mqueue-full';
  return sessions.hasBytesFor(bytes) ? undefined : 'sessions-bytes';
}
