import type { Subscription } from '@nats-io/transport-node';

/** In the place of a promise of the client's that nothing waits for. */
const nobodyWaits = Object.assign(Promise.resolve(), { resolve() {}, reject() {} });
const nothingYielded: never[] = [];

/**
 * The client (3.3.1) makes three promises with their functions, and an array, for each subscription: for iterators, and
 * for `closed`. One with a callback uses none of them, and a node has one for each id. So all share one of each; where
 * the client has no such fields, it stays as it is.
 */
export function lightened(subscription: Subscription): Subscription {
  const fields = subscription as unknown as Record<string, unknown>;
  for (const name of ['signal', 'iterClosed', 'closed']) if (name in fields) fields[name] = nobodyWaits;
  if ('yields' in fields) fields.yields = nothingYielded;
  return subscription;
}
