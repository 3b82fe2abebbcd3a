import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { answerEmpty, type Headers } from './answer.js';

const none: Headers = [];

/** What a page of another origin may read of an answer, besides its body. */
const exposed = 'Encke-Cursor, Encke-Recovered, ETag, Retry-After';

/** Which pages may read streams and polls, besides the gateway's own: --allow-origin. */
export class Cors {
  readonly #origins: ReadonlySet<string>;

  constructor(allowOrigin: readonly string[]) {
    this.#origins = new Set(allowOrigin);
  }

  headersFor(request: HttpRequest): Headers {
    if (this.#origins.size === 0) return none;
    if (this.#origins.has('*')) return headersOf('*');
    const origin = request.getHeader('origin');
    return this.#origins.has(origin) ? [...headersOf(origin), ['Vary', 'Origin']] : [['Vary', 'Origin']];
  }

  /** What a browser asks before it lets a page send headers such as If-None-Match. */
  preflight(response: HttpResponse, request: HttpRequest): void {
    answerEmpty(response, '204 No Content', [
      ...this.headersFor(request),
      ['Access-Control-Allow-Methods', 'GET'],
      ['Access-Control-Allow-Headers', 'If-None-Match, Last-Event-ID, Cache-Control'],
      ['Access-Control-Max-Age', '600'],
    ]);
  }
}

function headersOf(origin: string): Headers {
  return [
    ['Access-Control-Allow-Origin', origin],
    ['Access-Control-Expose-Headers', exposed],
  ];
}
