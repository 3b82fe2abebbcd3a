import { isUtf8 } from 'node:buffer';
import type { Message } from '../../../router/message.js';
import { toldReasons } from '../../close-reason.js';
import { wireIndex, wireOf } from '../../connection.js';
import { pagePolicy } from '../content-policy.js';
import { escapeHtml } from '../html.js';
import { pageHead } from '../page-head.js';
import { cometScript } from './comet-script.js';
import { newline, type StreamStart, type Transport } from './transport.js';

/**
 * The Comet page: `GET /test/<id>` is a document that never ends. Each message is its next piece, with the number of
 * the message on this connection: `Recvd msg #7: 'Hello'<br/>`. Text with line breaks is in a span, which keeps them.
 * The span has an edge, because a message could otherwise look like several.
 */

const prefix = 'Recvd msg #';
const digitsMax = 10; // `received` has 32 bits
const leadBytes = 1 + prefix.length + digitsMax;
const zero = 0x30;

/**
 * One encoded message. Only the number differs between recipients, so it is patched in, right-aligned before the text.
 * The number of digits decides where the piece starts. There is a view for each number of digits:
 *
 *     [\n] R e c v d   m s g   # 4 2 : ' H e l l o ' < b r / >
 *          ^ start for 2 digits  ^ text
 */
class CometChunk {
  readonly #bytes: Buffer;
  readonly #views: (Uint8Array | undefined)[] = [];
  #digitsDrawn = 0;

  /** @param bytes with `leadBytes` of room in front of the text */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  numbered(count: number, lead: boolean): Uint8Array {
    const digits = this.#patch(count);
    if (digits !== this.#digitsDrawn) this.#drawPrefix(digits);
    const key = digits * 2 + (lead ? 1 : 0);
    const view = this.#views[key];
    if (view !== undefined) return view;
    const start = leadBytes - digits - prefix.length - (lead ? 1 : 0);
    const drawn = this.#bytes.subarray(start);
    this.#views[key] = drawn;
    return drawn;
  }

  #patch(count: number): number {
    let at = leadBytes;
    let rest = count;
    do {
      this.#bytes[--at] = zero + (rest % 10);
      rest = Math.floor(rest / 10);
    } while (rest > 0);
    return leadBytes - at;
  }

  #drawPrefix(digits: number): void {
    const start = leadBytes - digits - prefix.length;
    for (let i = 0; i < prefix.length; i++) this.#bytes[start + i] = prefix.charCodeAt(i);
    this.#bytes[start - 1] = 0x0a;
    this.#digitsDrawn = digits;
  }
}

const style = `
  :root { color-scheme: light dark; }
  body { font: 16px/1.6 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.25rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
  p { color: #6b7280; margin: 0 0 1.5rem; padding-bottom: 1rem; border-bottom: 1px solid #d1d5db; }
  @media (prefers-color-scheme: dark) { p { color: #9ca3af; border-color: #3f3f46; } }
  main { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .9375rem; overflow-wrap: anywhere; }
  main span { display: inline-block; vertical-align: top; max-width: 100%; box-sizing: border-box; white-space: pre-wrap;
    padding-left: .5ch; border-left: 2px solid #9ca3af; }
  #ended { border: 0; border-top: 1px solid #d1d5db; margin: 1rem 0; padding: 1rem 0 0; font-weight: 600; }
`;

/** @param heartbeatSec 0 = none: then the page cannot distinguish a quiet stream from a dead one */
export function cometPage(heartbeatSec: number): Transport {
  const policy = pagePolicy({ style, scripts: [cometScript] });
  return {
    name: 'http-chunked',
    contentType: 'text/html; charset=utf-8',
    contentPolicy: policy,
    heartbeat: newline,
    checkpoint: undefined,
    expiring: undefined, // a page could only be loaded again
    closing: (reason, lead) => `${lead ? '\n' : ''}<i>${toldReasons[reason]}</i><br/>\n`,

    greeting(start) {
      return greetingPage(escapeHtml(start.ids.join(', ')), silenceSec(heartbeatSec)) + resumedText(start);
    },

    chunk(message, { count, lead }) {
      const wire = wireOf(message);
      let encoded = wire[wireIndex.cometPage] as CometChunk | undefined;
      if (encoded === undefined) {
        encoded = new CometChunk(encode(message));
        wire[wireIndex.cometPage] = encoded;
      }
      return encoded.numbered(count, lead);
    },

    lost(count, lead) {
      const noun = count === 1 ? 'message was' : 'messages were';
      return Buffer.from(`${lead ? '\n' : ''}<i>${count} ${noun} lost: this page read too slowly.</i><br/>`);
    },
  };
}

function resumedText({ resumed }: StreamStart): string {
  if (resumed === undefined) return '';
  const { recovered, messages, more } = resumed;
  const what = `${messages}${more ? ' or more' : ''} ${messages === 1 && !more ? 'message' : 'messages'}`;
  return `<i>Resumed with ${what} from before.${recovered ? '' : ' Others are gone.'}</i><br/>\n`;
}

/**
 * Message text never becomes markup. Bytes that are not UTF-8, and NUL, which HTML cannot express, appear as U+FFFD.
 * The bytes come from Node's pool: separate allocations would double the cost of a message for the collector.
 */
function encode(message: Message): Buffer {
  const payload = Buffer.from(message.payload.buffer, message.payload.byteOffset, message.payload.length);
  const text = isPlain(payload) ? payload : Buffer.from(markupOf(payload.toString('utf8')));
  const bytes = Buffer.allocUnsafe(leadBytes + opening.length + text.length + closing.length);
  bytes.set(opening, leadBytes);
  bytes.set(text, leadBytes + opening.length);
  bytes.set(closing, leadBytes + opening.length + text.length);
  return bytes;
}

function markupOf(text: string): string {
  const escaped = escapeHtml(text);
  return /[\r\n]/.test(text) ? `<span>${escaped}</span>` : escaped;
}

const opening = Buffer.from(": '");
const closing = Buffer.from("'<br/>");

/** Bytes that a page must escape, and line breaks. */
const special = new Uint8Array(256);
for (const character of '&<>"\'\0\r\n') special[character.charCodeAt(0)] = 1;

function isPlain(payload: Buffer): boolean {
  for (let i = 0; i < payload.length; i++) if (special[payload[i]!] === 1) return false;
  return isUtf8(payload);
}

/** Heartbeats come up to a fifth early and never late, but a network may delay them. */
function silenceSec(heartbeatSec: number): number {
  return heartbeatSec === 0 ? 0 : Math.ceil(heartbeatSec * 1.25) + 3;
}

/** More than 1 KB on purpose: some browsers show nothing of an unfinished page before that. */
function greetingPage(id: string, silence: number): string {
  return `${pageHead(`${id} - Encke`, style, cometScript)}
<body>
<!-- This document does not end: the server keeps the response open and appends a line for each message that is
     sent to the id. The script above keeps the newest one in sight, and says so when the document has ended; the
     page's policy lets no other script run. An idle page gets a newline now and then, so that a proxy in
     between does not take it for dead; a browser shows nothing of it. Closing the page logs it out. When the
     server stops, the document ends, and reloading the page logs in again. With ?since=10 the page begins with the
     last ten messages, and with ?since=oldest with all that are kept. -->
<h1>Hello, you are logged in as ${id}</h1>
<p>This page stays open. Each message that is sent to this id appears below at once.</p>
<main data-silence-sec="${silence}">
`;
}
