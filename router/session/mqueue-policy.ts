import type { SessionContext } from './session-context.js';
import type { SessionFlow } from './session-store.js';
import type { SessionDropReason } from './sessions-stats.js';

/**
 * Makes room for one more message in an mqueue, within the limits of the queue and of all sessions: drops the oldest,
 * if that is the policy, and counts it.
 * @returns undefined, or why there is no room
 */
export function makeRoom(
  flow: SessionFlow,
  bytes: number,
  sessions: SessionContext,
): SessionDropReason | undefined {
  // Dropping all messages of this queue would not help: keep them.
  if (!sessions.hasBytesFor(bytes - flow.queuedBytes)) return 'sessions-bytes';
  if (bytes > sessions.limits.mqueueBytesMax) return 'mqueue-full';
  for (;;) {
    const reason = lacking(flow, bytes, sessions);
    if (reason === undefined || sessions.limits.mqueueDrop === 'newest' || flow.queued === 0) return reason;
    flow.dequeue();
    sessions.countDropped(reason, 1);
  }
}

/** Whether a message has room without a drop. @param flow of a session that has messages */
export function hasRoom(flow: SessionFlow | undefined, bytes: number, sessions: SessionContext): boolean {
  return lacking(flow, bytes, sessions) === undefined;
}

function lacking(
  flow: Pick<SessionFlow, 'queued' | 'queuedBytes'> = nothing,
  bytes: number,
  sessions: SessionContext,
): SessionDropReason | undefined {
  const { maxMqueue, mqueueBytesMax } = sessions.limits;
  if (flow.queued >= maxMqueue || flow.queuedBytes + bytes > mqueueBytesMax) return 'mqueue-full';
  return sessions.hasBytesFor(bytes) ? undefined : 'sessions-bytes';
}

const nothing = { queued: 0, queuedBytes: 0 };
