import type { HttpResponse } from 'uWebSockets.js';

/**
 * Answers that a socket has not taken in one go: they wait here, all of them together within a limit, past which the
 * connection is closed. Who reads no answers costs no more than that; uWS cuts it after some 10 s.
 */
export class UnsentAnswers {
  readonly #bytesMax: number;
  #bytes = 0;
  #closed = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Waiting now, bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Connections closed for want of room here, since the start. */
  get closed(): number {
    return this.#closed;
  }

  /** Ends a response whose head is written. In the route handler or a cork only. */
  end(response: HttpResponse, text: string): void {
    const body = Buffer.from(text);
    if (response.closes === true) {
      response.end(body, true);
      return;
    }
    const start = response.getWriteOffset();
    const [, ended] = response.tryEnd(body, body.length);
    if (ended) return;
    if (this.#bytes + body.length > this.#bytesMax) {
      this.#closed++;
      response.close();
      return;
    }
    this.#bytes += body.length;
    response.onAborted(() => {
      this.#bytes -= body.length;
    });
    response.onWritable((offset) => {
      const [taken, ended] = response.tryEnd(body.subarray(offset - start), body.length);
      if (ended) this.#bytes -= body.length;
      return taken;
    });
  }
}
