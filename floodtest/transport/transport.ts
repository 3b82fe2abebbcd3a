/**
 * The seam between floodtest and a transport: one file a transport, registered in transports.ts. A transport knows
 * what is said on the socket and finds the messages in what comes back; it keeps what little state that takes in
 * columns by connection.
 */
import type { Publication } from '../../msggen/mqtt/packets.js';
import type { Share } from '../plan.js';

/** The reports of a transport. The bytes are only valid during the call: they lie in a buffer all sockets share. */
export interface TransportEvents {
  /** The server has accepted the connection; from now on it receives. `resumed`: it goes on where it was. */
  loggedIn(connection: number, resumed?: boolean): void;
  /** The server has turned the connection away; `reason` is short, such as `HTTP 503`. */
  refused(connection: number, reason: string): void;
  /** The server has ended the connection; without a reason in good order. */
  ended(connection: number, reason?: string): void;
  /** The server has answered a cursor: whether nothing is gone. */
  recovered(connection: number, recovered: boolean): void;
  /** A piece of the body with content: not a heartbeat. Of long-poll an answer with messages. */
  chunk(connection: number): void;
  /** A message whose text begins at `start`; the text ends before `end`. Over MQTT with what its PUBLISH said. */
  message(connection: number, bytes: Buffer, start: number, end: number, publication?: Publication): void;
  /** The connection, which has unsubscribed, subscribes again: what it has missed is not lost. */
  resubscribing(connection: number): void;
  /** The server has subscribed it again. */
  resubscribed(connection: number): void;
  /** The transport has something to say. */
  write(connection: number, bytes: Buffer): void;
}

export interface FloodTransport {
  /** The first bytes on a new socket. */
  opening(connection: number): string;
  /** Bytes 0 up to `end` have come for the connection. */
  receive(connection: number, bytes: Buffer, end: number): void;
  /** The server has closed the socket in good order: whether something had begun that has not ended. */
  isWithin?(connection: number): boolean;
  /** The socket is gone: whatever was kept for it is given back, other than where to go on. */
  forget(connection: number): void;
  /** Called now and then: what is due is done, and who is silent for too long has ended. */
  sweep?(): void;
}

export type TransportFactory = (events: TransportEvents, share: Share) => FloodTransport;
