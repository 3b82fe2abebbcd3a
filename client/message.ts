/** A message as the server's JSON has it, and as the application gets it. */

export interface Message {
  readonly id: string;
  /** Text; bytes where what was published is not UTF-8. */
  readonly data: string | Uint8Array;
  /** When the server took it, in ms since 1970. */
  readonly time: number;
  /** Behind which nothing is unhandled once this message is. Undefined where the server keeps no history. */
  readonly cursor: string | undefined;
}

/** What `/events` of several ids and `/poll` have in common. */
export interface WireMessage {
  readonly id: string;
  readonly data: string;
  readonly encoding?: string;
  readonly time: number;
  /** Its place in the history of its id, in an answer of `/poll`. */
  readonly offset?: number;
}

export function messageOf({ id, data, encoding, time }: WireMessage, cursor: string | undefined): Message {
  return { id, data: encoding === 'base64' ? bytesOf(data) : data, time, cursor };
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}
