import type { HttpResponse } from 'uWebSockets.js';
import type { Message } from '../router/message.js';
import type { Delivery } from '../router/subscriber.js';
import { Backlog, pendingBytesOf } from './backlog.js';
import type { Clock } from './clock.js';
import type { CloseReason } from './close-reason.js';
import type { Config } from './config.js';
import { backpressured, type Connections, Stream, watchesWritable } from './connections.js';
import type { Counters } from './counters.js';
import type { Transport } from './http/transport.js';
import type { SampledLog } from './sampled-log.js';

/**
 * uWS has one cork buffer of 16 KB, and several small writes past it in one cork corrupt the stream under
 * backpressure (measured: 10 × 4 KB, every run). So: at most 15 KB a cork, or one write for a bigger piece.
 */
const corkBytesMax = 15 * 1024;

/** `\r\n<up to 5 hex digits>\r\n` around each chunk. */
const chunkFramingBytes = 9;

/**
 * Deliveries that may wait for the end of the turn, 12 bytes each; at this many they go out at once, which is
 * correct but dearer: the publisher's own socket may hold the one cork buffer then.
 */
const turnDeliveriesMax = 262_144;

/**
 * A chunk's closing CRLF leaves with the next chunk, and some clients (Python's urllib3) show a chunk only
 * when they have seen it. So the newline after the last piece is a chunk of its own, in the same cork.
 */
const newline = new Uint8Array([0x0a]);

type Closer = (stream: Stream, reason: CloseReason) => void;

/**
 * The one write path to streams; step 7 of the way of a message. Owns what is on its way out: deliveries of
 * this turn of the event loop, and the backlogs of streams that take no more now.
 *
 *     deliver --> turn: first[slot] -> delivery -> delivery     end of the turn: one cork, one write
 *        |                                   |
 *        |  backpressured                    v  write() said false
 *        +---------> backlog  <--------------+ ------> onWritable: on from there
 *                       |
 *                       +-- past its limit: the slow-consumer policy
 */
export class Outbound {
  readonly #connections: Connections;
  readonly #counters: Counters;
  readonly #config: Config;
  readonly #clock: Clock;
  readonly #log: SampledLog;
  readonly #close: Closer;

  /** Deliveries of this turn, linked by slot. Index 0 is nobody, so that zeroed columns mean "none". */
  readonly #messages: (Message | undefined)[] = [undefined];
  readonly #next = new Uint32Array(turnDeliveriesMax + 1);
  readonly #first: Uint32Array;
  readonly #last: Uint32Array;
  readonly #dirty: Stream[] = [];
  #flushing = false;

  readonly #backlogs = new Map<number, Backlog>();
  #pendingBytesTotal = 0;

  /** What the cork callbacks work on: fields instead of closures, as a closure a write would be garbage. */
  #stream!: Stream;
  #delivery = 0;
  #backlog!: Backlog;
  #newlineOwed = false;
  #refused = false;

  constructor(
    connections: Connections,
    counters: Counters,
    config: Config,
    clock: Clock,
    log: SampledLog,
    close: Closer,
  ) {
    this.#connections = connections;
    this.#counters = counters;
    this.#config = config;
    this.#clock = clock;
    this.#log = log;
    this.#close = close;
    this.#first = new Uint32Array(connections.capacity);
    this.#last = new Uint32Array(connections.capacity);
  }

  /** Streams with a backlog, now. */
  get slowConsumers(): number {
    return this.#backlogs.size;
  }

  /** Kept for all slow consumers together, bytes, now. */
  get pendingBytes(): number {
    return this.#pendingBytesTotal;
  }

  /** A class for each transport, so that neither it nor this is a field of every stream (16 bytes each). */
  streamClass(transport: Transport): new (slot: number, response: HttpResponse) => Stream {
    const outbound = this;
    return class extends Stream {
      override get transport(): Transport {
        return transport;
      }
      override deliver(message: Message): Delivery {
        return outbound.#deliver(this, message);
      }
    };
  }

