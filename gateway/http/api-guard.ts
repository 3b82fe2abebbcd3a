import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { Identity } from '../../access/identity.js';
import type { AccessControl } from '../access-control.js';
import { isAddressOrLocalhost, withoutPort } from '../auth/host-address.js';
import { HostNames } from '../auth/host-names.js';
import { refusals } from '../close-reason.js';
import type { Counters } from '../counters.js';
import type { PublishBudget, PublishRates } from '../publish-rates.js';
import type { SharedParts } from '../shared-parts.js';
import { answer, answerText, type Headers, refuse } from './answer.js';
import { type AuthenticationRefusal, HttpAuthentication } from './authentication.js';
import type { Handler, RequestHead } from './front-door.js';

/** A route of the router API: it answers with these headers, and knows which user asks. */
export type ApiHandler = (
  response: HttpResponse,
  request: HttpRequest,
  head: RequestHead,
  cors: Headers,
  caller: Identity,
) => void;

/**
 * Lets callers of the router API in, and web pages of some origins. A browser sends a page's `Origin` with every POST:
 * without this check any page on the web could send to the API on somebody's loopback.
 */
export class ApiGuard {
  readonly #access: AccessControl;
  readonly #authentication: HttpAuthentication;
  #origins: ReadonlySet<string>;
  /** The origins of the gateway's own pages. */
  readonly #own = new Set<string>();
  readonly #hosts: HostNames;
  readonly #counters: Counters;
  readonly #publishRates: PublishRates;
  /** Set when the gateway's pages may come from any address of this machine. */
  #gatewayOnAnyAddress: URL | undefined;

  constructor(
    parts: Pick<SharedParts, 'config' | 'counters' | 'access' | 'log' | 'publishRates' | 'changes'>,
  ) {
    const { config, counters, access, publishRates } = parts;
    this.#publishRates = publishRates;
    this.#access = access;
    this.#authentication = new HttpAuthentication('api', parts);
    this.#origins = new Set(config.apiAllowOrigin);
    this.#hosts = new HostNames(config.allowedHosts);
    this.#counters = counters;
    parts.changes.on(['apiAllowOrigin', 'allowedHosts'], (next) => () => {
      this.#origins = new Set(next.apiAllowOrigin);
      this.#hosts.take(next.allowedHosts);
    });
  }

  get tokenRequired(): boolean {
    return this.#authentication.required;
  }

  /** The gateway's own pages, known once it listens. @param anyAddress it listens on all addresses of the machine */
  allowGateway(url: string, anyAddress: boolean): void {
    const { origin } = new URL(url); // without a port that is the default of its scheme
    this.#own.add(origin);
    this.#own.add(origin.replace('//127.0.0.1', '//localhost'));
    if (anyAddress) this.#gatewayOnAnyAddress = new URL(url);
  }

  /** Guards routes that change something. */
  protect(handler: ApiHandler): Handler {
    const identified = this.#authentication.protect(
      (response, request, head, caller) => handler(response, request, head, this.corsHeaders(head), caller),
      (response, _request, head, refusal) => this.#refuseCaller(response, head, refusal),
    );
    return (response, request, head) => {
      if (this.#admitsOrigin(response, head)) identified(response, request, head);
    };
  }

  /**
   * For requests that a browser makes without an `Origin`. A page whose name was made to lead here would read what
   * it likes: so without a token, only an address is a `Host`, and what --allowed-hosts names.
   */
  protectRead(handler: ApiHandler): Handler {
    const identified = this.protect(handler);
    return (response, request, head) => {
      if (this.tokenRequired || this.#hosts.allow(head.host)) return identified(response, request, head);
      this.#counters.countApiError('421');
      answerText(
        response,
        '421 Misdirected Request',
        'Call this API by its address, set a token, or name this host in --allowed-hosts.',
      );
    };
  }

  /** @returns false where the caller may not, which has been answered */
  allows(
    response: HttpResponse,
    cors: Headers,
    caller: Identity,
    action: 'publish' | 'subscribe',
    id: string,
  ): boolean {
    if (this.mayDo(caller, action, id)) return true;
    const verb = action === 'publish' ? 'send to' : 'look at';
    this.forbid(response, cors, `You may not ${verb} ${JSON.stringify(id.slice(0, 80))}.`);
    return false;
  }

  mayDo(caller: Identity, action: 'publish' | 'subscribe', id: string): boolean {
    return this.#access.authorizer.allows(caller, undefined, action, id);
  }

  /** @returns the budget to take each message from, undefined where there is no limit; false where it is used up, which has been answered */
  budgetOf(response: HttpResponse, cors: Headers, caller: Identity): PublishBudget | undefined | false {
    const budget = this.#publishRates.budgetOf(caller, response);
    const refusal = budget?.refusal();
    if (refusal === undefined) return budget;
    this.#counters.refused['publish-rate']++;
    this.#counters.countApiError('429');
    const retryAfterSec = Math.ceil(refusal.waitMs / 1000);
    refuse(response, { ...refusals['publish-rate'], retryAfterSec }, cors);
    return false;
  }

  /** Answers a caller who may not do this. */
  forbid(response: HttpResponse, cors: Headers, sentence: string): void {
    this.#counters.refused['not-allowed']++;
    this.#counters.countApiError('403');
    answerText(response, '403 Forbidden', sentence, cors);
  }

  #admitsOrigin(response: HttpResponse, { origin, host }: RequestHead): boolean {
    if (origin === '' || this.#corsHeaders(origin, host) !== undefined) return true;
    this.#counters.countApiError('403');
    answerText(
      response,
      '403 Forbidden',
      `Pages of ${origin.slice(0, 200)} may not call this API: allow them with --api-allow-origin.`,
    );
    return false;
  }

  #refuseCaller(
    response: HttpResponse,
    head: RequestHead,
    { reason, sentence, refusal, challenge }: AuthenticationRefusal,
  ): void {
    const { status } = refusal;
    this.#counters.refused[reason]++;
    this.#counters.countApiError(status);
    const isToken = status.startsWith('401') && this.#access.api.names.join() === 'token';
    const text = isToken ? 'This API wants "Authorization: Bearer <token>".' : sentence;
    refuse(response, refusal, [...challenge, ...this.corsHeaders(head)], text);
  }

  /** The headers without which a page of an allowed origin cannot read an answer. */
  corsHeaders({ host, origin }: RequestHead): Headers {
    return (origin === '' ? undefined : this.#corsHeaders(origin, host)) ?? none;
  }

  /** Answers a request that asks for something impossible. @param cors the headers that the handler was given */
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
    if (!this.#origins.has(origin) && !this.#own.has(origin) && !this.#isOwnAddress(origin, host))
      return undefined;
    return [
      ['Access-Control-Allow-Origin', origin],
      ['Access-Control-Allow-Credentials', 'true'], // each origin is named; a proxy in front may want its cookie
      ['Vary', 'Origin'],
    ];
  }

  /** A page of the gateway on the same address as the API; by address only, as a name could be made to lead here. */
  #isOwnAddress(origin: string, host: string): boolean {
    if (this.#gatewayOnAnyAddress === undefined) return false;
    const { protocol, port } = this.#gatewayOnAnyAddress;
    const own = `${protocol}//${withoutPort(host)}${port === '' ? '' : `:${port}`}`;
    return isAddressOrLocalhost(host) && origin === own;
  }
}

const none: Headers = [];
