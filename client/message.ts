import type { Place } from './places.js';

/** A message in the server's JSON, and the message that the application gets. */

export interface ReceivedMessage {
  readonly id: string;
  /** The id that it was sent to, where it came because `id` follows that; otherwise absent. */
  readonly about?: string;
  /** Text; bytes where the payload is not UTF-8. */
  readonly data: string | Uint8Array;
  /** When the server took it, in ms since 1970. */
  readonly time: number;
  /**
   * Resume here once this message is handled: nothing before it is unhandled then. Undefined where there is no history.
   */
  readonly cursor: string | undefined;
}

/** The fields that `/events` of several ids and `/poll` have in common. */
export interface WireMessage {
  readonly id: string;
  readonly about?: string;
  readonly data: string;
  readonly encoding?: string;
  readonly time: number;
  /** Its place in the history of its id, in an answer of `/poll`. */
  readonly offset?: number;
}

/** The place of a message in an answer of `/poll`, which has an offset for each message. */
export function placeOf({ offset }: WireMessage, places: readonly Place[] | undefined): Place | undefined {
  const epoch = places?.[0]?.epoch;
  return epoch === undefined || offset === undefined ? undefined : { epoch, offset };
}

export function receivedMessage(
  { id, about, data, encoding, time }: WireMessage,
  cursor: string | undefined,
): ReceivedMessage {
  const message = { id, data: encoding === 'base64' ? bytesOf(data) : data, time, cursor };
  return about === undefined ? message : { ...message, about };
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}
