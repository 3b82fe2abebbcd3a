import type { HttpResponse } from 'uWebSockets.js';
import type { Identity } from '../../../access/identity.js';
import { formatCursor, type ResumeFrom } from '../../../router/history/cursor.js';

import type { Message } from '../../../router/message.js';
import { ownText } from '../../../router/own-copy.js';
import type { Router } from '../../../router/router.js';
import type { Delivery } from '../../../router/subscriber.js';
import type { AccessControl } from '../../access-control.js';
import type { Admission } from '../../admission.js';
import type { Clock } from '../../clock.js';
import { type CloseReason, isTold, type RefusalReason } from '../../close-reason.js';
import type { Config } from '../../config.js';
import type { ConnectionTransport } from '../../connection-transport.js';
import { type Connections, catchingUp } from '../../connections.js';
import type { LoginShares } from '../../login-shares.js';
import type { Outbound } from '../../outbound.js';
import { addressText } from '../../peer-address.js';
import type { SampledLog } from '../../sampled-log.js';
import type { SlowConsumers } from '../../slow-consumers.js';
import type { Written } from '../../written.js';
import type { Headers } from '../answer.js';
import { refusalToRead } from './allowed-ids.js';
import { type CatchUps, pageBytesMax, pageMessagesMax } from './catch-ups.js';
import { Stream } from './stream.js';
import type { StreamCursors } from './stream-cursors.js';
import type { StreamHandles } from './stream-handles.js';
import type { StreamWire } from './stream-wire.js';
import { type Transport, writeStreamHead } from './transport.js';

