import type { HttpResponse } from 'uWebSockets.js';
import type { Router } from '../router/router.js';
import type { Admission } from './admission.js';
import type { Clock } from './clock.js';
import type { CloseReason, RefusalReason } from './close-reason.js';
import type { Config } from './config.js';
import type { Connections } from './connections.js';
import { type Stream, type StreamClass, streamClass } from './http/stream.js';
import type { StreamWire } from './http/stream-wire.js';
import type { Transport } from './http/transport.js';
import type { Outbound } from './outbound.js';
import type { SampledLog } from './sampled-log.js';
import type { SlowConsumers } from './slow-consumers.js';

/** uWS cuts a socket that took nothing for 8 to 12 s; a peer that left by itself is rarely that late. */
const stalledMs = 7_000;

const streamHeaders = [
  // Proxies must neither keep this, nor compress or otherwise change it, nor wait for its end before they pass it on.
  ['Cache-Control', 'no-cache, no-store, no-transform'],
  ['X-Accel-Buffering', 'no'],
  ['X-Content-Type-Options', 'nosniff'],
  ['Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'"],
] as const;

export interface StreamParts {
  readonly router: Router;
  readonly config: Config;
  readonly clock: Clock;
  readonly log: SampledLog;
  readonly connections: Connections;
  readonly admission: Admission;
  readonly outbound: Outbound;
  readonly slowConsumers: SlowConsumers;
  readonly wire: StreamWire;
}

/**
 * Opens and ends HTTP streams: slot, login on the one side; and on the other, whatever the cause, the slot freed
 * and the subscriber logged out of all its ids (step 8 of the way of a message).
 */
export class Streams {
  readonly #parts: StreamParts;
  readonly outbound: Outbound;
  readonly wire: StreamWire;
  readonly #classes = new Map<Transport, StreamClass>();
  /** One function for all; bound to its stream it is 48 bytes, where a closure would be over 100. */
  readonly #onEvent: (this: Stream, writeOffset?: number) => boolean;
  /** Why the stream that is being closed right now is being closed. */
  #closing: CloseReason = 'peer-closed';

  constructor(parts: StreamParts) {
    const gone = (stream: Stream) => this.#gone(stream);
    const writable = (stream: Stream) => this.#writable(stream);
    this.#onEvent = function (this: Stream, writeOffset?: number) {
      if (writeOffset === undefined) gone(this);
      else writable(this);
      return true; // to writable, as uWS wants it
    };
    this.#parts = parts;
    this.outbound = parts.outbound;
    this.wire = parts.wire;
  }

  /** Says why a stream with this many ids cannot be opened now, or undefined. */
  refusalOf(response: HttpResponse, idCount: number): RefusalReason | undefined {
    const { admission, config } = this.#parts;
    return idCount > config.idsPerConnectionMax ? 'too-many-ids' : admission.refusalOf(response);
  }

  /** Opens the stream on a request that `refusalOf` had nothing against. In the route handler only. */
  open(response: HttpResponse, transport: Transport, ids: readonly string[]): void {
    const { router, clock, connections, admission } = this.#parts;
    const slot = connections.take();
    const stream = new (this.#classOf(transport))(slot, response);
    stream.onEvent = this.#onEvent.bind(stream);
    response.onAborted(stream.onEvent);
    admission.enter(stream, response);
    connections.due[slot] = clock.heartbeatDue(slot);
    writeStreamHead(response, transport);
    response.write(transport.greeting(ids));
    for (const id of ids) router.login(ownCopy(id), stream);
  }

  heartbeat(stream: Stream): void {
    const { clock, connections } = this.#parts;
    connections.due[stream.slot] = clock.heartbeatDue(stream.slot);
    if (!this.outbound.isBackpressured(stream)) this.wire.heartbeat(stream);
  }

  /** Cuts a stream. It is released before this returns. */
  close(stream: Stream, reason: CloseReason): void {
    this.#closing = reason;
    const who = { ...stream.describe(), address: stream.remoteAddress() };
    stream.response.close(); // calls #gone
    this.#closing = 'peer-closed';
    this.#parts.log.warn(reason, who, 'stream closed');
  }

  /** Ends the body as HTTP wants it, so that the client sees a complete response. */
  end(stream: Stream, reason: CloseReason): void {
    stream.response.cork(() => stream.response.end());
    this.#release(stream, reason);
  }

  #classOf(transport: Transport) {
    let found = this.#classes.get(transport);
    if (found === undefined) {
      found = streamClass(transport, this);
      this.#classes.set(transport, found);
    }
    return found;
  }

  /** uWS's own buffer drains in a cork, even an empty one; then the backlog goes on. */
  #writable(stream: Stream): void {
    if (this.outbound.isBackpressured(stream)) this.outbound.drain(stream);
    else stream.response.cork(nothing);
  }

  #gone(stream: Stream): void {
    const backlog = this.#parts.slowConsumers.backlogOf(stream.slot);
    if (this.#closing !== 'peer-closed' || backlog === undefined || backlog.idleMs < stalledMs) {
      this.#release(stream, this.#closing);
      return;
    }
    const who = { ...stream.describe(), address: backlog.address };
    this.#parts.log.warn('stalled-consumer', who, 'stream closed');
    this.#release(stream, 'stalled-consumer');
  }

  #release(stream: Stream, reason: CloseReason): void {
    this.#parts.router.logout(stream);
    this.#parts.admission.leave(stream, reason);
  }
}

function nothing(): void {}

/** Status and headers of a stream: what HEAD gets, too. */
export function writeStreamHead(response: HttpResponse, transport: Transport): void {
  response.writeHeader('Content-Type', transport.contentType);
  for (const [name, value] of streamHeaders) response.writeHeader(name, value);
}

/** A slice of a request line keeps the whole line alive; an id lives as long as its stream, so it gets its own bytes. */
function ownCopy(id: string): string {
  return Buffer.from(id).toString();
}
