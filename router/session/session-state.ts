import type { SubscriptionOptions } from '../subscription-options.js';
import type { InflightEntry } from './inflight-entry.js';
import type { Queued } from './mqueue.js';
import type { SessionOwner } from './session-owner.js';
import type { SessionFlow } from './session-store.js';

/** The messages of a session. Messages are shared; the holder of this owns the entries. */
export interface FlowState {
  /** The last packet id. */
  readonly lastPacketId: number;
  /** In the order of repeats; entries without a message wait for PUBCOMP. */
  readonly inflight: readonly InflightEntry[];
  readonly queued: readonly Queued[];
  /** QoS 2 packet ids of the client that await its PUBREL. */
  readonly awaiting: readonly number[];
}

/** A session of an absent client, on its way between nodes. The router has its subscriptions. */
export interface SessionState extends FlowState {
  readonly clientId: string;
  readonly owner: SessionOwner | undefined;
  /** Its own expiry, see SessionTerms. */
  readonly expirySec: number | undefined;
}

/** An id or filter of a session. */
export interface Subscription {
  readonly filter: string;
  readonly options: SubscriptionOptions;
}

/** Messages that would be lost with it. */
export function messagesIn({ inflight, queued }: FlowState): number {
  return queued.length + inflight.filter(({ message }) => message !== undefined).length;
}

/** Empties the mqueue. The rest is removed with the flow. @internal */
export function takeFlow(flow: SessionFlow | undefined, lastPacketId: number): FlowState {
  if (flow === undefined) return { lastPacketId, inflight: [], queued: [], awaiting: [] };
  const queued: Queued[] = [];
  const inflight = [...flow.entries()];
  const awaiting = [...flow.awaitingIds()];
  for (let next = flow.dequeue(); next !== undefined; next = flow.dequeue()) queued.push(next);
  return { lastPacketId, inflight, queued, awaiting };
}
