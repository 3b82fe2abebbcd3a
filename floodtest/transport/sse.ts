/**
 * `GET /events/<id>`: the server-sent events that Encke sends. Lines end with LF or CRLF, and a message is an event
 * without a type. A client that was cut reconnects with `Last-Event-ID`.
 */
import { connectionsOf, type Share } from '../plan.js';
import { ChunkedResponse } from './chunked-response.js';
import { Cursors } from './cursors.js';
import { getRequest } from './get-request.js';
import type { FloodTransport, TransportEvents } from './transport.js';
import { Unfinished } from './unfinished.js';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const DATA = Buffer.from('data:');
const ID = Buffer.from('id:');
const EVENT = Buffer.from('event:');
/** Types of events that are messages. Other types say something about messages. */
const MESSAGE_TYPES = ['', 'message', 'base64'];

export class EventStream implements FloodTransport {
  readonly #events: TransportEvents;
  readonly #share: Share;
  readonly #response: ChunkedResponse;
  /** Only in a run with a cut. */
  readonly #cursors: Cursors | undefined;
  /** An event may be spread over chunks. */
  readonly #unfinished = new Unfinished();
  // Bounds of the current event's fields; -1 = none.
  #dataStart = -1;
  #dataEnd = -1;
  #idStart = -1;
  #idEnd = -1;
  #type = '';

  constructor(events: TransportEvents, share: Share) {
    const connections = connectionsOf(share);
    this.#events = events;
    this.#share = share;
    this.#cursors = share.cut === undefined ? undefined : new Cursors(connections);
    this.#response = new ChunkedResponse(connections, events, (connection, bytes, start, end) =>
      this.#readPiece(connection, bytes, start, end),
    );
  }

  opening(connection: number): string {
    const cursor = this.#cursors?.of(connection);
    const header = cursor === undefined ? '' : `Last-Event-ID: ${cursor}\r\n`;
    return getRequest('events', this.#share, connection, '', header);
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

  #readPiece(connection: number, piece: Buffer, pieceStart: number, pieceEnd: number): void {
    const bytes = this.#unfinished.joined(connection, piece, pieceStart, pieceEnd);
    const { start, end } = this.#unfinished;
    const rest = this.#readEvents(connection, bytes, start, end);
    if (rest === end || this.#unfinished.keep(connection, bytes, rest, end)) return;
    this.#events.ended(connection, 'an event without end');
  }

  /** @returns where the incomplete event begins */
  #readEvents(connection: number, bytes: Buffer, start: number, end: number): number {
    let eventStart = start;
    let at = start;
    this.#beginEvent();
    while (at < end) {
      const lf = bytes.indexOf(LF, at);
      if (lf < 0 || lf >= end) break;
      const lineEnd = lf > at && bytes[lf - 1] === CR ? lf - 1 : lf;
      if (lineEnd === at) {
        this.#dispatch(connection, bytes);
        this.#beginEvent();
        eventStart = lf + 1;
      } else if (bytes[at] === COLON && eventStart === at) {
        eventStart = lf + 1; // a heartbeat
      } else {
        this.#readField(bytes, at, lineEnd);
      }
      at = lf + 1;
    }
    return eventStart;
  }

  #beginEvent(): void {
    this.#dataStart = -1;
    this.#idStart = -1;
    this.#type = '';
  }

  #readField(bytes: Buffer, start: number, end: number): void {
    if (startsWith(bytes, start, end, DATA)) {
      // The first of several data lines has the stamp.
      if (this.#dataStart < 0) this.#dataStart = valueStart(bytes, start + DATA.length, end);
      this.#dataEnd = end;
    } else if (startsWith(bytes, start, end, ID)) {
      this.#idStart = valueStart(bytes, start + ID.length, end);
      this.#idEnd = end;
    } else if (startsWith(bytes, start, end, EVENT)) {
      this.#type = bytes.toString('latin1', valueStart(bytes, start + EVENT.length, end), end);
    }
  }

  /** An id without data still counts as the last one. */
  #dispatch(connection: number, bytes: Buffer): void {
    if (this.#idStart >= 0) {
      this.#cursors?.keep(connection, bytes.toString('latin1', this.#idStart, this.#idEnd));
    }
    if (this.#dataStart < 0) return;
    if (MESSAGE_TYPES.includes(this.#type)) {
      this.#events.chunk(connection);
      this.#events.message(connection, bytes, this.#dataStart, this.#dataEnd);
    } else if (this.#type === 'recovered') {
      const said = bytes.toString('latin1', this.#dataStart, this.#dataEnd);
      this.#events.recovered(connection, said === '{"recovered":true}');
    }
  }
}

function startsWith(bytes: Buffer, start: number, end: number, name: Buffer): boolean {
  if (end - start < name.length) return false;
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}

function valueStart(bytes: Buffer, colonEnd: number, end: number): number {
  return colonEnd < end && bytes[colonEnd] === SPACE ? colonEnd + 1 : colonEnd;
}
