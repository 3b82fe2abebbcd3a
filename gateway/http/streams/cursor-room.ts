import type { HttpRequest } from 'uWebSockets.js';
import { cursorLengthMax, formatCursor, type ResumeFrom } from '../../../router/history/cursor.js';

import { refusals } from '../../close-reason.js';
import type { Config } from '../../config.js';

/** `GET` or `HEAD`, blanks, `?`, `HTTP/1.1`, and the empty line. */
const lineBytes = 20;
/** `Last-Event-ID: ` or `&cursor=` before a cursor, and `&timeout=` of the next poll. */
const besideCursorBytes = 64;

/**
 * A client reconnects with a cursor, whose length grows with the ids. A request that would then be too large is refused
 * at the first connect, before the client depends on it.
 * @param headerBytes of all header lines
 * @returns what is wrong; undefined if there is room
 */
export function cursorRoomProblem(
  request: HttpRequest,
  from: ResumeFrom | undefined,
  headerBytes: number,
  idCount: number,
  { requestHeadBytesMax }: Pick<Config, 'requestHeadBytesMax'>,
): string | undefined {
  const line = lineBytes + Buffer.byteLength(request.getUrl()) + Buffer.byteLength(request.getQuery() ?? '');
  const given = givenBytes(from);
  // URLSearchParams needs two more bytes for each `:` and `,`.
  const beside = given > 0 ? 0 : besideCursorBytes + 2 * idCount;
  const needed = line + headerBytes - given + beside + cursorLengthMax(idCount);
  if (needed <= requestHeadBytesMax) return undefined;
  return `${refusals['no-room-for-cursor'].text} It could be ${needed} bytes then, and --request-head-bytes-max is ${requestHeadBytesMax}.`;
}

/** Bytes of the cursor that the request already has. */
function givenBytes(from: ResumeFrom | undefined): number {
  if (from === undefined || !('epoch' in from) || from.epoch === '') return 0;
  return formatCursor(from.epoch, from.offsets).length;
}
