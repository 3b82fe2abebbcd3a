import type { Authorizer } from '../../../access/authorizer.js';
import type { Identity } from '../../../access/identity.js';
import type { AccessControl } from '../../access-control.js';
import type { RefusalReason } from '../../close-reason.js';
import type { WaitingIdentity } from '../../identity-changes.js';
import { revokedMeanwhile } from '../../pending-decisions.js';

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

/** A client that may not read now what it might when it began to wait. */
export interface NoMore {
  readonly reason: RefusalReason;
  readonly sentence: string | undefined;
}

/**
 * The identity of a client that has waited while history was read for it: users, rules and its own rights may have changed,
 * and an operator may have ended its connections.
 */
export function identityNow(
  { changes, authorizer }: Pick<AccessControl, 'changes' | 'authorizer'>,
  waiting: WaitingIdentity,
  ids: readonly string[],
): Identity | NoMore {
  if (changes.isSame(waiting)) return waiting.identity;
  const now = changes.now(waiting, ids);
  if (now === 'revoked') return { reason: 'authentication-unavailable', sentence: revokedMeanwhile.sentence };
  if (now === 'gone') return { reason: 'not-allowed', sentence: undefined };
  const sentence = refusalToRead(authorizer, now, ids);
  return sentence === undefined ? now : { reason: 'not-allowed', sentence };
}
