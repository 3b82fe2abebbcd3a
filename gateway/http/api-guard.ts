import type { HttpResponse } from 'uWebSockets.js';
import { BearerAuth } from '../auth/bearer.js';
import { isAddressOrLocalhost, withoutPort } from '../auth/host-address.js';
import { HostNames } from '../auth/host-names.js';
import type { Config } from '../config.js';
import type { Counters } from '../counters.js';
import { answer, answerText, type Headers } from './answer.js';
import type { RequestHead } from './front-door.js';

/**
 * Lets callers of the router API in, and web pages of some origins. A browser sends a page's `Origin` with every POST:
 * without this check any page on the web could send to the API on somebody's loopback.
 */
export class ApiGuard {
  readonly #auth: BearerAuth;
  readonly #origins: Set<string>;
  readonly #hosts: HostNames;
  readonly #counters: Counters;
  /** Set when the gateway's pages may come from any address of this machine. */
  #gatewayPort: string | undefined;

  constructor(config: Config, counters: Counters) {
    this.#auth = new BearerAuth(config.apiToken);
    this.#origins = new Set(config.apiAllowOrigin);
    this.#hosts = new HostNames(config.allowedHosts);
    this.#counters = counters;
  }

  get tokenRequired(): boolean {
    return this.#auth.required;
  }

  /** The gateway's own pages, known once it listens. @param anyAddress it listens on all addresses of the machine */
  allowGateway(url: string, anyAddress: boolean): void {
    this.#origins.add(url);
    this.#origins.add(url.replace('//127.0.0.1:', '//localhost:'));
    if (anyAddress) this.#gatewayPort = new URL(url).port;
  }

  /** Answers and returns undefined when the caller may not; else the headers that the answer needs. */
  admit(response: HttpResponse, { host, origin, authorization }: RequestHead): Headers | undefined {
    const cors = origin === '' ? none : this.#corsHeaders(origin, host);
    if (cors === undefined) {
      this.#counters.countApiError('403');
      answerText(
        response,
        '403 Forbidden',
        `Pages of ${origin.slice(0, 200)} may not call this API: allow them with --api-allow-origin.`,
      );
      return undefined;
    }
    if (this.#auth.required && !this.#auth.allows(authorization)) {
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

  /**
   * For requests that a browser makes without an `Origin`. A page whose name was made to lead here would read what
   * it likes: so without a token, only an address is a `Host`, and what --allowed-hosts names.
   */
  admitRead(response: HttpResponse, head: RequestHead): Headers | undefined {
    if (this.#auth.required || this.#hosts.allow(head.host)) return this.admit(response, head);
    this.#counters.countApiError('421');
    answerText(
      response,
      '421 Misdirected Request',
      'Call this API by its address, set a token, or name this host in --allowed-hosts.',
    );
    return undefined;
  }

  /** For an answer that tells nothing and that everybody may have: so that a page that may call can read it. */
  corsHeaders({ host, origin }: RequestHead): Headers {
    return (origin === '' ? undefined : this.#corsHeaders(origin, host)) ?? none;
  }

  /** Answers a caller who asks for what cannot be. @param cors as `admit` gave them */
  refuse(response: HttpResponse, cors: Headers, problem: string): void {
    this.#counters.countApiError('400');
    answerText(response, '400 Bad Request', problem, cors);
  }

  /** Answers a browser that asks before it lets a page send the Authorization header. */
  preflight(response: HttpResponse, { host, origin }: RequestHead): void {
    const cors = this.#corsHeaders(origin, host);
    if (cors === undefined)
      return answerText(response, '403 Forbidden', 'Pages of this origin may not call this API.');
    answer(
      response,
      '204 No Content',
      [
        ...cors,
        ['Access-Control-Allow-Methods', 'GET, POST'],
        ['Access-Control-Allow-Headers', 'Authorization, Content-Type, Idempotency-Key'],
        ['Access-Control-Max-Age', '600'],
      ],
      undefined,
    );
  }

  #corsHeaders(origin: string, host: string): Headers | undefined {
    if (!this.#origins.has(origin) && !this.#isOwnAddress(origin, host)) return undefined;
    return [
      ['Access-Control-Allow-Origin', origin],
      ['Access-Control-Allow-Credentials', 'true'], // each origin is named; a proxy in front may want its cookie
      ['Vary', 'Origin'],
    ];
  }

  /** A page of the gateway on the same address as the API; by address only, as a name could be made to lead here. */
  #isOwnAddress(origin: string, host: string): boolean {
    if (this.#gatewayPort === undefined) return false;
    return isAddressOrLocalhost(host) && origin === `http://${withoutPort(host)}:${this.#gatewayPort}`;
  }
}

const none: Headers = [];
