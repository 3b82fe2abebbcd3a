/**
 * The closed catalogue of why a stream was refused or ended. Each has one name, which is also its label in
 * /stats and in the log; a refusal also has the HTTP status that says it.
 */

export interface Refusal {
  readonly status: string;
  readonly text: string;
  readonly retryAfterSec?: number;
}

/** Said before a stream opens. */
export const refusals = {
  'bad-id': { status: '400 Bad Request', text: 'This is not an id.' },
  'too-many-ids': { status: '400 Bad Request', text: 'Too many ids for one stream: open a second one.' },
  'too-many-connections': {
    status: '503 Service Unavailable',
    text: 'All places are taken: try again later.',
    retryAfterSec: 10,
  },
  'too-many-from-address': {
    status: '429 Too Many Requests',
    text: 'Too many open streams from your address: close one first.',
    retryAfterSec: 10,
  },
  stopping: {
    status: '503 Service Unavailable',
    text: 'The server is stopping: try again.',
    retryAfterSec: 1,
  },
} as const satisfies Record<string, Refusal>;

export type RefusalReason = keyof typeof refusals;

/** Why an open stream ended. */
export const closeReasons = [
  /** The peer closed, reset or vanished: nothing of ours. */
  'peer-closed',
  /** More was pending than --pending-bytes-max, with the policy `disconnect`. */
  'slow-consumer',
  /** All slow consumers together passed --pending-bytes-total-max, and this one had a message coming. */
  'slow-consumers-total',
  /** Something was pending and the socket took nothing for about 10 s. */
  'stalled-consumer',
  /** Graceful stop. */
  'server-stopping',
] as const;

/** Why a message was lost to a stream. */
export const lossReasons = [
  /** More was pending than --pending-bytes-max. */
  'slow-consumer',
  /** All slow consumers together passed --pending-bytes-total-max. */
  'slow-consumers-total',
  /** It was on its way, or pending, when the stream ended. */
  'stream-ended',
] as const;

export type LossReason = (typeof lossReasons)[number];

export type CloseReason = (typeof closeReasons)[number];
