/**
 * The seam between floodtest and a transport: one file a transport, registered in transports.ts. A transport knows
 * what is said on the socket and finds the messages in what comes back; it keeps what little state that takes in
 * columns by connection.
 */

/** What a transport reports. The bytes are only valid during the call: they lie in a buffer all sockets share. */
export interface TransportEvents {
  /** The server has accepted the connection; from now on it receives. */
  loggedIn(connection: number): void;
  /** The server has turned the connection away; `reason` is short, such as `HTTP 503`. */
  refused(connection: number, reason: string): void;
  /** The server has ended the stream in good order. */
  ended(connection: number): void;
  /** A piece of the body with content: not a heartbeat. */
  chunk(connection: number): void;
  /** A message whose text begins at `start`; the text ends before `end`. */
  message(connection: number, bytes: Buffer, start: number, end: number): void;
}

export interface Transport {
  /** The first bytes on a new socket. */
  opening(id: string): string;
  /** Bytes 0 up to `end` have come for the connection. */
  receive(connection: number, bytes: Buffer, end: number): void;
  /** The socket is gone: whatever was kept for it is given back. */
  forget(connection: number): void;
}

/** `host` is the server's host and port, for a Host header; `connections` is how many there will be. */
export type TransportFactory = (events: TransportEvents, host: string, connections: number) => Transport;
