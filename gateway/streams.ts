import type { HttpResponse } from 'uWebSockets.js';
import type { Router } from '../router/router.js';
import { AddressLimit } from './address-limit.js';
import type { Clock } from './clock.js';
import type { CloseReason, RefusalReason } from './close-reason.js';
import type { Config } from './config.js';
import { Connections, type Stream } from './connections.js';
import type { Counters } from './counters.js';
import type { Transport } from './http/transport.js';
import { addressOf, Outbound } from './outbound.js';
import type { SampledLog } from './sampled-log.js';
import { SlowConsumers } from './slow-consumers.js';

/** uWS cuts a socket that took nothing for 8 to 12 s; a peer that left by itself is rarely that late. */
const stalledMs = 7_000;

const streamHeaders = [
  // Proxies must neither keep this, nor compress or otherwise change it, nor wait for its end before they pass it on.
  ['Cache-Control', 'no-cache, no-store, no-transform'],
  ['X-Accel-Buffering', 'no'],
  ['X-Content-Type-Options', 'nosniff'],
  ['Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'"],
] as const;

/**
 * Opens and ends streams: admission, slot, login on the one side; and on the other, whatever the cause, the
 * slot freed and the subscriber logged out of all its ids (step 8 of the way of a message).
 */
export class Streams {
  readonly connections: Connections;
  readonly outbound: Outbound;
  readonly slowConsumers: SlowConsumers;
  readonly #router: Router;
  readonly #config: Config;
  readonly #counters: Counters;
  readonly #clock: Clock;
  readonly #log: SampledLog;
  readonly #addresses: AddressLimit;
  readonly #classes = new Map<Transport, new (slot: number, response: HttpResponse) => Stream>();
  /** One function for all; bound to its stream it is 48 bytes, where a closure would be over 100. */
  readonly #onEvent: (this: Stream, writeOffset?: number) => boolean;
  /** Why the stream that is being closed right now is being closed. */
  #closing: CloseReason = 'peer-closed';
  #stopping = false;

  constructor(
    router: Router,
    config: Config,
    capacity: number,
    counters: Counters,
    clock: Clock,
    log: SampledLog,
  ) {
    const gone = (stream: Stream) => this.#gone(stream);
    const drain = (stream: Stream) => this.outbound.drain(stream);
    this.#onEvent = function (this: Stream, writeOffset?: number) {
      if (writeOffset === undefined) gone(this);
      else drain(this);
      return true; // to writable, as uWS wants it
    };
    this.#router = router;
    this.#config = config;
    this.#counters = counters;
    this.#clock = clock;
    this.#log = log;
    this.#addresses = new AddressLimit(config.connectionsPerAddressMax);
    this.connections = new Connections(capacity);
    const close = (stream: Stream, reason: CloseReason) => this.close(stream, reason);
    this.slowConsumers = new SlowConsumers(this.connections, counters, config, log, close);
    this.outbound = new Outbound(this.connections, counters, clock, this.slowConsumers);
  }

  /** Says why a stream with this many ids cannot be opened now, or undefined. */
  refusalOf(response: HttpResponse, idCount: number): RefusalReason | undefined {
    if (this.#stopping) return 'stopping';
    if (idCount > this.#config.idsPerConnectionMax) return 'too-many-ids';
    if (this.connections.full) return 'too-many-connections';
    if (this.#addresses.full(response)) return 'too-many-from-address';
    return undefined;
  }

  /** Opens the stream on a request that `refusalOf` had nothing against. In the route handler only. */
  open(response: HttpResponse, transport: Transport, ids: readonly string[]): void {
    const slot = this.connections.take();
    const stream = new (this.#classOf(transport))(slot, response);
    stream.onEvent = this.#onEvent.bind(stream);
    response.onAborted(stream.onEvent);
    this.connections.put(stream);
    this.connections.heartbeatDue[slot] = this.#clock.heartbeatDue(slot);
    this.#addresses.add(slot, response);
    this.#counters.opened++;
    writeStreamHead(response, transport);
    response.write(transport.greeting(ids));
    for (const id of ids) this.#router.login(ownCopy(id), stream);
  }

  isOpen(stream: Stream): boolean {
    return this.connections.streams[stream.slot] === stream;
  }

  /** Cuts a stream. It is released before this returns. */
  close(stream: Stream, reason: CloseReason): void {
    this.#closing = reason;
    const { logins } = stream;
    const address = addressOf(stream.response);
    stream.response.close(); // calls #gone
    this.#closing = 'peer-closed';
    this.#log.warn(reason, { ids: logins, address }, 'stream closed');
  }

  /** Ends the body as HTTP wants it, so that the client sees a complete response. */
  end(stream: Stream, reason: CloseReason): void {
    stream.response.cork(() => stream.response.end());
    this.#release(stream, reason);
  }

  /** From now on nobody is let in. */
  refuseAll(): void {
    this.#stopping = true;
  }

  #classOf(transport: Transport) {
    let streamClass = this.#classes.get(transport);
    if (streamClass === undefined) {
      streamClass = this.outbound.streamClass(transport);
      this.#classes.set(transport, streamClass);
    }
    return streamClass;
  }

  #gone(stream: Stream): void {
    const backlog = this.slowConsumers.backlogOf(stream.slot);
    if (this.#closing !== 'peer-closed' || backlog === undefined || backlog.idleMs < stalledMs) {
      this.#release(stream, this.#closing);
      return;
    }
    this.#log.warn('stalled-consumer', { ids: stream.logins, address: backlog.address }, 'stream closed');
    this.#release(stream, 'stalled-consumer');
  }

  #release(stream: Stream, reason: CloseReason): void {
    this.#counters.close(reason);
    this.#router.logout(stream);
    this.outbound.release(stream.slot);
    this.#addresses.remove(stream.slot);
    this.connections.release(stream.slot);
  }
}

/** Status and headers of a stream: what HEAD gets, too. */
export function writeStreamHead(response: HttpResponse, transport: Transport): void {
  response.writeHeader('Content-Type', transport.contentType);
  for (const [name, value] of streamHeaders) response.writeHeader(name, value);
}

/** A slice of a request line keeps the whole line alive; an id lives as long as its stream, so it gets its own bytes. */
function ownCopy(id: string): string {
  return Buffer.from(id).toString();
}
