/** `GET /stream/<id>`: one JSON object a line, `{"id","data","time"}`; an empty line is a heartbeat. */

import { connectionsOf, type Share } from '../plan.js';
import { ChunkedResponse } from './chunked-response.js';
import { getRequest } from './get-request.js';
import type { Transport, TransportEvents } from './transport.js';

/** Cannot occur inside a JSON string, where its quotes would be escaped. */
const DATA_START = Buffer.from('"data":"');
const LF = 0x0a;

export function ndjson(events: TransportEvents, share: Share): Transport {
  /** The beginning of a line whose end has not come; a line may be spread over chunks. */
  const partialLines = new Map<number, Buffer>();
  const response = new ChunkedResponse(
    connectionsOf(share),
    events,
    (connection, piece, pieceStart, pieceEnd) => {
      let bytes = piece;
      let at = pieceStart;
      let end = pieceEnd;
      const partial = partialLines.size > 0 ? partialLines.get(connection) : undefined;
      if (partial !== undefined) {
        partialLines.delete(connection);
        bytes = Buffer.concat([partial, piece.subarray(pieceStart, pieceEnd)]);
        at = 0;
        end = bytes.length;
      }
      while (at < end) {
        const lineEnd = bytes.indexOf(LF, at);
        if (lineEnd < 0 || lineEnd >= end) {
          partialLines.set(connection, Buffer.from(bytes.subarray(at, end)));
          return;
        }
        if (lineEnd > at) readLine(events, connection, bytes, at, lineEnd);
        at = lineEnd + 1;
      }
    },
  );
  return {
    opening: (connection) => getRequest('stream', share, connection),
    receive: (connection, bytes, end) => response.receive(connection, bytes, end),
    forget: (connection) => {
      response.forget(connection);
      partialLines.delete(connection);
    },
  };
}

function readLine(
  events: TransportEvents,
  connection: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  events.chunk(connection);
  const data = bytes.indexOf(DATA_START, start);
  const text = data < 0 || data >= end ? end : data + DATA_START.length;
  events.message(connection, bytes, text, end);
}
