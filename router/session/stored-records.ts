import type { SubscriptionOptions } from '../subscription-options.js';
import { InflightEntry } from './inflight-entry.js';
import type { Queued } from './mqueue.js';
import { messageParts, queuedIn, subscriptionIn } from './session-encoding.js';
import type { SessionOwner } from './session-owner.js';

/**
 * The records of a session on disk. A key begins with the number of the session, which no other session ever gets. So a
 * session ends when its first record is removed, and what is left of it belongs to no other session.
 *
 *     key   number (6)  kind (1)  tail                                                   numbers big endian
 *           session        -                    client id, owner, expiry, as JSON
 *           subscription   hash of the filter   options (1), filter
 *           inflight       packet id (6)        order (8), released (1), message
 *           queued         place (6)            message
 *           awaiting       packet id (6)        -
 */
export const recordKind = { session: 0, subscription: 1, inflight: 2, queued: 3, awaiting: 4 } as const;

export const storedRecordsVersion = 1;
const numberBytes = 6;
const tailAt = numberBytes + 1;
const orderBytes = 8;

export interface StoredTerms {
  readonly clientId: string;
  readonly owner: SessionOwner | undefined;
  readonly expirySec: number | undefined;
}

/** @param tail packet id or place */
export function recordKey(session: number, kind: number, tail?: number | Uint8Array): Buffer {
  const length = tail === undefined ? 0 : typeof tail === 'number' ? numberBytes : tail.length;
  const key = Buffer.allocUnsafe(tailAt + length);
  key.writeUIntBE(session, 0, numberBytes);
  key[numberBytes] = kind;
  if (typeof tail === 'number') key.writeUIntBE(tail, tailAt, numberBytes);
  else if (tail !== undefined) key.set(tail, tailAt);
  return key;
}

export function sessionOfKey(key: Buffer): number {
  return key.readUIntBE(0, numberBytes);
}

export function kindOfKey(key: Buffer): number {
  return key[numberBytes]!;
}

export function tailOfKey(key: Buffer): number {
  return key.readUIntBE(tailAt, numberBytes);
}

export function termsRecord({ clientId, owner, expirySec }: StoredTerms): Buffer {
  const [address, userName] = [owner?.address ?? null, owner?.userName ?? null];
  return Buffer.from(JSON.stringify([clientId, address, userName, expirySec ?? null]));
}

/** @throws Error */
export function readTerms(value: Buffer): StoredTerms {
  const [clientId, address, userName, expirySec] = JSON.parse(value.toString());
  if (typeof clientId !== 'string') throw new RangeError('A session without a client id.');
  const owner = address === null ? undefined : { address, userName: userName ?? undefined };
  return { clientId, owner, expirySec: expirySec ?? undefined };
}

export function subscriptionRecord(filter: string, options: SubscriptionOptions): Buffer {
  return Buffer.concat([Buffer.of(options), Buffer.from(filter)]);
}

export const readSubscription = subscriptionIn;

/** @param order its place among the messages that are repeated to a client that comes back */
export function inflightRecord({ message, options }: InflightEntry, order: number): Buffer {
  const head = Buffer.alloc(orderBytes + 1);
  head.writeDoubleBE(order, 0);
  if (message !== undefined) return Buffer.concat([head, ...messageParts(message, options)]);
  head[orderBytes] = 1;
  return head;
}

/** @throws Error */
export function readInflight(packetId: number, value: Buffer): { order: number; entry: InflightEntry } {
  const order = value.readDoubleBE(0);
  if (value[orderBytes] === 1) return { order, entry: new InflightEntry(packetId, undefined, 2, 0) };
  const { message, options } = queuedIn(value.subarray(orderBytes + 1));
  return { order, entry: new InflightEntry(packetId, message, options, 0) };
}

export function queuedRecord({ message, options }: Queued): Buffer {
  return Buffer.concat(messageParts(message, options));
}

export const readQueued = queuedIn;
