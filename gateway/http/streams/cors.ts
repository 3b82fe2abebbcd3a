import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { answer, type Headers } from '../answer.js';

const none: Headers = [];
const varies = ['Vary', 'Origin'] as const;
const allowCredentials = 'Access-Control-Allow-Credentials';

/** Headers that a page may send besides those that every page may. */
const requestHeaders = 'If-None-Match, Last-Event-ID, Cache-Control';

/** Headers that a page of another origin may read. */
const exposed = 'Encke-Cursor, Encke-Recovered, ETag, Retry-After, Encke-Heartbeat';

/**
 * Which pages may read streams and polls, besides the gateway's own: --allow-origin. Those of an origin that is named may
 * send cookies and Authorization, which a proxy in front may ask for; with `*` a browser allows neither (Fetch 3.2.5).
 */
export class Cors {
  #origins: ReadonlySet<string>;
  readonly #authenticationRequired: boolean;

  /** @param authenticationRequired so that a page of any origin that may read has to send a token; its own, not the browser's */
  constructor(allowOrigin: readonly string[], authenticationRequired: boolean) {
    this.#origins = new Set(allowOrigin);
    this.#authenticationRequired = authenticationRequired;
  }

  /** From now on these are the origins. */
  take(allowOrigin: readonly string[]): void {
    this.#origins = new Set(allowOrigin);
  }

  headersFor(request: HttpRequest): Headers {
    if (this.#origins.size === 0) return none;
    const origin = request.getHeader('origin');
    const isNamed = origin !== '*' && this.#origins.has(origin);
    if (this.#origins.has('*')) {
      if (this.#origins.size === 1) return headersOf('*');
      return [...(isNamed ? credentialed(origin) : headersOf('*')), varies];
    }
    return isNamed ? [...credentialed(origin), varies] : [varies];
  }

  /** Answers a browser that asks before it lets a page send headers such as If-None-Match. */
  preflight(response: HttpResponse, request: HttpRequest, method: 'GET' | 'POST' = 'GET'): void {
    const headers = this.headersFor(request);
    const mayAuthorize = this.#authenticationRequired || headers.some(([name]) => name === allowCredentials);
    answer(
      response,
      '204 No Content',
      [
        ...headers,
        ['Access-Control-Allow-Methods', method],
        ['Access-Control-Allow-Headers', mayAuthorize ? `${requestHeaders}, Authorization` : requestHeaders],
        ['Access-Control-Max-Age', '600'],
      ],
      undefined,
    );
  }
}

function headersOf(origin: string): Headers {
  return [
    ['Access-Control-Allow-Origin', origin],
    ['Access-Control-Expose-Headers', exposed],
  ];
}

function credentialed(origin: string): Headers {
  return [...headersOf(origin), [allowCredentials, 'true']];
}
