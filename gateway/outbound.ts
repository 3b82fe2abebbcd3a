import type { HttpResponse } from 'uWebSockets.js';
import type { Message } from '../router/message.js';
import type { Delivery } from '../router/subscriber.js';
import { Backlog } from './backlog.js';
import type { Clock } from './clock.js';
import { backpressured, type Connections, Stream, watchesWritable } from './connections.js';
import type { Counters } from './counters.js';
import type { Transport } from './http/transport.js';
import type { SlowConsumers } from './slow-consumers.js';
import { Turn, turnDeliveriesMax } from './turn.js';

/**
 * uWS has one cork buffer of 16 KB, and several small writes past it in one cork corrupt the stream under
 * backpressure (measured: 10 × 4 KB, every run). So: at most 15 KB a cork, or one write for a bigger piece.
 */
const corkBytesMax = 15 * 1024;

/** `\r\n<up to 5 hex digits>\r\n` around each chunk. */
const chunkFramingBytes = 9;

/**
 * A chunk's closing CRLF leaves with the next chunk, and some clients (Python's urllib3) show a chunk only
 * when they have seen it. So the newline after the last piece is a chunk of its own, in the same cork.
 */
const newline = new Uint8Array([0x0a]);

/**
 * The one write path to streams; step 7 of the way of a message.
 *
 *     deliver --> turn     at its end: one cork, one write a stream
 *        |          |
 *        |          v  write() said false
 *        +-----> slow consumers: a backlog ------> onWritable: on from there
 *      backpressured    |
 *                       +-- past its limit: the policy
 */
export class Outbound {
  readonly #connections: Connections;
  readonly #counters: Counters;
  readonly #clock: Clock;
  readonly #slow: SlowConsumers;
  readonly #turn: Turn;
  #flushing = false;

  /** What the cork callbacks work on: fields instead of closures, as a closure a write would be garbage. */
  #stream!: Stream;
  #delivery = 0;
  #backlog!: Backlog;
  #newlineOwed = false;
  #refused = false;

