import type { Authorizer } from '../../../access/authorizer.js';
import type { Identity } from '../../../access/identity.js';

/**
 * Checks what a stream or a poll may read, before history is looked at, so that a cursor or `?since=` tells nothing of an
 * id that is not the client's.
 * @returns what it may not, as a sentence; undefined: it may read all of them
 */
export function refusalToRead(
  authorizer: Authorizer,
  identity: Identity,
  ids: readonly string[],
): string | undefined {
  const forbidden = ids.find((id) => !authorizer.allows(identity, undefined, 'subscribe', id));
  if (forbidden === undefined) return undefined;
  return `You may not read ${JSON.stringify(forbidden.slice(0, 80))}.`;
}
