import type { Message } from '../../../router/message.js';
import type { Clock } from '../../clock.js';
import type { ToldReason } from '../../close-reason.js';
import { messageOf, type Source, type Wire } from '../../connection.js';
import { type Connections, newlineOwed, watchesWritable } from '../../connections.js';
import type { Counters } from '../../counters.js';
import type { Written } from '../../written.js';
import type { Stream } from './stream.js';
import type { StreamCursors } from './stream-cursors.js';
import { newline, type RecipientParts, type Transport } from './transport.js';

/**
 * uWS has one cork buffer of 16 KB. Writes past it in one cork corrupt the stream under backpressure (measured with 10
 * × 4 KB, every run). So does one larger write when the socket takes nothing of the chunk's head in the cork: uWS 20.51
 * then forgets the body. So a cork has at most 15 KB, and a larger piece is several chunks.
 */
const corkBytesMax = 15 * 1024;

/** `\r\n<up to 5 hex digits>\r\n` around each chunk. */
const chunkFramingBytes = 9;

const pieceBytesMax = corkBytesMax - chunkFramingBytes;

const nothingLeft: Source = { single: false, peek: () => undefined, take: () => {} };

/** Writes to HTTP streams: chunks, in corks. */
export class StreamWire implements Wire {
  readonly #connections: Connections;
  readonly #counters: Counters;
  readonly #clock: Clock;
  readonly #cursors: StreamCursors;
  /** One object for all: it is read before the next message. */
  readonly #place = { count: 0, lead: false, cursor: undefined as string | undefined };

  /** Arguments of the cork callbacks: fields instead of a closure for each write. */
  #stream!: Stream;
  #source: Source = nothingLeft;
  #newlineOwed = false;
  #refused = false;
  #checkpoint: string | undefined = undefined;
  /** The piece to write, where it is no message. */
  #told = '';
  /** The rest of a piece larger than a cork. */
  #rest: Uint8Array | undefined = undefined;

  constructor(connections: Connections, counters: Counters, clock: Clock, cursors: StreamCursors) {
    this.#connections = connections;
    this.#counters = counters;
    this.#clock = clock;
    this.#cursors = cursors;
  }

  /** Counts what is written to all streams of a transport. */
  writtenOf({ name }: Transport): Written {
    return this.#counters.written[name];
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
      // Lost messages count too: the numbers of the page skip them.
      if (transport.checkpoint === undefined) received[slot]! += message === undefined ? lost : 1;
      this.#newlineOwed = true;
      // False from uWS means "buffered, and send no more", never "not taken".
      if (message !== undefined) this.#stream.written.count(message.payload.length);
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

  /** Writes a large piece to its end, even under backpressure: uWS buffers it, and no partial piece must be kept. */
  readonly #writeRest = (): void => {
    const rest = this.#rest!;
    this.#rest = rest.length <= pieceBytesMax ? undefined : rest.subarray(pieceBytesMax);
    if (!this.#stream.response.write(rest.subarray(0, pieceBytesMax))) this.#refused = true;
  };

  #placeOf(slot: number, message: Message): RecipientParts {
    const place = this.#place;
    place.count = this.#connections.received[slot]! + 1;
    place.lead = this.#newlineOwed;
    place.cursor =
      this.#stream.transport.checkpoint === undefined
        ? undefined
        : this.#cursors.behind(this.#stream, message);
    return place;
  }

  /**
   * uWS starts a timer at every failed write, and stops it only if an onWritable handler is attached. Without one, a
   * stream that was full for a moment is cut 10 s later. A corked write fails silently, so the handler must be attached
   * before the first message. Idle streams do without it (100 to 170 bytes).
   */
  #watchWritable(stream: Stream): void {
    const { flags } = this.#connections;
    if ((flags[stream.slot]! & watchesWritable) !== 0) return;
    flags[stream.slot]! |= watchesWritable;
    stream.response.onWritable(stream.onEvent);
  }

  /**
   * Writes a heartbeat on an idle stream. A stream with a backlog needs none.
   * @param cursor a newer cursor to send; undefined if it has not changed
   */
  heartbeat(stream: Stream, cursor: string | undefined): void {
    this.#stream = stream;
    this.#checkpoint = cursor;
    stream.response.cork(this.#writeHeartbeat);
    this.#counters.heartbeats++;
  }

  /** Writes a complete piece that is no message. Not while the stream has a backlog. */
  tell(stream: Stream, text: string): void {
    this.#stream = stream;
    this.#told = text;
    stream.response.cork(this.#writeTold);
  }

  /** Ends the body as HTTP wants it, so that the client sees a complete response. @param reason to be told; or none */
  end(stream: Stream, reason: ToldReason | undefined): void {
    this.#stream = stream;
    const owed = (this.#connections.flags[stream.slot]! & newlineOwed) !== 0;
    this.#told = reason === undefined ? '' : stream.transport.closing(reason, owed);
    stream.response.cork(this.#writeEnd);
  }

  /** uWS closes 8 to 12 s after an incomplete write. An empty write restarts that time. */
  keepAlive(stream: Stream): void {
    stream.response.cork(nothing);
  }

  /** Writes a heartbeat to learn whether the system has taken everything, which a corked write does not tell. */
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

  readonly #writeTold = (): void => {
    this.#stream.response.write(this.#told);
  };

  readonly #writeEnd = (): void => {
    const { response } = this.#stream;
    if (this.#told !== '') response.write(this.#told);
    response.end();
  };

  readonly #writeSignOfLife = (): void => {
    const { transport, response } = this.#stream;
    this.#refused = !response.write(transport.heartbeat);
  };
}

function nothing(): void {}
