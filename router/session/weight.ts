import type { Message } from '../message.js';

/**
 * What a message in a window or an mqueue is counted as, bytes: payload, id, and what is around them (Message, typed
 * array, entry: 450 measured; the flow of a session with anything under way is 230 more, not counted). A message that
 * waits in several sessions has its bytes once, but is counted in each.
 */
export function weightOf(message: Message): number {
  return message.payload.length + message.id.length + 450;
}

/** An entry whose message has been let go. */
export const weightOfReleased = 100;

/** A packet id that awaits PUBREL, which it may do for as long as its session lasts. */
export const weightOfAwaiting = 50;
