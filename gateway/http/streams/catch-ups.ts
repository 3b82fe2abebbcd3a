import type { History } from '../../../router/history/history.js';
import { type Connections, catchingUp } from '../../connections.js';
import type { Outbound } from '../../outbound.js';
import type { Stream } from './stream.js';

/** Bytes of history for one stream in one turn of the loop: a write that fits into a socket's buffer. */
export const pageMessagesMax = 100;
export const pageBytesMax = 64 * 1024;

/**
 * Streams that miss more than one write: they read their history at the pace of their socket. Meanwhile new messages
 * are not kept for them, because history has them. So there is neither a gap nor a duplicate, and a slow reader can
 * grow nothing.
 */
export class CatchUps {
  readonly #history: History;
  readonly #connections: Connections;
  readonly #outbound: Outbound;
  readonly #bySlot = new Map<number, CatchUp>();

  constructor(history: History, connections: Connections, outbound: Outbound) {
    this.#history = history;
    this.#connections = connections;
    this.#outbound = outbound;
  }

  /** Streams that are catching up, now. */
  get count(): number {
    return this.#bySlot.size;
  }

  /** @param offsets of the last message that the stream got, for each id */
  begin(stream: Stream, ids: readonly string[], offsets: readonly number[]): void {
    this.#connections.flags[stream.slot]! |= catchingUp;
    // Ids without history are never recovered, and their messages are not held back.
    const kept = ids.map((id) => this.#history.keeps(id));
    const catchUp = {
      stream,
      ids: ids.filter((_, index) => kept[index]),
      offsets: offsets.filter((_, index) => kept[index]),
      scheduled: false,
    };
    this.#bySlot.set(stream.slot, catchUp);
    this.#schedule(catchUp);
  }

  /** The socket takes more: continues the catch-up. */
  goOn(slot: number): void {
    const catchUp = this.#bySlot.get(slot);
    if (catchUp !== undefined && !catchUp.scheduled) this.#schedule(catchUp);
  }

  release(slot: number): void {
    this.#bySlot.delete(slot);
  }

  #schedule(catchUp: CatchUp): void {
    catchUp.scheduled = true;
    setImmediate(() => {
      catchUp.scheduled = false;
      if (this.#connections.has(catchUp.stream)) this.#prepareStep(catchUp);
    });
  }

  /** History of Redis is loaded for a while only, and a slow reader may take longer. */
  #prepareStep(catchUp: CatchUp): void {
    const { stream, ids, offsets } = catchUp;
    catchUp.scheduled = true;
    this.#history.prepare(ids, { epoch: this.#history.epoch, offsets }, () => {
      catchUp.scheduled = false;
      if (this.#bySlot.get(stream.slot) === catchUp) this.#step(catchUp);
    });
  }

  #step(catchUp: CatchUp): void {
    const { stream, ids, offsets } = catchUp;
    if (this.#outbound.isBackpressured(stream)) return; // continues when the socket drains
    const page = this.#history.resume(
      ids,
      { epoch: this.#history.epoch, offsets },
      pageMessagesMax,
      pageBytesMax,
    );
    // The reader was slower than the history is long. The stream is cut, reconnects with its cursor, and is told.
    if (!page.recovered) return stream.cut('slow-consumer');
    catchUp.offsets = page.offsets;
    for (const message of page.messages) {
      this.#outbound.deliver(stream, message);
      // A full turn is written at once, and may cut the stream, whose slot another stream then has.
      if (!this.#connections.has(stream)) return;
    }
    // Scheduled after the write of this page, so that the next step knows its result.
    if (page.more) return this.#schedule(catchUp);
    this.#bySlot.delete(stream.slot);
    this.#connections.flags[stream.slot]! &= ~catchingUp;
  }
}

interface CatchUp {
  readonly stream: Stream;
  readonly ids: readonly string[];
  offsets: readonly number[];
  scheduled: boolean;
}
