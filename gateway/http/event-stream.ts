import { isUtf8 } from 'node:buffer';
import type { Message } from '../../router/message.js';
import { wireIndex } from '../wire.js';
import type { CursorOf } from './message-cursor.js';
import { lineOf } from './ndjson.js';
import { payloadOf } from './payload-text.js';
import { SharedPieces } from './shared-pieces.js';
import type { StreamStart, Transport } from './transport.js';

/**
 * Server-sent events, as the WHATWG standard has them (HTML, section 9.2):
 *
 *     retry: 2710          greeting: when to come back, and where from
 *     id: kT3…:17
 *
 *     id: kT3…:18          a message; the empty line that dispatches it is the newline that each piece is owed
 *     data: Hello
 *
 *     :                    heartbeat
 *
 *     id: kT3…:21          heartbeat of a quiet stream, with a newer cursor
 *
 * `/events/<id>` gives data as it is, a `data:` line for each of its lines; `/events?id=a&id=b` must say whose it is,
 * and gives the JSON object of `/stream` in its place. Events of other types: `recovered`, first, for who gave a
 * cursor; `lost`, where messages were dropped; `base64`, for data that is not UTF-8.
 */

/** A client comes back after this, so that a restart does not bring them all at once. */
const retryMinMs = 1_000;
const retryMaxMs = 5_000;

const heartbeat = Buffer.from(':\n');

export function eventStreamOfText(cursorOf: CursorOf): Transport {
  return eventStream('sse', cursorOf, new SharedPieces(wireIndex.sse, textEvent));
}

export function eventStreamOfJson(cursorOf: CursorOf): Transport {
  return eventStream('sse-json', cursorOf, new SharedPieces(wireIndex.sseJson, jsonEvent));
}

function eventStream(name: 'sse' | 'sse-json', cursorOf: CursorOf, pieces: SharedPieces): Transport {
  return {
    name,
    contentType: 'text/event-stream; charset=utf-8',
    heartbeat,
    // Without data it is no event, but the empty line makes it the last event id.
    checkpoint: (cursor) => `id: ${cursor}\n\n`,
    greeting,

    chunk(message, { lead, cursor }) {
      const piece = pieces.of(message);
      if (cursor !== undefined) return Buffer.from(`${lead ? '\n' : ''}${withId(piece.text, cursor)}`);
      return piece.bytes(lead, (text) => withId(text, cursorOf(message)));
    },

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
  // An id without data is no event, but is remembered as the last one all the same.
  const event = resumed === undefined ? '' : `event: recovered\ndata: {"recovered":${resumed.recovered}}\n`;
  return `retry: ${retryMs}\n${withId(event, cursor)}\n`;
}

/** A line break in data is whatever HTML takes for one; each arrives as a single \n. */
function textEvent(message: Message): string {
  const payload = payloadOf(message);
  if (!isUtf8(payload)) return `event: base64\ndata: ${payload.toString('base64')}\n`;
  return `data: ${payload
    .toString('utf8')
    .split(/\r\n|\r|\n/)
    .join('\ndata: ')}\n`;
}

function jsonEvent(message: Message): string {
  return `data: ${lineOf(message, undefined)}\n`;
}
