import { isUtf8 } from 'node:buffer';
import type { Message } from '../../../router/message.js';
import { heartbeatHeader } from '../../clock.js';
import { wireIndex } from '../../connection.js';
import { lineOf, payloadBuffer } from './ndjson.js';
import { SharedPieces } from './shared-pieces.js';
import type { CursorOf, Resumption, StreamStart, Transport } from './transport.js';

/**
 * Server-sent events (HTML, section 9.2):
 *
 *     retry: 2710                  greeting: when to come back, and where from
 *     event: cursor
 *     id: kT3…:17
 *     data: {"cursor":"kT3…:17"}
 *
 *     id: kT3…:18                  a message; the empty line that dispatches it is the newline that each piece is owed
 *     data: Hello
 *
 *     :                            heartbeat
 *     event: cursor                heartbeat of a quiet stream, with a newer cursor
 *     id: kT3…:21
 *     data: {"cursor":"kT3…:21"}
 *
 * `/events/<id>` sends the data, with a `data:` line for each of its lines. `/events?id=a&id=b` must name the id, so it
 * sends the JSON object of `/stream`. Events of other types: `recovered`, first, for clients that gave a cursor;
 * `cursor`, for an `id:` without a message; `lost`, where messages were dropped; `base64`, for data that is not UTF-8;
 * `expiring`, before the credentials end; `closed`, last, with the reason.
 *
 * Every empty line ends an event with data, though HTML would accept an id alone. fetch-event-source calls `onmessage`
 * at each empty line, and would report an empty message. npm's `eventsource` forgets such an id.
 */

/** Clients reconnect after a random time between these, so that they do not all return at once after a restart. */
const retryMinMs = 1_000;
const retryMaxMs = 5_000;

const heartbeat = Buffer.from(':\n');

export function eventStreamOfText(cursorOf: CursorOf, heartbeatSec: number): Transport {
  return eventStream('sse', cursorOf, heartbeatSec, new SharedPieces(wireIndex.sse, textEvent));
}

export function eventStreamOfJson(cursorOf: CursorOf, heartbeatSec: number): Transport {
  return eventStream('sse-json', cursorOf, heartbeatSec, new SharedPieces(wireIndex.sseJson, jsonEvent));
}

function eventStream(
  name: 'sse' | 'sse-json',
  cursorOf: CursorOf,
  heartbeatSec: number,
  pieces: SharedPieces,
): Transport {
  return {
    name,
    contentType: 'text/event-stream; charset=utf-8',
    heartbeat,
    heartbeatHeader: heartbeatHeader(heartbeatSec),
    checkpoint: cursorEvent,
    greeting,

    chunk(message, { lead, cursor }) {
      const piece = pieces.of(message);
      if (cursor !== undefined) return Buffer.from(`${lead ? '\n' : ''}${withId(piece.text, cursor)}`);
      return piece.bytes(lead, (text) => withId(text, cursorOf(message)));
    },

    expiring: (expiry) => `event: expiring\ndata: ${JSON.stringify(expiry)}\n\n`,
    closing: (reason, lead) => `${lead ? '\n' : ''}event: closed\ndata: {"reason":"${reason}"}\n\n`,

    lost(count, lead) {
      return Buffer.from(`${lead ? '\n' : ''}event: lost\ndata: {"lost":${count}}\n`);
    },
  };
}

function withId(event: string, cursor: string | undefined): string {
  return cursor === undefined ? event : `id: ${cursor}\n${event}`;
}

function greeting({ cursor, resumed }: StreamStart): string {
  const retryMs = retryMinMs + Math.floor(Math.random() * (retryMaxMs - retryMinMs));
  return `retry: ${retryMs}\n${startEvent(cursor, resumed)}`;
}

function startEvent(cursor: string | undefined, resumed: Resumption | undefined): string {
  if (resumed !== undefined)
    return `${withId(`event: recovered\ndata: {"recovered":${resumed.recovered}}\n`, cursor)}\n`;
  return cursor === undefined ? '' : cursorEvent(cursor);
}

function cursorEvent(cursor: string): string {
  return `event: cursor\nid: ${cursor}\ndata: {"cursor":"${cursor}"}\n\n`;
}

/** Line breaks in data are those of HTML: CR, LF and CRLF. Each arrives as a single \n. */
function textEvent(message: Message): string {
  const payload = payloadBuffer(message);
  if (!isUtf8(payload)) return `event: base64\ndata: ${payload.toString('base64')}\n`;
  return `data: ${payload
    .toString('utf8')
    .split(/\r\n|\r|\n/)
    .join('\ndata: ')}\n`;
}

function jsonEvent(message: Message): string {
  return `data: ${lineOf(message, undefined)}\n`;
}
