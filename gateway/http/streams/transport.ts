import type { HttpResponse } from 'uWebSockets.js';
import { formatCursor } from '../../../router/history/cursor.js';
import type { History } from '../../../router/history/history.js';
import type { Message } from '../../../router/message.js';
import { type Headers, writeSecurityHeaders } from '../answer.js';

/** The messages before all new ones, for a client that gave a cursor or `since`. */
export interface Resumption {
  /** False: something between the cursor and what follows is, or may be, gone. */
  readonly recovered: boolean;
  /** Messages that follow; `more`: at least. */
  readonly messages: number;
  readonly more: boolean;
}

/** The beginning of a stream: where its ids stand, and what became of the cursor that the client gave. */
export interface StreamStart {
  readonly ids: readonly string[];
  /** To be given back until a message brings a newer one. Undefined where the first message does so at once, or nothing is kept. */
  readonly cursor: string | undefined;
  /** Undefined when the client asked for nothing but what comes from now on. */
  readonly resumed: Resumption | undefined;
}

/** The parts that differ between the recipients of one message. */
export interface Place {
  /** Which message of this stream it is, from 1. */
  readonly count: number;
  /** The piece starts with the newline that the piece before it is still owed. */
  readonly lead: boolean;
  /** The cursor behind this message, for a stream of several ids; undefined: the message's own is the stream's. */
  readonly cursor: string | undefined;
}

/**
 * A flavour of stream: what its bytes look like. Knows nothing of sockets; one instance serves all its streams.
 * A piece is given without its closing newline, which the write path adds, so that it can be a chunk of its own.
 */
export interface Transport {
  readonly name: 'http-chunked' | 'ndjson' | 'sse' | 'sse-json';
  readonly contentType: string;
  /** Of a page, what a browser may load and run in it. Undefined: it is no page. */
  readonly contentPolicy?: string;
  /** A sign of life for an idle stream, complete. */
  readonly heartbeat: Uint8Array;
  /** Of `Encke-Heartbeat`: the first heartbeat comes early, as it says. Undefined: neither. */
  readonly heartbeatHeader?: string;
  /** The first bytes of a stream, after the headers; complete, and not empty. */
  greeting(start: StreamStart): string;
  /** The message as one piece of body. @returns bytes that are valid until the next call for the same message */
  chunk(message: Message, place: Place): Uint8Array;
  /** Says on an idle stream that it stands at this cursor; complete. Undefined: this flavour has no place for one. */
  readonly checkpoint: ((cursor: string) => string) | undefined;
  /** Says in the stream that `count` messages were lost at this place. Starts with a newline if `lead`. */
  lost(count: number, lead: boolean): Uint8Array;
}

/**
 * A chunk's closing CRLF leaves with the next chunk, and some clients (Python's urllib3) show a chunk only
 * when they have seen it. So the newline after the last piece is a chunk of its own, in the same cork.
 */
export const newline = new Uint8Array([0x0a]);

/** The cursor behind a message, for a client that reads its id alone; undefined where its id has no history. */
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
