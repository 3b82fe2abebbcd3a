import { mapEntryBytes, objectBytes, setEntryBytes, textBytes } from '../heap-cost.js';
import type { Message } from '../message.js';

/**
 * The weight of a message in a window or an mqueue, bytes: payload, properties, id, and what is around them (Message, typed
 * array, entry: 450 measured; the flow of a session with anything under way is 230 more, not counted). A message that
 * waits in several sessions has its bytes once, but is counted in each.
 */
export function weightOf(message: Message): number {
  return message.bytes + message.id.length + 450;
}

/** An entry whose message has been let go. */
export const weightOfReleased = 100;

/** One with anything under way has a flow: 230 measured. */
const flowBytes = 230;

/**
 * One that outlives its connection has an owner, and while its client is away a record of that, two places in lists and
 * perhaps an address and a user name of its own: 100,000 with an address each took 384 more, measured.
 */
const awayBytes = 600;

/**
 * Bytes of a session in V8's heap at most, without messages and filters: itself, its client id, its places in the
 * registry, as one that is away and as one that is busy, and its flow.
 */
export function weightOfSession(clientId: string, endsWithConnection: boolean): number {
  return (
    (endsWithConnection ? 0 : awayBytes) +
    objectBytes(8) +
    textBytes(clientId) +
    2 * mapEntryBytes +
    setEntryBytes +
    flowBytes
  );
}

/** A packet id that awaits PUBREL, which it may do for as long as its session lasts: its place in a Map, and the first one's share of that. */
export const weightOfAwaiting = 2 * mapEntryBytes;
