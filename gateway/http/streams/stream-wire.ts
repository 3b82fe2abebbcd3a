import type { Message } from '../../../router/message.js';
import type { Clock } from '../../clock.js';
import { messageOf, type Source, type Wire } from '../../connection.js';
import { type Connections, newlineOwed, watchesWritable } from '../../connections.js';
import type { Counters } from '../../counters.js';
import type { Stream } from './stream.js';
import type { StreamCursors } from './stream-cursors.js';
import { newline, type Place } from './transport.js';

/**
 * uWS has one cork buffer of 16 KB, and writes past it in one cork corrupt the stream under backpressure (measured: 10 × 4 KB,
 * every run). So does one larger write, when the socket takes nothing of the chunk's head, which is in the cork: uWS 20.51
 * then forgets the body. So: at most 15 KB a cork, and a larger piece goes out as several chunks.
 */
const corkBytesMax = 15 * 1024;

/** `\r\n<up to 5 hex digits>\r\n` around each chunk. */
const chunkFramingBytes = 9;

const pieceBytesMax = corkBytesMax - chunkFramingBytes;

const nothingLeft: Source = { single: false, peek: () => undefined, take: () => {} };

/** How HTTP streams are written to: chunks, in corks. */
export class StreamWire implements Wire {
  readonly #connections: Connections;
  readonly #counters: Counters;
  readonly #clock: Clock;
  readonly #cursors: StreamCursors;
  /** One for all: what it says is read before the next message. */
  readonly #place = { count: 0, lead: false, cursor: undefined as string | undefined };

  /** Arguments of the cork callbacks: fields instead of closures, as a closure a write would be garbage. */
  #stream!: Stream;
  #source: Source = nothingLeft;
  #newlineOwed = false;
  #refused = false;
  #checkpoint: string | undefined = undefined;
  /** The rest of a piece larger than a cork. */
  #rest: Uint8Array | undefined = undefined;

  constructor(connections: Connections, counters: Counters, clock: Clock, cursors: StreamCursors) {
    this.#connections = connections;
    this.#counters = counters;
    this.#clock = clock;
    this.#cursors = cursors;
  }

  write(stream: Stream, source: Source): boolean {
    const { flags, due } = this.#connections;
    const { slot } = stream;
    this.#stream = stream;
    this.#source = source;
    this.#newlineOwed = (flags[slot]! & newlineOwed) !== 0;
    this.#refused = false;
    this.#watchWritable(stream);
    due[slot] = this.#clock.heartbeatDueAfter(due[slot]!, slot);
    do {
      stream.response.cork(this.#writeSome);
      while (this.#rest !== undefined) stream.response.cork(this.#writeRest);
    } while ((this.#newlineOwed || source.peek() !== undefined) && !this.#refused);
    if (this.#newlineOwed) flags[slot]! |= newlineOwed;
    else flags[slot]! &= ~newlineOwed;
    return !this.#refused;
  }

  readonly #writeSome = (): void => {
    const source = this.#source;
    const { transport, response, slot } = this.#stream;
    const { received } = this.#connections;
    let corked = 0;
    for (let next = source.peek(); next !== undefined; next = source.peek()) {
      const lost = typeof next === 'number' ? next : 0;
      const message = typeof next === 'number' ? undefined : messageOf(next)!;
      const chunk =
        message === undefined
          ? transport.lost(lost, this.#newlineOwed)
          : transport.chunk(message, this.#placeOf(slot, message));
      const size = chunk.length + chunkFramingBytes;
      if (corked > 0 && corked + size > corkBytesMax) return;
      corked += size;
      source.take();
      // Lost messages count too: the page's numbers skip as many as are missing.
      if (transport.checkpoint === undefined) received[slot]! += message === undefined ? lost : 1;
      this.#newlineOwed = true;
      // False from uWS means "buffered, and give me no more", never "not taken".
      if (message !== undefined) this.#count(message);
      if (size > corkBytesMax) {
        this.#rest = chunk;
        return;
      }
      this.#refused = !response.write(chunk);
      if (this.#refused) return;
    }
    if (!this.#newlineOwed || corked + chunkFramingBytes > corkBytesMax) return;
    this.#newlineOwed = false;
    this.#refused = !response.write(newline);
  };

  /** To its end, whatever uWS says: it buffers, and half a piece would have to be remembered. */
  readonly #writeRest = (): void => {
    const rest = this.#rest!;
    this.#rest = rest.length <= pieceBytesMax ? undefined : rest.subarray(pieceBytesMax);
    if (!this.#stream.response.write(rest.subarray(0, pieceBytesMax))) this.#refused = true;
  };

  #placeOf(slot: number, message: Message): Place {
    const place = this.#place;
    place.count = this.#connections.received[slot]! + 1;
    place.lead = this.#newlineOwed;
    place.cursor =
      this.#stream.transport.checkpoint === undefined
        ? undefined
        : this.#cursors.behind(this.#stream, message);
    return place;
  }

  #count(message: Message): void {
    this.#counters.messagesWritten++;
    this.#counters.messageBytesWritten += message.payload.length;
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

  /**
   * A sign of life on an idle stream. One that has a backlog needs no proof of life: it has bytes waiting.
   * @param cursor to be told with it; undefined: the stream knows where it stands
   */
  heartbeat(stream: Stream, cursor: string | undefined): void {
    this.#stream = stream;
    this.#checkpoint = cursor;
    stream.response.cork(this.#writeHeartbeat);
    this.#counters.heartbeats++;
  }

  /** uWS closes 8 to 12 s after a write that was not taken whole; one more such write, of nothing, and it counts anew. */
  keepAlive(stream: Stream): void {
    stream.response.cork(nothing);
  }

  /** Writes a heartbeat to learn whether the system has taken everything, which a corked write does not say. */
  pushThrough(stream: Stream): boolean {
    this.#stream = stream;
    this.#watchWritable(stream);
    stream.response.cork(this.#writeSignOfLife);
    return !this.#refused;
  }

  readonly #writeHeartbeat = (): void => {
    const { transport, response } = this.#stream;
    const cursor = this.#checkpoint;
    response.write(cursor === undefined ? transport.heartbeat : transport.checkpoint!(cursor));
  };

  readonly #writeSignOfLife = (): void => {
    const { transport, response } = this.#stream;
    this.#refused = !response.write(transport.heartbeat);
  };
}

function nothing(): void {}
