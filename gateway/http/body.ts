import type { HttpResponse } from 'uWebSockets.js';
import { tickMs } from '../clock.js';
import { answerText, type Headers } from './answer.js';
import { chunkDiscarded, chunksEnded } from './chunked-body.js';

export type BodyProblem = '408 Request Timeout' | '413 Content Too Large' | '503 Service Unavailable';

const problemText: Record<BodyProblem, string> = {
  '408 Request Timeout': 'The rest of the body did not come in time.',
  '413 Content Too Large': 'The body is larger than this server takes',
  '503 Service Unavailable': 'Too many bodies are under way: try again.',
};

/** The speed that uWS demands of a body: it cuts the connection of a slower one without a word after 8 to 12 s. */
const throughputBytesPerSec = 16 * 1024;

/** A body that is being read, from its request to its last byte. */
interface Reading {
  readonly response: HttpResponse;
  /** Headers that each answer needs, also one that refuses: a page cannot read an answer without its CORS headers. */
  readonly headers: Headers;
  /** Grows by doubling: a chunk may be a single byte, and an object for each would weigh a hundred times as much. */
  partial: Buffer | undefined;
  bytes: number;
  discardedBytes: number;
  /** The body has come whole, or has been answered, or has been given up. */
  done: boolean;
  deadlineTick: number;
  /** When so many bytes have come, the deadline moves. */
  deadlineBytes: number;
}

/**
 * Reads request bodies, with a limit for each, a limit for all, and a deadline that the sweeper keeps. Each problem is
 * answered here, so that the caller gets the body whole or not at all.
 */
export class Bodies {
  readonly #timeoutTicks: number;
  readonly #throughputBytes: number;
  readonly #partialBytesTotalMax: number;
  readonly #onProblem: (status: string) => void;
  /** The body that began last. Nearly all are done before the next one begins, and are then in no list at all. */
  #latest: Reading | undefined = undefined;
  /** Bodies that began since the last tick and were not done at once. */
  #fresh: Reading[] = [];
  readonly #slow = new Set<Reading>();
  #partialBytes = 0;
  #tick = 0;

  /** @param partialBytesTotalMax all bodies that are only partly here, together; a publisher past it is told 503 */
  constructor(timeoutSec: number, partialBytesTotalMax: number, onProblem: (status: string) => void) {
    this.#partialBytesTotalMax = partialBytesTotalMax;
    this.#timeoutTicks = (timeoutSec * 1000) / tickMs;
    this.#throughputBytes = throughputBytesPerSec * timeoutSec;
    this.#onProblem = onProblem;
  }

  /**
   * Call in the route handler. `onBody` runs inside the cork, with bytes that are its own.
   * @param headers for the answer when there is a problem
   * @param bytesMax past it: 413
   */
  read(response: HttpResponse, headers: Headers, bytesMax: number, onBody: (body: Buffer) => void): void {
    const reading = this.#begin(response, headers);
    response.onData((data, last) => {
      if (reading.done) return this.#discard(reading, data.byteLength, last);
      if (reading.bytes + data.byteLength > bytesMax) {
        this.#answerProblem(reading, '413 Content Too Large', `: ${bytesMax} bytes.`);
        return;
      }
      // uWS takes the memory back on return, so the bytes are copied.
      const chunk = new Uint8Array(data);
      if (last && reading.partial === undefined) return this.#finish(reading, Buffer.from(chunk), onBody);
      if (!this.#keep(reading, chunk, bytesMax)) return;
      if (last) this.#finish(reading, reading.partial!.subarray(0, reading.bytes), onBody);
    });
  }

  /** The body has come whole. One in chunks counts only when no bytes stand behind its last chunk. */
  #finish(reading: Reading, body: Buffer, onBody: (body: Buffer) => void): void {
    this.#end(reading);
    const { response } = reading;
    if (response.awaitsChunks === true) chunksEnded(response, () => onBody(body));
    else onBody(body);
  }

  /** Throws away more of a body that is refused already. */
  #discard(reading: Reading, bytes: number, last: boolean): void {
    reading.discardedBytes += bytes;
    chunkDiscarded(reading.response, reading.discardedBytes, last);
  }

  /** Answers the requests whose bodies have stalled. Called in each tick of the sweeper. */
  expire(): void {
    this.#tick++;
    this.#keepLatest();
    for (const reading of this.#fresh) if (!reading.done) this.#watch(reading);
    this.#fresh = [];
    for (const reading of this.#slow) {
      if (reading.deadlineTick > this.#tick) continue;
      const { response } = reading;
      response.awaitsChunks = false; // there is nothing more to wait for
      response.cork(() => this.#answerProblem(reading, '408 Request Timeout'));
    }
  }

  #begin(response: HttpResponse, headers: Headers): Reading {
    const reading: Reading = {
      response,
      headers,
      partial: undefined,
      bytes: 0,
      discardedBytes: 0,
      done: false,
      deadlineTick: this.#tick + this.#timeoutTicks,
      deadlineBytes: this.#throughputBytes,
    };
    this.#keepLatest();
    this.#latest = reading;
    return reading;
  }

  /**
   * A list of all bodies would keep them beyond a garbage collection, which costs more than all else in reading a body.
   */
  #keepLatest(): void {
    if (this.#latest?.done === false) this.#fresh.push(this.#latest);
    this.#latest = undefined;
  }

  /**
   * From here on the reading hears when its publisher goes. Not from the start: nearly all bodies come with their head,
   * and the handler would be a tenth of the cost of reading one.
   */
  #watch(reading: Reading): void {
    try {
      reading.response.onAborted(() => this.#end(reading));
      this.#slow.add(reading);
    } catch {
      this.#end(reading); // gone within the tick, before its first byte: uWS throws at whoever touches it
    }
  }

  /** @returns false when too many bytes are under way; that is answered already */
  #keep(reading: Reading, chunk: Uint8Array, bytesMax: number): boolean {
    if (this.#partialBytes + chunk.length > this.#partialBytesTotalMax) {
      this.#answerProblem(reading, '503 Service Unavailable');
      return false;
    }
    const bytes = reading.bytes + chunk.length;
    if (reading.partial === undefined) this.#watch(reading);
    if (reading.partial === undefined || reading.partial.length < bytes) {
      const grown = Buffer.allocUnsafe(Math.min(bytesMax, Math.max(4096, bytes * 2)));
      reading.partial?.copy(grown);
      reading.partial = grown;
    }
    reading.partial.set(chunk, reading.bytes);
    reading.bytes = bytes;
    this.#partialBytes += chunk.length;
    if (bytes >= reading.deadlineBytes) {
      reading.deadlineTick = this.#tick + this.#timeoutTicks;
      reading.deadlineBytes = bytes + this.#throughputBytes;
    }
    return true;
  }

  #end(reading: Reading): void {
    if (reading.done) return;
    reading.done = true;
    reading.partial = undefined;
    this.#partialBytes -= reading.bytes;
    this.#slow.delete(reading);
  }

  /**
   * After 408 the connection ends, as nothing more is to be expected. After the others the rest of the body is
   * read and thrown away: closing while it comes in would make TCP drop the answer.
   */
  #answerProblem(reading: Reading, status: BodyProblem, detail = ''): void {
    this.#end(reading);
    this.#onProblem(status);
    const text = `${problemText[status]}${detail}`;
    answerText(reading.response, status, text, reading.headers, status.startsWith('408'));
  }
}
