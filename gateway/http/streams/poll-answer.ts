import type { HttpResponse } from 'uWebSockets.js';
import { formatCursor } from '../../../router/history/cursor.js';
import type { History } from '../../../router/history/history.js';
import type { Message } from '../../../router/message.js';
import { wireIndex } from '../../connection.js';
import { revalidates, unrecovered } from '../../connections.js';
import { endWithoutBody, type Headers, writeSecurityHeaders } from '../answer.js';
import { openLine } from './ndjson.js';
import { SharedPieces } from './shared-pieces.js';

/** The contents of an answer to a poll. */
export interface PollResult {
  /** False: a message between the client's cursor and these is gone, or may be. */
  readonly recovered: boolean;
  /** There are more: poll again at once. */
  readonly more: boolean;
  readonly messages: readonly Message[];
  /** The offset behind the last message, for each id; undefined where none of the ids has history. */
  readonly offsets: readonly number[] | undefined;
}

/**
 * The answers of `GET /poll`. The cursor stands in a header and in the body. It is the ETag, too, so that a client
 * which knows only HTTP's own caching gives it back as If-None-Match.
 */
export class PollAnswer {
  readonly #history: Pick<History, 'epoch'>;
  /** Most answers are one message, the same for all clients that have waited for it. */
  readonly #lines = new SharedPieces(wireIndex.poll, pollLine);

  constructor(history: Pick<History, 'epoch'>) {
    this.#history = history;
  }

  cursorOf(offsets: readonly number[] | undefined): string | undefined {
    return offsets && formatCursor(this.#history.epoch, offsets);
  }

  /** Writes the head. In the route handler or a cork only. @returns the body */
  writeHead(response: HttpResponse, result: PollResult, headers: Headers): string {
    const cursor = this.cursorOf(result.offsets);
    response.writeHeader('Content-Type', 'application/json');
    writeCursor(response, cursor);
    response.writeHeader('Encke-Recovered', String(result.recovered));
    writeSecurityHeaders(response);
    for (const [name, value] of headers) response.writeHeader(name, value);
    const messages = result.messages.map((message) => this.#lines.of(message).text).join(',');
    const { recovered, more } = result;
    return `${JSON.stringify({ cursor, recovered, more }).slice(0, -1)},"messages":[${messages}]}`;
  }

  /**
   * Nothing has come: answers 204, or 304 to a request with If-None-Match. In the route handler or a cork only.
   * @param flags of the poll: `revalidates`, `unrecovered`
   */
  endEmpty(
    response: HttpResponse,
    offsets: readonly number[] | undefined,
    flags: number,
    headers: Headers,
  ): void {
    response.writeStatus((flags & revalidates) !== 0 ? '304 Not Modified' : '204 No Content');
    writeCursor(response, this.cursorOf(offsets));
    response.writeHeader('Encke-Recovered', String((flags & unrecovered) === 0));
    writeSecurityHeaders(response);
    for (const [name, value] of headers) response.writeHeader(name, value);
    endWithoutBody(response);
  }
}

/** The answer's cursor is behind all its messages; the offset gives each message a place of its own. */
function pollLine(message: Message): string {
  const { offset } = message;
  return `${openLine(message)}${offset === 0 ? '' : `,"offset":${offset}`}}`;
}

function writeCursor(response: HttpResponse, cursor: string | undefined): void {
  // Kept by a cache, it must be asked for again each time.
  response.writeHeader('Cache-Control', 'no-cache');
  if (cursor === undefined) return;
  response.writeHeader('Encke-Cursor', cursor);
  response.writeHeader('ETag', `"${cursor}"`);
}
