/**
 * The text of each message and where it is posted: plain or stamped, padded to the asked size; one message a request
 * or a batch of them as NDJSON. Owns the seq of each id.
 */
import { formatStamp, newPublisher, nowUs } from './stamp.js';

export interface MessageTextOptions {
  idPrefix: string;
  maxId: number;
  sizeBytes: number;
  stamp: boolean;
}

export class MessageText {
  readonly publisher: string | undefined;
  readonly #sizeBytes: number;
  readonly #padding: string;
  readonly #path: string;
  readonly #lineStart: string;
  readonly #seqs: Uint32Array | undefined;

  constructor(options: MessageTextOptions) {
    this.#sizeBytes = options.sizeBytes;
    this.#padding = 'x'.repeat(options.sizeBytes);
    this.#path = `/send/${options.idPrefix.split('/').map(encodeURIComponent).join('/')}`;
    this.#lineStart = `{"id":${JSON.stringify(options.idPrefix).slice(0, -1)}`;
    if (options.stamp) {
      this.publisher = newPublisher(nowUs());
      this.#seqs = new Uint32Array(options.maxId + 1);
    }
  }

  /** Only printable ASCII that neither JSON nor HTML escapes. */
  text(id: number, number: number): string {
    const start = this.#seqs === undefined ? `message ${number + 1} ` : this.#stamp(id, this.#seqs);
    return start.length < this.#sizeBytes ? start + this.#padding.slice(start.length) : start;
  }

  path(id: number): string {
    return this.#path + id;
  }

  line(id: number, number: number): string {
    return `${this.#lineStart}${id}","data":"${this.text(id, number)}"}\n`;
  }

  #stamp(id: number, seqs: Uint32Array): string {
    const seq = seqs[id]! + 1;
    seqs[id] = seq;
    return formatStamp(this.publisher!, seq, nowUs());
  }
}
