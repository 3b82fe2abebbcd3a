import { mapEntryBytes, objectBytes, setEntryBytes, textBytes } from '../heap-cost.js';
import type { Message } from '../message.js';

/**
 * The weight of a message in a window or an mqueue, bytes: payload, properties, id, and overhead (Message, typed array,
 * entry: 450 measured; the flow of a session takes 230 more, not counted). A message that waits in several sessions
 * counts in each, though its bytes exist once.
 */
export function weightOf(message: Message): number {
  return message.bytes + message.id.length + 450;
}

/** An entry without its message. */
export const weightOfReleased = 100;

/** A session with messages has a flow: 230 measured. */
const flowBytes = 230;

/**
 * A session that outlives its connection has an owner. While its client is absent it also has a record, two entries in
 * lists and perhaps its own address and user name: 100,000 with an address each took 384 more, measured.
 */
const awayBytes = 600;

/**
 * Most bytes of a session in V8's heap, without messages and filters: itself, its client id, its entries in the
 * registry, also as an absent and a busy one, and its flow.
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

/** A packet id that awaits PUBREL, perhaps as long as its session: its entry in a Map, and a share of the Map. */
export const weightOfAwaiting = 2 * mapEntryBytes;
