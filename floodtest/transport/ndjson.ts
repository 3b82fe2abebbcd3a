/**
 * `GET /stream/<id>`: one JSON object a line, `{"id","data","time","cursor"}`. An empty line is a heartbeat. A client
 * that was cut reconnects with `?cursor=`, and gets `{"recovered":…}` first.
 */
import { connectionsOf, type Share } from '../plan.js';
import { ChunkedResponse } from './chunked-response.js';
import { Cursors } from './cursors.js';
import { getRequest } from './get-request.js';
import type { FloodTransport, TransportEvents } from './transport.js';
import { Unfinished } from './unfinished.js';

/** Neither can occur inside a JSON string, where its quotes would be escaped. */
const DATA_START = Buffer.from('"data":"');
const CURSOR = /"cursor":"([^"]*)"\}$/;
const LF = 0x0a;

export class Ndjson implements FloodTransport {
  readonly #events: TransportEvents;
  readonly #share: Share;
  readonly #response: ChunkedResponse;
  /** Only in a run with a cut. */
  readonly #cursors: Cursors | undefined;
  /** A line may be spread over chunks. */
  readonly #unfinished = new Unfinished();

  constructor(events: TransportEvents, share: Share) {
    const connections = connectionsOf(share);
    this.#events = events;
    this.#share = share;
    this.#cursors = share.cut === undefined ? undefined : new Cursors(connections);
    this.#response = new ChunkedResponse(connections, events, (connection, bytes, start, end) =>
      this.#readPiece(connection, bytes, start, end),
    );
  }

  /** With `since`, the server sends the first cursor before the first message. */
  opening(connection: number): string {
    const cursor = this.#cursors?.of(connection);
    const since = this.#cursors === undefined ? '' : '?since=now';
    const query = cursor === undefined ? since : `?cursor=${encodeURIComponent(cursor)}`;
    return getRequest('stream', this.#share, connection, query);
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
    const { end } = this.#unfinished;
    let at = this.#unfinished.start;
    while (at < end) {
      const lineEnd = bytes.indexOf(LF, at);
      if (lineEnd < 0 || lineEnd >= end) {
        if (!this.#unfinished.keep(connection, bytes, at, end)) {
          this.#events.ended(connection, 'a line without end');
        }
        return;
      }
      if (lineEnd > at) this.#readLine(connection, bytes, at, lineEnd);
      at = lineEnd + 1;
    }
  }

  #readLine(connection: number, bytes: Buffer, start: number, end: number): void {
    const data = bytes.indexOf(DATA_START, start);
    if (data >= 0 && data < end) {
      this.#events.chunk(connection);
      this.#events.message(connection, bytes, data + DATA_START.length, end);
      if (this.#cursors === undefined) return;
    }
    const line = bytes.toString('latin1', start, end);
    const recovered = /^\{"recovered":(true|false)/.exec(line)?.[1];
    if (recovered !== undefined) this.#events.recovered(connection, recovered === 'true');
    const cursor = CURSOR.exec(line)?.[1];
    if (cursor !== undefined) this.#cursors?.keep(connection, cursor);
  }
}
