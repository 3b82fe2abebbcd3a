import type { History } from '../../../router/history/history.js';
import { type Connections, catchingUp } from '../../connections.js';
import type { Outbound } from '../../outbound.js';
import type { Stream } from './stream.js';

/** The page of history that one stream gets in one turn of the loop: a write that a socket's buffer takes. */
export const pageMessagesMax = 100;
export const pageBytesMax = 64 * 1024;

/**
 * Streams that have more to catch up with than one write: they read on in their history at the pace of their socket.
 * Meanwhile what is sent to them is not kept for them, as it is in the history already; so there is neither a gap nor
 * a double where the two meet, and nothing that a slow reader could grow.
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

  /** @param offsets behind what the stream has got, of each id */
  begin(stream: Stream, ids: readonly string[], offsets: readonly number[]): void {
    this.#connections.flags[stream.slot]! |= catchingUp;
    // Of the other ids nothing is recovered, ever; and what is sent to them is not held back.
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

  /** The socket takes more. */
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

  /** History from outside of this process is held here for a while only, and a slow reader may take longer. */
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
    if (this.#outbound.isBackpressured(stream)) return; // goes on when it drains
    const page = this.#history.resume(
      ids,
      { epoch: this.#history.epoch, offsets },
      pageMessagesMax,
      pageBytesMax,
    );
    // It was slower than the history is long. Cut, it comes back with its cursor and is told so.
    if (!page.recovered) return stream.cut('slow-consumer');
    catchUp.offsets = page.offsets;
    for (const message of page.messages) {
      this.#outbound.deliver(stream, message);
      // A turn that is full is written at once, and may cut it: its slot is the next one's.
      if (!this.#connections.has(stream)) return;
    }
    // Scheduled behind the write of this page, so that the next step knows what became of it.
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
