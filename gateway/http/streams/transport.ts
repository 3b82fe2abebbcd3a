import type { HttpResponse } from 'uWebSockets.js';
import { formatCursor } from '../../../router/history/cursor.js';
import type { History } from '../../../router/history/history.js';
import type { Message } from '../../../router/message.js';
import type { ToldReason } from '../../close-reason.js';
import type { ConnectionTransport } from '../../connection-transport.js';
import { type Headers, writeSecurityHeaders } from '../answer.js';

/** The kept messages that come before all new ones, for a client that gave a cursor or `since`. */
export interface Resumption {
  /** False: a message between the cursor and those that follow is gone, or may be. */
  readonly recovered: boolean;
  /** How many messages follow; with `more`, at least so many. */
  readonly messages: number;
  readonly more: boolean;
}

/** The beginning of a stream: its ids, its cursor, and whether the client's own cursor could be resumed. */
export interface StreamStart {
  readonly ids: readonly string[];
  /**
   * The cursor for the client to give back until a message brings a newer one. Undefined where a message follows at
   * once, or where no messages are kept.
   */
  readonly cursor: string | undefined;
  /** Undefined when the client asked only for messages from now on. */
  readonly resumed: Resumption | undefined;
}

/** Says when credentials end, and by which handle their stream can be given others. */
export interface Expiry {
  /** Milliseconds since 1970. */
  readonly expires: number;
  /** See StreamHandles. */
  readonly stream: string;
}

/** The parts that differ between the recipients of one message. */
export interface RecipientParts {
  /** The message's number in this stream, from 1. */
  readonly count: number;
  /** The piece starts with the newline that the piece before it is still owed. */
  readonly lead: boolean;
  /**
   * The cursor behind this message, for a stream of several ids; undefined: the message's own cursor is the stream's.
   */
  readonly cursor: string | undefined;
}

/**
 * The form of one kind of stream: the bytes for each event. Knows nothing of sockets; one instance serves all streams
 * of the kind. A piece has no closing newline: the write path adds it, so that it can be a chunk of its own.
 */
export interface Transport {
  readonly name: Extract<ConnectionTransport, 'http-chunked' | 'ndjson' | 'sse' | 'sse-json'>;
  readonly contentType: string;
  /** The policy of a page: what a browser may load and run in it. Undefined: the stream is no page. */
  readonly contentPolicy?: string;
  /** A sign of life for an idle stream, complete. */
  readonly heartbeat: Uint8Array;
  /**
   * The header `Encke-Heartbeat`, which announces an early first heartbeat. Undefined: no header, and no early
   * heartbeat.
   */
  readonly heartbeatHeader?: string;
  /** The first bytes of a stream, after the headers; complete, and not empty. */
  greeting(start: StreamStart): string;
  /** The message as one piece of body. @returns bytes that are valid until the next call for the same message */
  chunk(message: Message, place: RecipientParts): Uint8Array;
  /**
   * A piece for an idle stream with its present cursor; complete. Undefined: this kind of stream has no place for a
   * cursor.
   */
  readonly checkpoint: ((cursor: string) => string) | undefined;
  /**
   * A piece that says when the credentials of the stream end, and its handle for `POST /refresh`; complete. Undefined: this
   * kind of stream has no place for it.
   */
  readonly expiring: ((expiry: Expiry) => string) | undefined;
  /** The last piece, complete: it says why the server ends the stream. Starts with a newline if `lead`. */
  closing(reason: ToldReason, lead: boolean): string;
  /** A piece that says: `count` messages were lost here. Starts with a newline if `lead`. */
  lost(count: number, lead: boolean): Uint8Array;
}

/**
 * A chunk's closing CRLF leaves with the next chunk, and some clients (Python's urllib3) show a chunk only when they
 * have seen its CRLF. So the newline after the last piece is a chunk of its own, in the same cork.
 */
export const newline = new Uint8Array([0x0a]);

/** The cursor behind a message, for a stream of its id alone; undefined where the id has no history. */
export type CursorOf = (message: Message) => string | undefined;

export function cursorsOf(history: Pick<History, 'epoch'>): CursorOf {
  return ({ offset }) => (offset === 0 ? undefined : formatCursor(history.epoch, [offset]));
}

const streamHeaders = [
  // Proxies must neither keep this, nor compress or otherwise change it, nor wait for its end before they pass it on.
  ['Cache-Control', 'no-cache, no-store, no-transform'],
  ['X-Accel-Buffering', 'no'],
] as const;

/** Status and headers of a stream; HEAD gets them, too. */
export function writeStreamHead(response: HttpResponse, transport: Transport, headers: Headers): void {
  response.writeHeader('Content-Type', transport.contentType);
  for (const [name, value] of streamHeaders) response.writeHeader(name, value);
  if (transport.heartbeatHeader !== undefined)
    response.writeHeader('Encke-Heartbeat', transport.heartbeatHeader);
  writeSecurityHeaders(response, transport.contentPolicy);
  for (const [name, value] of headers) response.writeHeader(name, value);
}
