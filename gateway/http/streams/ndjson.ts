import { isUtf8 } from 'node:buffer';
import type { Message } from '../../../router/message.js';
import { wireIndex } from '../../connection.js';
import { SharedPieces } from './shared-pieces.js';
import { type CursorOf, newline, type Transport } from './transport.js';

/**
 * `GET /stream`: one JSON object a line, `{"id","data","time","cursor"}`. An empty line is a heartbeat. `{"lost":n}` is
 * where n messages were dropped, `{"cursor":c}` where a quiet stream gets a newer cursor. Data that is not UTF-8 is
 * base64, with `"encoding":"base64"`. A client that gave a cursor gets its answer first: `{"recovered":true}`.
 * `{"expires":ms,"stream":"…"}` says that the credentials end soon, `{"closed":"…"}` why the stream ends. Only messages have
 * an `id`.
 */

export function ndjson(cursorOf: CursorOf): Transport {
  const pieces = new SharedPieces(wireIndex.ndjson, openLine);
  return {
    name: 'ndjson',
    contentType: 'application/x-ndjson',
    heartbeat: newline,
    checkpoint: (cursor) => `{"cursor":"${cursor}"}\n`,

    greeting({ resumed, cursor }) {
      if (resumed === undefined) return '\n'; // without a write, the headers would wait for the first message
      return `${JSON.stringify({ recovered: resumed.recovered, cursor })}\n`;
    },

    chunk(message, { lead, cursor }) {
      const piece = pieces.of(message);
      if (cursor !== undefined) return Buffer.from(`${lead ? '\n' : ''}${closeLine(piece.text, cursor)}`);
      return piece.bytes(lead, (text) => closeLine(text, cursorOf(message)));
    },

    expiring: (expiry) => `${JSON.stringify(expiry)}\n`,
    closing: (reason, lead) => `${lead ? '\n' : ''}{"closed":"${reason}"}\n`,

    lost(count, lead) {
      return Buffer.from(`${lead ? '\n' : ''}{"lost":${count}}`);
    },
  };
}

/** A message as a JSON object, for NDJSON, long-poll and SSE of several ids. */
export function lineOf(message: Message, cursor: string | undefined): string {
  return closeLine(openLine(message), cursor);
}

/** The object without its end, where the cursor follows, which may differ between recipients. */
export function openLine(message: Message): string {
  const { id, timeMs: time, properties } = message;
  const about = properties?.about;
  if (about !== undefined) return JSON.stringify({ id, about, ...dataOf(message), time }).slice(0, -1);
  return JSON.stringify({ id, ...dataOf(message), time }).slice(0, -1);
}

function closeLine(open: string, cursor: string | undefined): string {
  return cursor === undefined ? `${open}}` : `${open},"cursor":"${cursor}"}`;
}

/** A payload in JSON: text, or base64 with a marker if it is not UTF-8. */
function dataOf(message: Message): { data: string; encoding?: 'base64' } {
  const payload = payloadBuffer(message);
  if (isUtf8(payload)) return { data: payload.toString('utf8') };
  return { data: payload.toString('base64'), encoding: 'base64' };
}

export function payloadBuffer({ payload }: Message): Buffer {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.length);
}
