import type { Message } from '../router/message.js';
import { InflightEntry } from '../router/session/inflight-entry.js';
import type { CloseReason } from './close-reason.js';
import type { ConnectionTransport } from './connection-transport.js';

/** A retained message on its way to a new subscriber at QoS 0. */
export class RetainedDelivery {
  readonly message: Message;

  constructor(message: Message) {
    this.message = message;
  }
}

/** An item of the write path. A bare message is by far the most frequent, and shared by all recipients. */
export type Outgoing = Message | RetainedDelivery | InflightEntry;

/** Items to write to one connection, in order. A number says that so many messages were lost here. */
export interface Source {
  /** True: `peek` returns a message, and it is the last item. False may be wrong. */
  readonly single: boolean;
  peek(): Outgoing | number | undefined;
  /** Removes the item of `peek`, which has been written. */
  take(): void;
}

/**
 * One open connection of any transport: a slot in the columns of Connections, and the ways to write to it and to end
 * it. The prototype of its class has everything that is the same for its kind, and the columns have the small numbers:
 * a field in each object would take 8 bytes a connection.
 */
export interface Connection {
  readonly slot: number;
  /** Writes to this kind of connection. */
  readonly wire: Wire;
  readonly transportName: ConnectionTransport;
  /** Describes its owner, for log lines. */
  describe(): Record<string, unknown>;
  /** Text form of the peer's address. Only while the socket is open. */
  remoteAddress(): string;
  /** Text form of the address of its socket's other end: the client's, or that of a proxy. Only while it is open. */
  socketAddress(): string;
  /** Called when its tick in the `due` column is reached. */
  onDue(): void;
  /**
   * Tells its client that its credentials end soon, where its transport has a way to say so.
   * @param endSec seconds since 1970
   * @returns false where it cannot be told now: call again later
   */
  tellExpiry(endSec: number): boolean;
  /** Its user has other rights: what it may not read any more, or publish as a will, ends. */
  review(): void;
  /** Ends it by its protocol, when the system has everything that was accepted for it. */
  end(reason: CloseReason): void;
  /** Cuts it. It leaves the columns and the router before this returns. */
  cut(reason: CloseReason): void;
}

/** Writes to one kind of connection. One instance serves all connections of its kind. */
export interface Wire {
  /**
   * Writes until the source is empty or the socket takes no more.
   * @returns true when all is written; false when the rest waits for `Outbound.drain`, or the connection was cut
   */
  write(connection: Connection, source: Source): boolean;
  /** Called once a second for a slow connection that is not stuck, so that uWS does not take it for stuck. */
  keepAlive(connection: Connection): void;
  /** @returns true when the system has everything that was written, so that the process may exit */
  pushThrough(connection: Connection): boolean;
}

/** Index of each transport's encoding of a message. */
export const wireIndex = { cometPage: 0, ndjson: 1, mqtt: 2, sse: 3, sseJson: 4, poll: 5 } as const;

/** The encodings of a message. Allocated at full length: an empty array would grow to 17 entries. */
export function wireOf(message: Message): (object | undefined)[] {
  message.wire ??= [undefined, undefined, undefined, undefined, undefined, undefined];
  return message.wire;
}

export function messageOf(outgoing: Outgoing): Message | undefined {
  return outgoing instanceof InflightEntry || outgoing instanceof RetainedDelivery
    ? outgoing.message
    : outgoing;
}

/** A message that a session owns is not lost with its connection: it is sent again. */
export function ownedBySession(outgoing: Outgoing): boolean {
  return outgoing instanceof InflightEntry;
}