/** uWS cuts a socket that took nothing for 8 to 12 s; a peer that left by itself is rarely that late. */
const stalledMs = 7_000;

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
  readonly cursors: StreamCursors;
  readonly catchUps: CatchUps;
  readonly handles: StreamHandles;
  readonly loginShares: LoginShares;
  readonly access: AccessControl;
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

  /** Says why no stream can be opened now, or undefined. */
  refusalOf(response: HttpResponse, identity: Identity): RefusalReason | undefined {
    const { admission, config, router, log, loginShares } = this.#parts;
    if (router.loginsBytes < config.loginsBytesTotalMax) return admission.refusalOf(response, identity);
    const limit = { setting: '--logins-bytes-total-max', limit: config.loginsBytesTotalMax };
    log.warn(
      'logins-bytes',
      { address: addressText(response), ...limit, ...loginShares.largestHolder() },
      'no room for more ids: answered 503',
    );
    return 'logins-bytes';
  }

  /** Opens the stream on a request that `refusalOf` had nothing against. In the route handler only. */
  open(
    response: HttpResponse,
    transport: Transport,
    ids: readonly string[],
    from: ResumeFrom | undefined,
    headers: Headers,
    identity: Identity,
  ): void {
    const { router, clock, connections, admission } = this.#parts;
    const slot = connections.take();
    const stream = new (this.#classOf(transport))(slot, response);
    stream.onEvent = this.#onEvent.bind(stream);
    response.onAborted(stream.onEvent);
    admission.enter(stream, response, identity);
    connections.due[slot] =
      transport.heartbeatHeader === undefined ? clock.heartbeatDue(slot) : clock.firstHeartbeatDue(slot);
    // A stream ends when the server stops, and uWS cannot close a connection behind a chunked response whose head did
    // not say so. The client does, instead of coming back over it to be refused (RFC 9112 9.6).
    response.writeHeader('Connection', 'close');
    writeStreamHead(response, transport, headers);
    // A slice of a request line keeps the whole line alive, and an id lives as long as its stream.
    const own = ids.map(ownText);
    for (const id of own) router.login(id, stream);
    if (from === undefined) this.#begin(stream, own);
    else this.#resume(stream, own, from);
  }

  #begin(stream: Stream, ids: readonly string[]): void {
    const { history } = this.#parts.router;
    const offsets = history.position(ids);
    this.#parts.cursors.begin(stream, ids, offsets);
    const cursor = this.#cursorOf(ids, offsets);
    stream.response.write(stream.transport.greeting({ ids, cursor, resumed: undefined }));
  }

  /** Login and resume are one turn: what the resume does not give is delivered from now on. */
  #resume(stream: Stream, ids: readonly string[], from: ResumeFrom): void {
    const { router, cursors, catchUps, connections } = this.#parts;
    const { history } = router;
    const { recovered, messages, more, offsets } = history.resume(ids, from, pageMessagesMax, pageBytesMax);
    // Where messages follow, the first of them brings a newer one; until then the client's own is right.
    const cursor = messages.length === 0 ? this.#cursorOf(ids, offsets) : undefined;
    const resumed = { recovered, messages: messages.length, more };
    stream.response.write(stream.transport.greeting({ ids, cursor, resumed }));
    cursors.begin(stream, ids, startOf(ids, messages, offsets));
    for (const message of messages) {
      this.outbound.deliver(stream, message);
      if (!connections.has(stream)) return; // as in CatchUps
    }
    if (more) catchUps.begin(stream, ids, offsets);
  }

  /** None where nothing is kept. */
  #cursorOf(ids: readonly string[], offsets: readonly number[]): string | undefined {
    const { history } = this.#parts.router;
    return ids.some((id) => history.keeps(id)) ? formatCursor(history.epoch, offsets) : undefined;
  }

  /** A message to a stream that is catching up is read from history later, behind those that it still has to get. */
  deliver(stream: Stream, message: Message): Delivery {
    const { flags } = this.#parts.connections;
    if ((flags[stream.slot]! & catchingUp) !== 0 && message.offset > 0) return 'buffered';
    return this.outbound.deliver(stream, message);
  }

  heartbeat(stream: Stream): void {
    const { clock, connections, cursors } = this.#parts;
    connections.due[stream.slot] = clock.heartbeatDue(stream.slot);
    if (this.outbound.isBackpressured(stream)) return;
    // Never a cursor ahead of what was written.
    const behind = (connections.flags[stream.slot]! & catchingUp) !== 0 || this.outbound.isWaiting(stream);
    this.wire.heartbeat(stream, behind ? undefined : cursors.moved(stream));
  }

  /** @returns false while it has a backlog */
  tellExpiry(stream: Stream, endSec: number): boolean {
    const { expiring } = stream.transport;
    if (expiring === undefined) return true;
    if (this.outbound.isBackpressured(stream)) return false;
    this.wire.tell(stream, expiring({ expires: endSec * 1000, stream: this.#parts.handles.begin(stream) }));
    return true;
  }

  review(stream: Stream): void {
    const { authorizer, identities } = this.#parts.access;
    const forbidden = refusalToRead(authorizer, identities.of(stream.slot), stream.ids);
    if (forbidden !== undefined) this.end(stream, 'not-allowed');
  }

  /** Cuts a stream. It is released before this returns. */
  close(stream: Stream, reason: CloseReason): void {
    const who = { ...stream.describe(), address: stream.remoteAddress() };
    this.#cut(stream, reason);
    this.#parts.log.warn(reason, who, 'stream closed');
  }

  #cut(stream: Stream, reason: CloseReason): void {
    this.#closing = reason;
    stream.response.close(); // calls #gone
    this.#closing = 'peer-closed';
  }

  /** Ends it behind what this turn has brought it, with the reason where it is one that is told. */
  end(stream: Stream, reason: CloseReason): void {
    if (stream.response.oneRequest === true) return this.#cut(stream, reason); // see readNoMore
    if (this.outbound.isWaiting(stream)) this.outbound.flushTurn();
    if (!this.#parts.connections.has(stream)) return; // the flush has cut it
    this.wire.end(stream, isTold(reason) ? reason : undefined);
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
    this.#parts.catchUps.goOn(stream.slot);
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
    const { router, admission, cursors, catchUps, handles } = this.#parts;
    router.logout(stream);
    cursors.release(stream.slot);
    catchUps.release(stream.slot);
    handles.release(stream.slot);
    admission.leave(stream, reason);
  }
}

function nothing(): void {}

/** The offsets before the first of `messages`, where `offsets` are those behind the last. */
function startOf(ids: readonly string[], messages: readonly Message[], offsets: readonly number[]): number[] {
  const start = [...offsets];
  for (let i = messages.length - 1; i >= 0; i--)
    start[ids.indexOf(messages[i]!.id)] = messages[i]!.offset - 1;
  return start;
}

type StreamClass = new (slot: number, response: HttpResponse) => Stream;

/** A class for each transport, so that what its streams share is no field of every stream (8 bytes each). */
function streamClass(transport: Transport, streams: Streams): StreamClass {
  const { wire } = streams;
  const written = wire.writtenOf(transport);
  return class extends Stream {
    override get transportName(): ConnectionTransport {
      return transport.name;
    }
    override get written(): Written {
      return written;
    }
    override get transport(): Transport {
      return transport;
    }
    override get wire(): StreamWire {
      return wire;
    }
    override deliver(message: Message): Delivery {
      return streams.deliver(this, message);
    }
    override onDue(): void {
      streams.heartbeat(this);
    }
    override tellExpiry(endSec: number): boolean {
      return streams.tellExpiry(this, endSec);
    }
    override review(): void {
      streams.review(this);
    }
    override end(reason: CloseReason): void {
      streams.end(this, reason);
    }
    override cut(reason: CloseReason): void {
      streams.close(this, reason);
    }
  };
}
