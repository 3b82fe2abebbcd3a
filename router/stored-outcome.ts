import type { GroupCommit } from '../store/group-commit.js';
import type { OnOutcome, Outcome, Wants } from './engine/engine.js';

/**
 * Has the outcome of a message told once the message is on the disk, with all that it has changed. Where the disk takes
 * nothing now, the outcome is unknown: the message is in memory, and is written when there is room again.
 * @returns the wishes to publish it with; null where nothing can be stored: then its publisher has been told, and it is not
 * to be published
 */
export function toldOnceStored(wants: Wants, commits: GroupCommit): Wants | null {
  const { count, idempotencyKey, followers, onOutcome } = wants;
  if (commits.problem !== undefined) {
    const reason = `It cannot be stored, and nobody got it. ${commits.problem}`;
    onOutcome({ delivered: 0, unanswered: 0, carried: 'no', reason });
    return null;
  }
  return {
    ...(count !== undefined && { count }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    followers,
    onOutcome: (outcome) =>
      commits.whenStored(
        () => onOutcome(outcome),
        (problem) =>
          onOutcome({
            ...outcome,
            carried: 'unknown',
            reason: `It was sent, and is not stored yet: a restart may forget it. ${problem}`,
            whenKnown: (then) => commits.whenStored(() => then(outcome.carried)),
          }),
      ),
  };
}

/** @returns how many took a message @throws Error where it was not carried, or maybe not */
export async function countOf(publish: (onOutcome: OnOutcome) => void): Promise<number> {
  const { delivered, carried, reason } = await new Promise<Outcome>(publish);
  if (carried !== 'yes') throw new Error(`The message was not sent: ${reason}.`);
  return delivered;
}
