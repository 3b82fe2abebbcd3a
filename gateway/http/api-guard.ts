import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { BearerAuth } from '../auth/bearer.js';
import type { Config } from '../config.js';
import type { Counters } from '../counters.js';
import { answerEmpty, answerText, type Headers } from './answer.js';

/**
 * Who may call the router API, and from which web pages. A browser sends a page's `Origin` with every POST:
 * without this check any page on the web could send to the API on somebody's loopback.
 */
export class ApiGuard {
  readonly #auth: BearerAuth;
  readonly #origins: Set<string>;
  readonly #counters: Counters;

  constructor(config: Config, counters: Counters) {
    this.#auth = new BearerAuth(config.apiToken);
    this.#origins = new Set(config.apiAllowOrigin);
    this.#counters = counters;
  }

  get tokenRequired(): boolean {
    return this.#auth.required;
  }

  /** Known once the gateway listens. */
  allowOrigin(origin: string): void {
    this.#origins.add(origin);
  }

  /** Answers and returns undefined when the caller may not; else the headers that the answer needs. */
  admit(response: HttpResponse, request: HttpRequest): Headers | undefined {
    const origin = request.getHeader('origin');
    const cors = origin === '' ? none : this.#corsHeaders(origin);
    if (cors === undefined) {
      this.#counters.countApiError('403');
      answerText(
        response,
        '403 Forbidden',
        `Pages of ${origin.slice(0, 200)} may not call this API: allow them with --api-allow-origin.`,
      );
      return undefined;
    }
    if (this.#auth.required && !this.#auth.allows(request.getHeader('authorization'))) {
      this.#counters.countApiError('401');
      const challenge = [['WWW-Authenticate', 'Bearer realm="encke"']] as const;
      answerText(response, '401 Unauthorized', 'This API wants "Authorization: Bearer <token>".', [
        ...challenge,
        ...cors,
      ]);
      return undefined;
    }
    return cors;
  }

  /** What a browser asks before it lets a page send the Authorization header. */
  preflight(response: HttpResponse, request: HttpRequest): void {
    const cors = this.#corsHeaders(request.getHeader('origin'));
    if (cors === undefined)
      return answerText(response, '403 Forbidden', 'Pages of this origin may not call this API.');
    answerEmpty(response, '204 No Content', [
      ...cors,
      ['Access-Control-Allow-Methods', 'GET, POST'],
      ['Access-Control-Allow-Headers', 'Authorization, Content-Type'],
      ['Access-Control-Max-Age', '600'],
    ]);
  }

  #corsHeaders(origin: string): Headers | undefined {
    if (!this.#origins.has(origin)) return undefined;
    return [
      ['Access-Control-Allow-Origin', origin],
      ['Vary', 'Origin'],
    ];
  }
}

const none: Headers = [];
