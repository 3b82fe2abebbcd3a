/**
 * The seam between floodtest and a transport: one file for each transport, registered in transports.ts. A transport
 * encodes the requests and finds the messages in the answers. It keeps its state in columns by connection.
 */
import type { Publication } from '../../msggen/mqtt/packets.js';
import type { Share } from '../plan.js';

/** The reports of a transport. The bytes are only valid during the call: all sockets share the buffer. */
export interface TransportEvents {
  /** The server has accepted the connection, which now receives messages. `resumed`: from its cursor. */
  loggedIn(connection: number, resumed?: boolean): void;
  /** The server has refused the connection; `reason` is short, such as `HTTP 503`. */
  refused(connection: number, reason: string): void;
  /** The server has ended the connection; a regular end has no reason. */
  ended(connection: number, reason?: string): void;
  /** The server has answered a cursor. */
  recovered(connection: number, recovered: boolean): void;
  /** A piece of the body with content, not a heartbeat. For long-poll, an answer with messages. */
  chunk(connection: number): void;
  /** A message with its text from `start` up to `end`; over MQTT with the fields of its PUBLISH. */
  message(connection: number, bytes: Buffer, start: number, end: number, publication?: Publication): void;
  /** The connection subscribes again: messages that it missed while unsubscribed are not lost. */
  resubscribing(connection: number): void;
  /** The server has subscribed it again. */
  resubscribed(connection: number): void;
  /** The transport sends bytes. */
  write(connection: number, bytes: Buffer): void;
}

export interface FloodTransport {
  /** The first bytes on a new socket. */
  opening(connection: number): string;
  /** Bytes 0 up to `end` have arrived for the connection. */
  receive(connection: number, bytes: Buffer, end: number): void;
  /** The server has closed the socket regularly. @returns whether a message or response is incomplete */
  isWithin?(connection: number): boolean;
  /** The socket is closed: frees its state, except for the cursor. */
  forget(connection: number): void;
  /** Called regularly: sends what is due, and ends connections that are silent for too long. */
  sweep?(): void;
}

export type TransportFactory = (events: TransportEvents, share: Share) => FloodTransport;
