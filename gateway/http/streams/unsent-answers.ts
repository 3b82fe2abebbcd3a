import type { HttpResponse } from 'uWebSockets.js';
import type { Config } from '../../config.js';
import { endHead, endsWithConnection, endWhenWritable } from '../answer.js';

/**
 * Answers that a socket did not take at once wait here, within one limit for all. Past the limit the connection is
 * closed. uWS cuts a client that reads no answers after some 10 s.
 */
export class UnsentAnswers {
  readonly #config: Pick<Config, 'pendingBytesTotalMax'>;
  #bytes = 0;
  #closed = 0;

  constructor(config: Pick<Config, 'pendingBytesTotalMax'>) {
    this.#config = config;
  }

  /** Waiting bytes, now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Connections closed past the limit, since the start. */
  get closed(): number {
    return this.#closed;
  }

  /** Ends a response whose head is written. In the route handler or a cork only. */
  end(response: HttpResponse, text: string): void {
    const body = Buffer.from(text);
    if (endsWithConnection(response)) {
      response.end(body, true);
      return;
    }
    const start = response.getWriteOffset();
    endHead(response);
    const [, ended] = response.tryEnd(body, body.length);
    if (ended) return;
    if (this.#bytes + body.length > this.#config.pendingBytesTotalMax) {
      this.#closed++;
      response.close();
      return;
    }
    this.#bytes += body.length;
    response.onAborted(() => {
      this.#bytes -= body.length;
    });
    endWhenWritable(response, body, start, () => {
      this.#bytes -= body.length;
    });
  }
}