  constructor(connections: Connections, counters: Counters, clock: Clock, slow: SlowConsumers) {
    this.#connections = connections;
    this.#counters = counters;
    this.#clock = clock;
    this.#slow = slow;
    this.#turn = new Turn(connections.capacity);
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
    if ((this.#connections.flags[stream.slot]! & backpressured) !== 0) {
      return this.#slow.keep(stream, message) === 'kept' ? 'buffered' : 'dropped';
    }
    const deliveries = this.#turn.add(stream, message);
    if (deliveries === 1) setImmediate(this.flushTurn);
    else if (deliveries === turnDeliveriesMax) this.flushTurn();
    return 'sent';
  }

  /** Writes what this turn has brought; several messages for one stream go out in one write. */
  readonly flushTurn = (): void => {
    // A deliver in here, as a stream is closed, only appends.
    if (this.#flushing) return;
    this.#flushing = true;
    const { dirty } = this.#turn;
    for (let i = 0; i < dirty.length; i++) {
      const stream = dirty[i]!;
      // It may have gone since, and its slot may be another stream's already.
      if (this.#connections.streams[stream.slot] === stream) this.#flushStream(stream);
    }
    this.#turn.clear();
    this.#flushing = false;
  };

  #flushStream(stream: Stream): void {
    this.#delivery = this.#turn.take(stream.slot);
    if (this.#delivery === 0) return;
    this.#stream = stream;
    this.#newlineOwed = false;
    this.#refused = false;
    this.#watchWritable(stream);
    this.#connections.heartbeatDue[stream.slot] = this.#clock.heartbeatDue(stream.slot);
    do stream.response.cork(this.#writeTurn);
    while ((this.#delivery !== 0 || this.#newlineOwed) && !this.#refused);
    if (this.#refused) this.#becomeBackpressured(stream);
  }

  readonly #writeTurn = (): void => {
    const { transport, response, slot } = this.#stream;
    const { received } = this.#connections;
    let corked = 0;
    while (this.#delivery !== 0) {
      const message = this.#turn.message(this.#delivery);
      const chunk = transport.chunk(message, received[slot]! + 1, this.#newlineOwed);
      const size = chunk.length + chunkFramingBytes;
      if (corked > 0 && corked + size > corkBytesMax) return;
      corked += size;
      this.#delivery = this.#turn.next(this.#delivery);
      received[slot]!++;
      this.#writeMessage(response, chunk, message);
      // A piece larger than the cork buffer has taken the cork away: what follows needs a new one.
      if (this.#refused || size > corkBytesMax) return;
    }
    this.#closeLine(response, corked);
  };

  #writeMessage(response: HttpResponse, chunk: Uint8Array, message: Message): void {
    this.#writePiece(response, chunk);
    this.#counters.messagesWritten++;
    this.#counters.messageBytesWritten += message.payload.length;
  }

  /** False from uWS means "buffered, and give me no more", never "not taken". */
  #writePiece(response: HttpResponse, chunk: Uint8Array): void {
    this.#newlineOwed = true;
    this.#refused = !response.write(chunk);
  }

  #closeLine(response: HttpResponse, corked: number): void {
    if (!this.#newlineOwed || corked + chunkFramingBytes > corkBytesMax) return;
    this.#newlineOwed = false;
    this.#refused = !response.write(newline);
  }

  /**
   * uWS has a timer for every failed write, and stops it only where an onWritable handler is attached:
   * without one, a stream that was full for a moment is cut 10 s later. A corked write fails silently, so
   * the handler must be there before the first message; idle streams do without (it costs 100 to 170 bytes).
   */
  #watchWritable(stream: Stream): void {
    const { flags } = this.#connections;
    if ((flags[stream.slot]! & watchesWritable) !== 0) return;
    flags[stream.slot]! |= watchesWritable;
    stream.response.onWritable(stream.onEvent);
  }

  #becomeBackpressured(stream: Stream): void {
    this.#slow.begin(stream, new Backlog(this.#newlineOwed, addressOf(stream.response)));
    while (this.#delivery !== 0) {
      const message = this.#turn.message(this.#delivery);
      this.#delivery = this.#turn.next(this.#delivery);
      if (this.#slow.keep(stream, message) !== 'closed') continue;
      this.#counters.lose('stream-ended', this.#turn.countFrom(this.#delivery));
      return;
    }
  }

  /** uWS says the socket takes more: its own buffer drains in a cork (even an empty one), then the backlog goes on. */
  drain(stream: Stream): void {
    const backlog = this.#slow.backlogOf(stream.slot);
    if (backlog === undefined) {
      stream.response.cork(nothing);
      return;
    }
    this.#stream = stream;
    this.#backlog = backlog;
    this.#newlineOwed = backlog.newlineOwed;
    this.#refused = false;
    do stream.response.cork(this.#writeBacklog);
    while ((!backlog.empty || this.#newlineOwed) && !this.#refused);
    backlog.newlineOwed = this.#newlineOwed;
    backlog.noteProgress();
    if (!this.#refused) this.#slow.end(stream.slot);
  }

  readonly #writeBacklog = (): void => {
    const backlog = this.#backlog;
    const { transport, response, slot } = this.#stream;
    const { received } = this.#connections;
    let corked = 0;
    for (let entry = backlog.peek(); entry !== undefined; entry = backlog.peek()) {
      const chunk =
        typeof entry === 'number'
          ? transport.lost(entry, this.#newlineOwed)
          : transport.chunk(entry, received[slot]! + 1, this.#newlineOwed);
      const size = chunk.length + chunkFramingBytes;
      if (corked > 0 && corked + size > corkBytesMax) return;
      corked += size;
      this.#slow.shift(backlog);
      // What was lost counts too: the page's numbers skip as many as are missing.
      received[slot]! += typeof entry === 'number' ? entry : 1;
      if (typeof entry === 'number') this.#writePiece(response, chunk);
      else this.#writeMessage(response, chunk, entry);
      if (this.#refused || size > corkBytesMax) return;
    }
    this.#closeLine(response, corked);
  };

  /** A newline on an idle stream. One that has a backlog needs no proof of life: it has bytes waiting. */
  heartbeat(stream: Stream): void {
    if ((this.#connections.flags[stream.slot]! & backpressured) !== 0) return;
    this.#stream = stream;
    stream.response.cork(this.#writeNewline);
    this.#counters.heartbeats++;
  }

  /**
   * Writes a newline to learn whether all that was accepted for the stream is with the system, which a corked
   * write does not say. @returns true when the stream may be ended and the process may exit
   */
  pushThrough(stream: Stream): boolean {
    if ((this.#connections.flags[stream.slot]! & backpressured) !== 0) return false;
    this.#stream = stream;
    this.#delivery = 0;
    this.#newlineOwed = false;
    this.#watchWritable(stream);
    stream.response.cork(this.#writeNewline);
    if (this.#refused) this.#becomeBackpressured(stream);
    return !this.#refused;
  }

  readonly #writeNewline = (): void => {
    this.#refused = !this.#stream.response.write(newline);
  };

  /** Forgets what was on its way to a stream that is gone. */
  release(slot: number): void {
    this.#counters.lose('stream-ended', this.#turn.countFrom(this.#turn.take(slot)));
    this.#slow.end(slot);
  }
}

function nothing(): void {}

/** Text form of the peer's address. Only while the socket is open. */
export function addressOf(response: HttpResponse): string {
  return Buffer.from(response.getRemoteAddressAsText()).toString('latin1');
}
