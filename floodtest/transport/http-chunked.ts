/**
 * `GET /test/<id>`: the Comet page. A message is `Recvd msg #N: '<text>'<br/>`, anywhere in the body and over any
 * chunks. Everything else is the greeting, heartbeats, and notes for a reader.
 */

import { connectionsOf, type Share } from '../plan.js';
import { ChunkedResponse } from './chunked-response.js';
import { getRequest } from './get-request.js';
import type { FloodTransport, TransportEvents } from './transport.js';
import { Unfinished } from './unfinished.js';

const MESSAGE_START = Buffer.from('Recvd msg #');
/** Cannot occur in the text, where `<` is escaped. */
const MESSAGE_END = Buffer.from("'<br/>");
const LF = 0x0a;
const COLON = 0x3a;
const SPACE = 0x20;
const QUOTE = 0x27;
const DIGITS_MAX = 20;

class CometPage implements FloodTransport {
  readonly #events: TransportEvents;
  readonly #share: Share;
  readonly #response: ChunkedResponse;
  /** A message may be spread over chunks, and over reads. */
  readonly #unfinished = new Unfinished();
  /** Whether the current chunk is counted: chunks of newlines only are heartbeats. */
  readonly #counted: Uint8Array;
  #textStart = 0;

  constructor(events: TransportEvents, share: Share) {
    const connections = connectionsOf(share);
    this.#events = events;
    this.#share = share;
    this.#counted = new Uint8Array(connections);
    this.#response = new ChunkedResponse(
      connections,
      events,
      (connection, bytes, start, end, beginsChunk) => {
        this.#countChunk(connection, bytes, start, end, beginsChunk);
        this.#readPiece(connection, bytes, start, end);
      },
    );
  }

  opening(connection: number): string {
    return getRequest('test', this.#share, connection);
  }

  receive(connection: number, bytes: Buffer, end: number): void {
    this.#response.receive(connection, bytes, end);
  }

  isWithin(connection: number): boolean {
    return this.#response.isWithin(connection);
  }

  forget(connection: number): void {
    this.#response.forget(connection);
    this.#unfinished.forget(connection);
  }

  #countChunk(connection: number, bytes: Buffer, start: number, end: number, begins: boolean): void {
    if (begins) this.#counted[connection] = 0;
    if (this.#counted[connection] === 1) return;
    for (let at = start; at < end; at++) {
      if (bytes[at] === LF) continue;
      this.#counted[connection] = 1;
      this.#events.chunk(connection);
      return;
    }
  }

  #readPiece(connection: number, piece: Buffer, pieceStart: number, pieceEnd: number): void {
    const bytes = this.#unfinished.joined(connection, piece, pieceStart, pieceEnd);
    const { start, end } = this.#unfinished;
    const rest = this.#readMessages(connection, bytes, start, end);
    if (rest === end || this.#unfinished.keep(connection, bytes, rest, end)) return;
    this.#events.ended(connection, 'a message without end');
  }

  /** @returns where an incomplete message may begin */
  #readMessages(connection: number, bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end) {
      if (bytes[at] === LF) {
        at++;
        continue;
      }
      const message = indexOf(bytes, MESSAGE_START, at, end);
      if (message < 0) return startOfPrefix(bytes, at, end);
      if (!this.#readNumber(bytes, message + MESSAGE_START.length, end)) {
        at = message + 1;
      } else if (this.#textStart > end) {
        return message;
      } else {
        const textEnd = indexOf(bytes, MESSAGE_END, this.#textStart, end);
        if (textEnd < 0) return message;
        this.#events.message(connection, bytes, this.#textStart, textEnd);
        at = textEnd + MESSAGE_END.length;
      }
    }
    return end;
  }

  /** Reads `7: '`. @returns false for anything else; `#textStart` is behind the end while it is incomplete */
  #readNumber(bytes: Buffer, start: number, end: number): boolean {
    let at = start;
    while (at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
    this.#textStart = at + 3;
    if (at === end) return at - start <= DIGITS_MAX;
    if (at === start) return false;
    return (
      bytes[at] === COLON &&
      (at + 1 >= end || bytes[at + 1] === SPACE) &&
      (at + 2 >= end || bytes[at + 2] === QUOTE)
    );
  }
}

export function httpChunked(events: TransportEvents, share: Share): FloodTransport {
  return new CometPage(events, share);
}

function indexOf(bytes: Buffer, what: Buffer, start: number, end: number): number {
  const at = bytes.indexOf(what, start);
  return at < 0 || at + what.length > end ? -1 : at;
}

/** @returns where the first bytes of a message begin at the end; `end` where there are none */
function startOfPrefix(bytes: Buffer, start: number, end: number): number {
  for (let at = Math.max(start, end - MESSAGE_START.length + 1); at < end; at++) {
    if (bytes[at] !== MESSAGE_START[0]) continue;
    let length = 1;
    while (at + length < end && bytes[at + length] === MESSAGE_START[length]) length++;
    if (at + length === end) return at;
  }
  return end;
}
