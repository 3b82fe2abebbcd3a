import type { Authorizer } from '../../../access/authorizer.js';
import type { Identity } from '../../../access/identity.js';
import type { AccessControl } from '../../access-control.js';

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

/**
 * The identity of a client that may have changed since it was let in, as while history was read for it.
 * @returns undefined: it may not read all of these ids now
 */
export function identityNow(
  { renew, authorizer }: Pick<AccessControl, 'renew' | 'authorizer'>,
  identity: Identity,
  ids: readonly string[],
): Identity | undefined {
  const now = renew(identity);
  if (now === undefined || now === identity) return now;
  return refusalToRead(authorizer, now, ids) === undefined ? now : undefined;
}
