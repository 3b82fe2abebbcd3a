import { isUtf8 } from 'node:buffer';
import type { Message } from '../../router/message.js';
import { wireIndex, wireOf } from '../wire.js';
import type { Transport } from './transport.js';

/**
 * `GET /stream`: one JSON object a line, `{"id","data","time"}`; an empty line is a heartbeat, and
 * `{"lost":n}` stands where n messages were dropped. Data that is not UTF-8 comes as base64, with
 * `"encoding":"base64"` beside it.
 */

/** The same for every recipient, with and without the newline that the line before is owed. */
interface NdjsonLine {
  readonly led: Uint8Array;
  readonly bare: Uint8Array;
}

export const ndjson: Transport = {
  name: 'ndjson',
  contentType: 'application/x-ndjson',

  greeting() {
    return '\n'; // with nothing written, the headers would wait for the first message
  },

  chunk(message, _count, lead) {
    const wire = wireOf(message);
    let line = wire[wireIndex.ndjson] as NdjsonLine | undefined;
    if (line === undefined) {
      line = encode(message);
      wire[wireIndex.ndjson] = line;
    }
    return lead ? line.led : line.bare;
  },

  lost(count, lead) {
    return Buffer.from(`${lead ? '\n' : ''}{"lost":${count}}`);
  },
};

function encode(message: Message): NdjsonLine {
  const led = Buffer.from(
    `\n${JSON.stringify({ id: message.id, ...dataOf(message), time: message.timeMs })}`,
  );
  return { led, bare: led.subarray(1) };
}

function dataOf(message: Message): { data: string; encoding?: 'base64' } {
  const payload = Buffer.from(message.payload.buffer, message.payload.byteOffset, message.payload.length);
  if (isUtf8(payload)) return { data: payload.toString('utf8') };
  return { data: payload.toString('base64'), encoding: 'base64' };
}
