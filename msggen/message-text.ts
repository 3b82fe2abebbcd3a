/** The text of each message, plain or stamped, padded to the asked size. Owns the seq of each id. */
import { formatStamp, newPublisher, nowUs, wallUs } from './stamp.js';

export interface MessageTextOptions {
  maxId: number;
  sizeBytes: number;
  stamp: boolean;
  /** Time from now until the beginning that the stamps announce. */
  beginsInMs?: number;
}

export class MessageText {
  readonly publisher: string | undefined;
  readonly #sizeBytes: number;
  readonly #padding: string;
  readonly #seqs: Uint32Array | undefined;

  constructor(options: MessageTextOptions) {
    this.#sizeBytes = options.sizeBytes;
    this.#padding = 'x'.repeat(options.sizeBytes);
    if (options.stamp) {
      this.publisher = newPublisher(nowUs() + (options.beginsInMs ?? 0) * 1000);
      this.#seqs = new Uint32Array(options.maxId + 1);
    }
  }

  /**
   * Only printable ASCII that neither JSON nor HTML escapes.
   * @param dueMs deadline of the message, on the clock of performance.now()
   */
  text(id: number, number: number, dueMs: number): string {
    const start = this.#seqs === undefined ? `message ${number + 1} ` : this.#stamp(id, this.#seqs, dueMs);
    return start.length < this.#sizeBytes ? start + this.#padding.slice(start.length) : start;
  }

  #stamp(id: number, seqs: Uint32Array, dueMs: number): string {
    const seq = seqs[id]! + 1;
    seqs[id] = seq;
    return formatStamp(this.publisher!, seq, wallUs(dueMs));
  }
}
