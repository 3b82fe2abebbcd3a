import type { SubscriptionOptions } from '../subscription-options.js';
import type { InflightEntry } from './inflight-entry.js';
import type { Queued } from './mqueue.js';
import type { SessionOwner } from './session-owner.js';
import type { SessionFlow } from './session-store.js';

/** The messages under way in a session. Messages are shared; entries belong to whoever has this. */
export interface FlowState {
  /** The packet id given out last. */
  readonly lastPacketId: number;
  /** In the order in which they are repeated; those without a message wait for PUBCOMP. */
  readonly inflight: readonly InflightEntry[];
  readonly queued: readonly Queued[];
  /** QoS 2 packet ids of the client that await its PUBREL. */
  readonly awaiting: readonly number[];
}

/** A session whose client is away, as it goes from one node to another; what it subscribes to is the router's. */
export interface SessionState extends FlowState {
  readonly clientId: string;
  readonly owner: SessionOwner | undefined;
  /** Its own, see SessionTerms. */
  readonly expirySec: number | undefined;
}

/** An id or filter that a session is subscribed to. */
export interface Subscription {
  readonly filter: string;
  readonly options: SubscriptionOptions;
}

/** Messages in it that would be lost with it. */
export function messagesIn({ inflight, queued }: FlowState): number {
  return queued.length + inflight.filter(({ message }) => message !== undefined).length;
}

/** Empties the mqueue; the rest goes when the flow is given back. @internal */
export function takeFlow(flow: SessionFlow | undefined, lastPacketId: number): FlowState {
  if (flow === undefined) return { lastPacketId, inflight: [], queued: [], awaiting: [] };
  const queued: Queued[] = [];
  const inflight = [...flow.entries()];
  const awaiting = [...flow.awaitingIds()];
  for (let next = flow.dequeue(); next !== undefined; next = flow.dequeue()) queued.push(next);
  return { lastPacketId, inflight, queued, awaiting };
}
