import { placeOf } from './attempt.js';
import type { Endpoint } from './endpoint.js';
import { RefusedError } from './failure.js';
import { type PollAnswer, pollOnce } from './long-poll.js';
import { parseCursor } from './places.js';
import type { Group, Roster } from './roster.js';

/**
 * Brings ids of one member up to date by polls that do not wait, so that they have a place in the epoch of the others,
 * and can be asked for with them. What the server refuses is this member's own affair.
 * @returns false where the server keeps no history of them
 */
export async function catchUp(
  endpoint: Endpoint,
  roster: Roster,
  { member, ids, query }: Group,
  abort: AbortController,
): Promise<boolean> {
  const asked = new Map(ids.map((id) => [id, member.places.get(id)]));
  let next = query;
  for (let first = true; !member.over; first = false) {
    let answer: PollAnswer;
    try {
      answer = await pollOnce(endpoint, ids, next, 0, abort);
    } catch (error) {
      if (abort.signal.aborted || !(error instanceof RefusedError)) throw error;
      member.refuse(error, ids);
      return true;
    }
    const places = answer.cursor === undefined ? undefined : parseCursor(answer.cursor, ids.length);
    if (query.cursor !== undefined && (first || !answer.recovered)) member.resumed(answer.recovered);
    for (const message of answer.messages) {
      await member.deliver(message, placeOf(message, places), asked.get(message.id));
    }
    roster.learn(member, asked, places);
    if (places === undefined) return false;
    if (!answer.more) break;
    next = { cursor: answer.cursor };
  }
  return true;
}
