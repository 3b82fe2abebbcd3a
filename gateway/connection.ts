import type { Message } from '../router/message.js';
import { InflightEntry } from '../router/session/inflight-entry.js';
import type { CloseReason } from './close-reason.js';

/** A message kept for new subscribers, on its way to one of them at QoS 0. */
export class RetainedDelivery {
  readonly message: Message;

  constructor(message: Message) {
    this.message = message;
  }
}

/** The write path carries this. A bare message is by far the most frequent, and shared by all who get it. */
export type Outgoing = Message | RetainedDelivery | InflightEntry;

/** Things still to be written to one connection, in order; a number says that so many messages were lost here. */
export interface Source {
  /** `peek` gives a message, and there is nothing behind it. False may be wrong. */
  readonly single: boolean;
  peek(): Outgoing | number | undefined;
  /** Takes away what `peek` gave: it has been written. */
  take(): void;
}

/**
 * One open connection, of whatever transport: a slot in the columns of Connections, and how it is written to and ended.
 * A class's prototype has all that is the same for its kind, and the columns have the small numbers: a field in each object
 * costs 8 bytes a connection.
 */
export interface Connection {
  readonly slot: number;
  /** How bytes get to this kind of connection. */
  readonly wire: Wire;
  /** Describes its owner, for log lines. */
  describe(): Record<string, unknown>;
  /** Text form of the peer's address. Only while the socket is open. */
  remoteAddress(): string;
  /** Its tick in the `due` column has come. */
  onDue(): void;
  /** Ends it as its protocol wants it. Everything that was accepted for it is with the system already. */
  end(reason: CloseReason): void;
  /** Cuts it. It has left the columns and the router before this returns. */
  cut(reason: CloseReason): void;
}

/** How a kind of connection is written to. One instance serves all connections of its kind. */
export interface Wire {
  /**
   * Writes until the source is empty or the socket takes no more.
   * @returns true when all is written, false when the rest must wait for `Outbound.drain`, or the connection was cut
   */
  write(connection: Connection, source: Source): boolean;
  /** Called once a second for a connection that is behind and not stuck: what lies between may hold it for stuck. */
  keepAlive(connection: Connection): void;
  /** @returns true when all that was ever written is with the system, so that the process may exit */
  pushThrough(connection: Connection): boolean;
}

/** Where each flavour keeps a message's encoding. */
export const wireIndex = { cometPage: 0, ndjson: 1, mqtt: 2, sse: 3, sseJson: 4, poll: 5 } as const;

/** The encodings of a message. Made at its full length: an empty array would grow to 17 places with its first. */
export function wireOf(message: Message): (object | undefined)[] {
  message.wire ??= [undefined, undefined, undefined, undefined, undefined, undefined];
  return message.wire;
}

export function messageOf(outgoing: Outgoing): Message | undefined {
  return outgoing instanceof InflightEntry || outgoing instanceof RetainedDelivery
    ? outgoing.message
    : outgoing;
}

/** A message that a session still has is not lost with its connection: it is sent again. */
export function ownedBySession(outgoing: Outgoing): boolean {
  return outgoing instanceof InflightEntry;
}
