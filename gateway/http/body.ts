import type { HttpResponse } from 'uWebSockets.js';
import { tickMs } from '../clock.js';
import { answerText, type Headers } from './answer.js';

/** All request bodies that are only partly here, together; a publisher past it is told 503. */
const partialBytesTotalMax = 64 * 1024 * 1024;

export type BodyProblem = '408 Request Timeout' | '413 Content Too Large' | '503 Service Unavailable';

const problemText: Record<BodyProblem, string> = {
  '408 Request Timeout': 'The rest of the body did not come in time.',
  '413 Content Too Large': 'The body is larger than this server takes',
  '503 Service Unavailable': 'Too many bodies are under way: try again.',
};

/** A body of which the end has not come. Exists only while it is incomplete. */
interface PartialBody {
  readonly response: HttpResponse;
  /** What an answer needs, good or bad: without its CORS headers a page cannot read it. */
  readonly headers: Headers;
  readonly chunks: Buffer[];
  bytes: number;
  deadlineTick: number;
}

/**
 * Reads request bodies: with a limit each and in all, and a deadline that the sweeper keeps. Whatever goes
 * wrong is answered here, so that whoever asked for the body gets it whole or not at all.
 */
export class Bodies {
  readonly #timeoutTicks: number;
  readonly #onProblem: (status: string) => void;
  readonly #partial = new Set<PartialBody>();
  #partialBytes = 0;
  #tick = 0;

  constructor(timeoutSec: number, onProblem: (status: string) => void) {
    this.#timeoutTicks = (timeoutSec * 1000) / tickMs;
    this.#onProblem = onProblem;
  }

  /** Bodies of which the end has not come, now. */
  get underWay(): number {
    return this.#partial.size;
  }

  /**
   * Call in the route handler. `onBody` runs inside the cork, with bytes that are its own.
   * @param headers for the answer when there is a problem
   * @param bytesMax past it: 413
   */
  read(response: HttpResponse, headers: Headers, bytesMax: number, onBody: (body: Buffer) => void): void {
    let partial: PartialBody | undefined;
    let answered = false;
    response.onAborted(() => {
      answered = true;
      if (partial !== undefined) this.#forget(partial);
    });
    response.onData((data, last) => {
      if (answered) return;
      const total = (partial?.bytes ?? 0) + data.byteLength;
      if (total > bytesMax) {
        answered = true;
        if (partial !== undefined) this.#forget(partial);
        this.#answerProblem(response, headers, '413 Content Too Large', `: ${bytesMax} bytes.`);
        return;
      }
      // uWS takes the memory back on return, so the bytes are copied, once.
      const chunk = Buffer.from(new Uint8Array(data));
      if (last && partial === undefined) {
        answered = true;
        onBody(chunk);
        return;
      }
      if (partial === undefined) {
        partial = { response, headers, chunks: [], bytes: 0, deadlineTick: 0 };
        this.#partial.add(partial);
      }
      if (!this.#partial.has(partial)) return; // answered by the deadline
      this.#append(partial, chunk);
      if (last) {
        answered = true;
        this.#forget(partial);
        onBody(Buffer.concat(partial.chunks));
      } else if (this.#partialBytes > partialBytesTotalMax) {
        answered = true;
        this.#forget(partial);
        this.#answerProblem(response, headers, '503 Service Unavailable');
      }
    });
  }

  /** Answers those that have stalled. Called in each tick of the sweeper. */
  expire(): void {
    this.#tick++;
    for (const partial of this.#partial) {
      if (partial.deadlineTick > this.#tick) continue;
      this.#forget(partial);
      const { response, headers } = partial;
      response.cork(() => this.#answerProblem(response, headers, '408 Request Timeout'));
    }
  }

  #append(partial: PartialBody, chunk: Buffer): void {
    partial.chunks.push(chunk);
    partial.bytes += chunk.length;
    this.#partialBytes += chunk.length;
    partial.deadlineTick = this.#tick + this.#timeoutTicks;
  }

  #forget(partial: PartialBody): void {
    if (this.#partial.delete(partial)) this.#partialBytes -= partial.bytes;
  }

  /** The rest of the body may still be on its way, so the connection ends with the answer. */
  #answerProblem(response: HttpResponse, headers: Headers, status: BodyProblem, detail = ''): void {
    this.#onProblem(status);
    answerText(response, status, `${problemText[status]}${detail}`, headers, true);
  }
}
