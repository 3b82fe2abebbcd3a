import type { Endpoint } from './endpoint.js';
import { RefusedError } from './failure.js';
import { type PollResponse, pollOnce } from './long-poll.js';
import { placeOf } from './message.js';
import { splitCursor } from './places.js';
import type { Group, Roster } from './roster.js';

/**
 * Brings ids of one member up to date with polls that do not wait. Then they have a place in the epoch of the other
 * ids, and one request can ask for all. A refusal of the server concerns this member only.
 * @returns false where the server keeps no history of the ids
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
    let answer: PollResponse;
    try {
      answer = await pollOnce(endpoint, ids, next, 0, abort);
    } catch (error) {
      if (abort.signal.aborted || !(error instanceof RefusedError)) throw error;
      member.refuse(error, ids);
      return true;
    }
    const places = answer.cursor === undefined ? undefined : splitCursor(answer.cursor, ids.length);
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
