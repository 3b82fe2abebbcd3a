/** `GET /test/<id>`: the Comet page. A message is a chunk `Recvd msg #N: '<text>'<br/>`; a lone newline is a heartbeat. */

import { connectionsOf, type Share } from '../plan.js';
import { ChunkedResponse } from './chunked-response.js';
import { getRequest } from './get-request.js';
import type { Transport, TransportEvents } from './transport.js';

const MESSAGE_START = Buffer.from('Recvd msg #');
const MESSAGE_END = '<br/>';
const LF = 0x0a;
const QUOTE = 0x27;
const LESS_THAN = 0x3c; // escaped in the text, so the first one behind it ends the message

export function httpChunked(events: TransportEvents, share: Share): Transport {
  const response = new ChunkedResponse(connectionsOf(share), events, (connection, bytes, start, end) => {
    if (end - start === 1 && bytes[start] === LF) return;
    events.chunk(connection);
    readMessages(events, connection, bytes, start, end);
  });
  return {
    opening: (connection) => getRequest('test', share, connection),
    receive: (connection, bytes, end) => response.receive(connection, bytes, end),
    forget: (connection) => response.forget(connection),
  };
}

/** Usually one message a chunk, but a server may put several into one, and newlines before and between them. */
function readMessages(
  events: TransportEvents,
  connection: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  let at = afterNewlines(bytes, start, end);
  while (startsWithMessage(bytes, at, end)) {
    const quote = bytes.indexOf(QUOTE, at + MESSAGE_START.length);
    if (quote < 0 || quote >= end) return;
    const close = bytes.indexOf(LESS_THAN, quote + 1);
    const textEnd = close < 0 || close > end ? end : close - 1;
    events.message(connection, bytes, quote + 1, textEnd);
    at = afterNewlines(bytes, textEnd + 1 + MESSAGE_END.length, end);
  }
}

function afterNewlines(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] === LF) at++;
  return at;
}

function startsWithMessage(bytes: Buffer, at: number, end: number): boolean {
  if (end - at < MESSAGE_START.length) return false;
  for (let i = 0; i < MESSAGE_START.length; i++) if (bytes[at + i] !== MESSAGE_START[i]) return false;
  return true;
}