  #deliver(stream: Stream, message: Message): Delivery {
    const { slot } = stream;
    if ((this.#connections.flags[slot]! & backpressured) !== 0) return this.#keep(stream, message);
    const delivery = this.#messages.push(message) - 1;
    this.#next[delivery] = 0;
    if (this.#first[slot] === 0) {
      this.#first[slot] = delivery;
      this.#dirty.push(stream);
    } else {
      this.#next[this.#last[slot]!] = delivery;
    }
    this.#last[slot] = delivery;
    if (delivery === 1) setImmediate(this.flushTurn);
    else if (delivery === turnDeliveriesMax) this.flushTurn();
    return 'sent';
  }

  /** Writes what this turn has brought; several messages for one stream go out in one write. */
  readonly flushTurn = (): void => {
    // Closing a slow consumer in here may end in another flush only through deliver, which appends.
    if (this.#flushing) return;
    this.#flushing = true;
    for (let i = 0; i < this.#dirty.length; i++) {
      const stream = this.#dirty[i]!;
      // It may have gone since, and its slot may be another stream's already.
      const gone = this.#connections.streams[stream.slot] !== stream;
      if (!gone && this.#first[stream.slot] !== 0) this.#flushStream(stream);
    }
    this.#dirty.length = 0;
    this.#messages.length = 1;
    this.#flushing = false;
  };

  #flushStream(stream: Stream): void {
    const { slot } = stream;
    this.#stream = stream;
    this.#delivery = this.#first[slot]!;
    this.#first[slot] = 0;
    this.#last[slot] = 0;
    this.#newlineOwed = false;
    this.#refused = false;
    this.#watchWritable(stream);
    this.#connections.heartbeatDue[slot] = this.#clock.heartbeatDue(slot);
    do stream.response.cork(this.#writeTurn);
    while ((this.#delivery !== 0 || this.#newlineOwed) && !this.#refused);
    if (this.#refused) this.#becomeBackpressured(stream);
  }

  readonly #writeTurn = (): void => {
    const stream = this.#stream;
    const { transport, response, slot } = stream;
    const { received } = this.#connections;
    let corked = 0;
    while (this.#delivery !== 0) {
      const message = this.#messages[this.#delivery]!;
      const chunk = transport.chunk(message, received[slot]! + 1, this.#newlineOwed);
      const size = chunk.length + chunkFramingBytes;
      if (corked > 0 && corked + size > corkBytesMax) return;
      corked += size;
      this.#delivery = this.#next[this.#delivery]!;
      received[slot]!++;
      this.#write(response, chunk, message);
      // A piece larger than the cork buffer has taken the cork away: what follows needs a new one.
      if (this.#refused || size > corkBytesMax) return;
    }
    this.#closeLine(response, corked);
  };

  /** One message's chunk; false from uWS means "buffered, and give me no more", never "not taken". */
  #write(response: HttpResponse, chunk: Uint8Array, message: Message): void {
    this.#newlineOwed = true;
    this.#refused = !response.write(chunk);
    this.#counters.messagesWritten++;
    this.#counters.messageBytesWritten += message.payload.length;
  }

  #closeLine(response: HttpResponse, corked: number): void {
    if (!this.#newlineOwed || corked + chunkFramingBytes > corkBytesMax) return;
    this.#newlineOwed = false;
    this.#refused = !response.write(newline);
  }

  /**
   * uWS has a timer for every failed write, and stops it only where an onWritable handler is attached:
   * without one, a stream that was full for a moment is cut 10 s later. A corked write fails silently, so
   * the handler must be there before the first message; idle streams do without (it costs about 80 bytes).
   */
  #watchWritable(stream: Stream): void {
    const { flags } = this.#connections;
    if ((flags[stream.slot]! & watchesWritable) !== 0) return;
    flags[stream.slot]! |= watchesWritable;
    stream.response.onWritable(this.#drain.bind(this, stream));
  }

  #becomeBackpressured(stream: Stream): void {
    const backlog = new Backlog(this.#newlineOwed, addressOf(stream.response));
    this.#connections.flags[stream.slot]! |= backpressured;
    this.#backlogs.set(stream.slot, backlog);
    while (this.#delivery !== 0) {
      const message = this.#messages[this.#delivery]!;
      this.#delivery = this.#next[this.#delivery]!;
      if (this.#keepIn(backlog, stream, message) === 'closed') return this.#loseRest();
    }
  }

  #loseRest(): void {
    for (; this.#delivery !== 0; this.#delivery = this.#next[this.#delivery]!) this.#counters.messagesLost++;
  }

  #keep(stream: Stream, message: Message): Delivery {
    const backlog = this.#backlogs.get(stream.slot)!;
    return this.#keepIn(backlog, stream, message) === 'kept' ? 'buffered' : 'dropped';
  }

  #keepIn(backlog: Backlog, stream: Stream, message: Message): 'kept' | 'dropped' | 'closed' {
    const bytes = pendingBytesOf(message);
    const { pendingBytesMax, pendingBytesTotalMax, slowConsumerPolicy } = this.#config;
    const overOwn = backlog.bytes + bytes > pendingBytesMax;
    const overTotal = this.#pendingBytesTotal + bytes > pendingBytesTotalMax;
    if (overOwn || overTotal) {
      const reason = overOwn ? 'slow-consumer' : 'slow-consumers-total';
      if (slowConsumerPolicy === 'disconnect') {
        this.#counters.messagesLost++;
        this.#close(stream, reason);
        return 'closed';
      }
      const fields = { ids: stream.logins, address: backlog.address, policy: slowConsumerPolicy };
      this.#log.warn(reason, fields, 'messages dropped');
      if (
        slowConsumerPolicy === 'drop-newest' ||
        !this.#makeRoom(backlog, bytes, pendingBytesMax, overTotal)
      ) {
        this.#counters.messagesLost++;
        backlog.noteLostAtTail();
        return 'dropped';
      }
    }
    backlog.push(message);
    this.#pendingBytesTotal += bytes;
    return 'kept';
  }

  /** Drops the oldest messages until `bytes` fit. @returns false when they cannot */
  #makeRoom(backlog: Backlog, bytes: number, max: number, overTotal: boolean): boolean {
    let needed = overTotal ? bytes : 0;
    while (backlog.bytes + bytes > max || needed > 0) {
      const freed = backlog.dropOldest();
      if (freed === 0) return false;
      needed -= freed;
      this.#pendingBytesTotal -= freed;
      this.#counters.messagesLost++;
    }
    return true;
  }

  /** The socket takes more: uWS's own buffer drains in a cork (even an empty one), then the backlog goes on. */
  #drain(stream: Stream): boolean {
    const backlog = this.#backlogs.get(stream.slot);
    if (backlog === undefined) {
      stream.response.cork(nothing);
      return true;
    }
    this.#stream = stream;
    this.#backlog = backlog;
    this.#newlineOwed = backlog.newlineOwed;
    this.#refused = false;
    do stream.response.cork(this.#writeBacklog);
    while ((!backlog.empty || this.#newlineOwed) && !this.#refused);
    backlog.newlineOwed = this.#newlineOwed;
    backlog.noteProgress();
    if (!this.#refused) this.#endBacklog(stream.slot);
    return true;
  }

  readonly #writeBacklog = (): void => {
    const backlog = this.#backlog;
    const { transport, response, slot } = this.#stream;
    const { received } = this.#connections;
    let corked = 0;
    for (let entry = backlog.peek(); entry !== undefined; entry = backlog.peek()) {
      const lost = typeof entry === 'number';
      const chunk = lost
        ? transport.lost(entry as number, this.#newlineOwed)
        : transport.chunk(entry as Message, received[slot]! + 1, this.#newlineOwed);
      const size = chunk.length + chunkFramingBytes;
      if (corked > 0 && corked + size > corkBytesMax) return;
      corked += size;
      this.#pendingBytesTotal -= backlog.shift();
      received[slot]! += lost ? (entry as number) : 1;
      if (lost) this.#writeNotice(response, chunk);
      else this.#write(response, chunk, entry as Message);
      if (this.#refused || size > corkBytesMax) return;
    }
    this.#closeLine(response, corked);
  };

  #writeNotice(response: HttpResponse, chunk: Uint8Array): void {
    this.#newlineOwed = true;
    this.#refused = !response.write(chunk);
  }

  #endBacklog(slot: number): void {
    const backlog = this.#backlogs.get(slot);
    if (backlog === undefined) return;
    this.#pendingBytesTotal -= backlog.bytes;
    this.#backlogs.delete(slot);
    this.#connections.flags[slot]! &= ~backpressured;
  }

  /** A newline on an idle stream. One that has a backlog needs no proof of life: it has bytes waiting. */
  heartbeat(stream: Stream): void {
    if ((this.#connections.flags[stream.slot]! & backpressured) !== 0) return;
    this.#stream = stream;
    stream.response.cork(this.#writeHeartbeat);
    this.#counters.heartbeats++;
  }

  readonly #writeHeartbeat = (): void => {
    this.#refused = !this.#stream.response.write(newline);
  };

  /**
   * True when all that was accepted for the stream is with the system, so that it may be ended and the process
   * may exit. A corked write does not say so; a newline more does.
   */
  drained(stream: Stream): boolean {
    if ((this.#connections.flags[stream.slot]! & backpressured) !== 0) return false;
    this.#delivery = 0;
    this.#stream = stream;
    this.#newlineOwed = false;
    this.#watchWritable(stream);
    stream.response.cork(this.#writeHeartbeat);
    if (this.#refused) this.#becomeBackpressured(stream);
    return !this.#refused;
  }

  /** Who a backpressured stream is, when its socket may be gone already. */
  backlogOf(slot: number): Backlog | undefined {
    return this.#backlogs.get(slot);
  }

  /** Forgets what was on its way to a stream that is gone. */
  release(slot: number): void {
    for (let delivery = this.#first[slot]!; delivery !== 0; delivery = this.#next[delivery]!) {
      this.#counters.messagesLost++;
    }
    this.#first[slot] = 0;
    this.#last[slot] = 0;
    const backlog = this.#backlogs.get(slot);
    if (backlog === undefined) return;
    this.#counters.messagesLost += backlog.messages;
    this.#endBacklog(slot);
  }
}

function nothing(): void {}

/** Text form of the peer's address. Only while the socket is open. */
export function addressOf(response: HttpResponse): string {
  return Buffer.from(response.getRemoteAddressAsText()).toString('latin1');
}
