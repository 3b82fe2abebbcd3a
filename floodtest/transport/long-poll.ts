/**
 * `GET /poll/<id>?cursor=…&timeout=25` on a kept connection. The next poll follows each answer at once, with the cursor
 * of the answer. The first poll does not wait (`timeout=0`): its answer has the first cursor, or the messages that were
 * missed during a cut. A connection owns a cursor and nine bytes.
 */
import { connectionsOf, type Share } from '../plan.js';
import { Cursors } from './cursors.js';
import { getRequest } from './get-request.js';
import { headerOf } from './response-head.js';
import { SizedResponses } from './sized-responses.js';
import type { FloodTransport, TransportEvents } from './transport.js';

export const POLL_TIMEOUT_SEC = 25;

/** Neither can occur inside a JSON string, where its quotes would be escaped. */
const DATA_START = Buffer.from('"data":"');
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export class LongPoll implements FloodTransport {
  readonly #events: TransportEvents;
  readonly #share: Share;
  readonly #responses: SizedResponses;
  readonly #cursors: Cursors;
  readonly #open: Uint8Array;
  /** Time of the poll on the clock of performance.now(); 0 while no poll waits. */
  readonly #polledMs: Float64Array;

  constructor(events: TransportEvents, share: Share) {
    const connections = connectionsOf(share);
    this.#events = events;
    this.#share = share;
    this.#cursors = new Cursors(connections);
    this.#open = new Uint8Array(connections);
    this.#polledMs = new Float64Array(connections);
    this.#responses = new SizedResponses(
      (connection, status, head, body) => this.#answered(connection, status, head, body),
      (connection, what) => this.#turnedAway(connection, what),
    );
  }

  opening(connection: number): string {
    return this.#request(connection, 0);
  }

  receive(connection: number, bytes: Buffer, end: number): void {
    this.#responses.receive(connection, bytes, end);
  }

  isWithin(connection: number): boolean {
    return this.#responses.isWithin(connection);
  }

  forget(connection: number): void {
    this.#responses.forget(connection);
    this.#open[connection] = 0;
    this.#polledMs[connection] = 0;
  }

  /** Ends connections whose poll has no answer long after its timeout. */
  sweep(): void {
    const limitMs = POLL_TIMEOUT_SEC * 1000 + this.#share.answerTimeoutMs;
    const beforeMs = performance.now() - limitMs;
    for (let connection = 0; connection < this.#polledMs.length; connection++) {
      const polledMs = this.#polledMs[connection]!;
      if (polledMs === 0 || polledMs > beforeMs) continue;
      this.#polledMs[connection] = 0;
      this.#events.ended(connection, `no answer to a poll in ${limitMs / 1000} s`);
    }
  }

  #answered(connection: number, status: string, head: string, body: Buffer): void {
    if (status !== '200' && status !== '204') return this.#turnedAway(connection, `HTTP ${status}`);
    if (this.#open[connection] === 0) {
      this.#open[connection] = 1;
      this.#events.loggedIn(connection);
    }
    const recovered = headerOf(head, 'Encke-Recovered');
    if (recovered !== undefined) this.#events.recovered(connection, recovered === 'true');
    if (body.length > 0) {
      this.#events.chunk(connection);
      readMessages(this.#events, connection, body);
    }
    const cursor = headerOf(head, 'Encke-Cursor');
    if (cursor !== undefined) this.#cursors.keep(connection, cursor);
    this.#polledMs[connection] = performance.now();
    this.#events.write(connection, Buffer.from(this.#request(connection, POLL_TIMEOUT_SEC), 'latin1'));
  }

  #turnedAway(connection: number, reason: string): void {
    this.#polledMs[connection] = 0;
    if (this.#open[connection] === 0) this.#events.refused(connection, reason);
    else this.#events.ended(connection, reason);
  }

  #request(connection: number, timeoutSec: number): string {
    const cursor = this.#cursors.of(connection);
    const from = cursor === undefined ? '' : `cursor=${encodeURIComponent(cursor)}&`;
    return getRequest('poll', this.#share, connection, `?${from}timeout=${timeoutSec}`);
  }
}

function readMessages(events: TransportEvents, connection: number, body: Buffer): void {
  let data = body.indexOf(DATA_START);
  while (data >= 0) {
    const start = data + DATA_START.length;
    const end = endOfString(body, start);
    events.message(connection, body, start, end);
    data = body.indexOf(DATA_START, end);
  }
}

function endOfString(body: Buffer, start: number): number {
  let at = start;
  while (at < body.length && body[at] !== QUOTE) at += body[at] === BACKSLASH ? 2 : 1;
  return at;
}
