import type { InflightEntry } from './inflight-entry.js';
import type { SessionConnection } from './session-connection.js';
import type { SessionContext } from './session-context.js';
import type { SessionFlow } from './session-store.js';

/** A session whose connection may be cut at any write. */
interface Connected {
  readonly connection: SessionConnection | undefined;
}

/** `sentAtSec` of an entry that was not sent on the current connection. */
const unsent = -1;

/** The client has gone: all entries are due when it reconnects. That may take days, so encodings are freed. */
export function markUnsent(flow: SessionFlow): void {
  for (const entry of flow.entries()) {
    entry.sentAtSec = unsent;
    if (entry.message !== undefined) entry.message.wire = undefined;
  }
}

/**
 * Repeats entries that were not sent on this connection, oldest first [MQTT-4.6.0-1], as long as it takes more. Writing
 * may cut the connection at any point.
 * @returns whether all were sent
 */
export function repeatUnsent(session: Connected, flow: SessionFlow, sessions: SessionContext): boolean {
  for (const entry of flow.entries()) {
    if (entry.sentAtSec !== unsent || entry.held) continue;
    if (session.connection === undefined || session.connection.congested) return false;
    repeat(session, entry, sessions);
  }
  return session.connection !== undefined;
}

/** Repeats entries without an answer for the retry interval. */
export function repeatOverdue(session: Connected, flow: SessionFlow, sessions: SessionContext): void {
  const lastSec = sessions.nowSec - sessions.limits.retryIntervalSec;
  for (const entry of flow.entries()) {
    if (entry.sentAtSec > lastSec || entry.held) continue;
    // Its last message still waits, and was not even sent.
    if (session.connection === undefined || session.connection.congested) return;
    repeat(session, entry, sessions);
  }
}

function repeat({ connection }: Connected, entry: InflightEntry, sessions: SessionContext): void {
  sessions.counters.repeated++;
  entry.sentAtSec = sessions.nowSec;
  if (entry.message === undefined) {
    connection!.sendPubrel(entry.packetId);
  } else {
    entry.dup = true; // [MQTT-3.3.1-1]
    connection!.sendInflight(entry);
  }
}
