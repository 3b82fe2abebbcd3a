import type { HttpRequest, HttpResponse, us_socket_context_t, WebSocketBehavior } from 'uWebSockets.js';
import type { AddressAdmission } from '../address-admission.js';
import type { HostNames } from '../auth/host-names.js';
import { type Refusal, type RefusalReason, refusals } from '../close-reason.js';
import type { RoutedApp } from '../routed-app.js';
import { clientNameOf, type NameField } from '../tls/client-names.js';
import { answersHead, answerText, writeSecurityHeaders } from './answer.js';
import { afterThisRead, awaitChunks } from './chunked-body.js';
import { HeldRequest } from './held-request.js';

/** Methods for which a body has no meaning. */
const bodiless = new Set(['get', 'head', 'options', 'connect', 'trace']);

/** @param head valid until the handler returns */
export type Handler = (response: HttpResponse, request: HttpRequest, head: RequestHead) => void;
export type RouteMethod = 'get' | 'head' | 'post' | 'options' | 'any';

export interface FrontDoorParts {
  /** The host names that requests may be for; undefined: the routes of this listener check that themselves. */
  readonly hosts: HostNames | undefined;
  /** Undefined: all addresses may connect, and no proxy says where clients are. */
  readonly addresses: AddressAdmission | undefined;
  /** The user name is read from this part of a client's certificate; undefined: certificates are not read. */
  readonly nameField: NameField | undefined;
  /** True: each answer is the last one of its connection. */
  readonly isClosing: () => boolean;
  readonly onRefused: (reason: RefusalReason, status: string) => void;
}

/**
 * Checks each request before a route sees it: where the request ends, and which host it is for. All routes are bound
 * here, so that none can forget the check.
 */
export class FrontDoor {
  readonly #app: RoutedApp;
  readonly #parts: FrontDoorParts;
  readonly #head = new RequestHead();

  constructor(app: RoutedApp, parts: FrontDoorParts) {
    this.#app = app;
    this.#parts = parts;
  }

  bind(method: RouteMethod, path: string, handler: Handler): void {
    const { hosts } = this.#parts;
    this.#app[method](path, (response, request) => {
      if (!this.#admits(response, request, hosts)) return;
      if (response.oneRequest !== true) return handler(response, request, this.#head);
      this.#enterLater(response, request, (held) => handler(response, held, this.#head));
    });
  }

  /**
   * The upgrade checks the host name of a WebSocket: a page says its Origin there, and other clients may use any name.
   */
  bindWebSocket<UserData>(path: string, behavior: WebSocketBehavior<UserData> & { upgrade: Upgrade }): void {
    this.#app.ws<UserData>(path, {
      ...behavior,
      upgrade: (response, request, context) => {
        if (!this.#admits(response, request, undefined)) return;
        if (response.oneRequest !== true) return behavior.upgrade(response, request, context);
        this.#enterLater(response, request, (held) => behavior.upgrade(response, held, context));
      },
    });
  }

  /**
   * Enters a route in a later turn. Until then the request is pending, and one behind it in the same read ends the
   * connection; see `oneRequest`.
   */
  #enterLater(response: HttpResponse, request: HttpRequest, enter: (held: HttpRequest) => void): void {
    const held = new HeldRequest(request);
    afterThisRead(response, () => {
      this.#head.read(held);
      enter(held);
    });
  }

  #admits(response: HttpResponse, request: HttpRequest, hosts: HostNames | undefined): boolean {
    // uWS may find only while it writes an answer that the client has reset, in the middle of a pipeline say; the
    // request then counts as not answered, and without an abort handler uWS ends the process. A stream, or a body that
    // is read, replaces it by its own.
    response.onAborted(ignoreAbort);
    const head = this.#head;
    const problem = head.read(request);
    if (problem !== undefined) return this.#refuseFraming(response, request, problem.status, problem.text);
    if (head.chunked) {
      if (bodiless.has(request.getMethod()))
        return this.#refuseFraming(
          response,
          request,
          '400 Bad Request',
          'This request takes no body in chunks.',
        );
      awaitChunks(response);
    }
    if (this.#parts.isClosing()) response.closes = true;
    if (this.#parts.nameField !== undefined)
      response.certificateName = clientNameOf(response, this.#parts.nameField);
    if (this.#parts.addresses?.admitRequest(response, head) === false)
      return this.#refuse(response, request, refusals['address-denied']); // AddressAdmission has counted it
    if (hosts === undefined || hosts.allow(head.host)) return true;
    this.#parts.onRefused('wrong-host', refusals['wrong-host'].status);
    return this.#refuse(response, request, refusals['wrong-host']);
  }

  #refuse(response: HttpResponse, request: HttpRequest, { status, text }: Refusal): false {
    if (request.getMethod() === 'head') answersHead(response);
    if (response.oneRequest === true) afterThisRead(response, () => answerText(response, status, text));
    else answerText(response, status, text);
    return false;
  }

  /** Answers in a later turn: until then the request is pending, and nothing behind it is read as a request. */
  #refuseFraming(response: HttpResponse, request: HttpRequest, status: string, text: string): false {
    this.#parts.onRefused('bad-framing', status);
    response.closes = true;
    const hasBody = request.getMethod() !== 'head';
    afterThisRead(response, () => {
      if (hasBody) answerText(response, status, text);
      else endEmptyAndClose(response, status);
    });
    return false;
  }
}

/** Answers a HEAD. A Content-Length of 0 is wrong there, but without one uWS does not close the connection. */
function endEmptyAndClose(response: HttpResponse, status: string): void {
  response.writeStatus(status);
  writeSecurityHeaders(response);
  response.end('', true);
}

type Upgrade = (response: HttpResponse, request: HttpRequest, context: us_socket_context_t) => void;

function ignoreAbort(): void {}

/** The answer to a request whose end two readers may see in different places. */
interface FramingProblem {
  readonly status: string;
  readonly text: string;
}

/**
 * The parts of a request that are always needed, read in one walk through its header fields, as each call into uWS
 * takes 0.2 µs. The most important one is where the request ends (RFC 9112 6.3). Of two Content-Length fields uWS takes
 * the first, it takes an empty one for none, and any Transfer-Encoding for `chunked`. A proxy in front may read the
 * same bytes in another way: its body would be a request here (request smuggling). So all of these fields are checked
 * here.
 *
 * One instance serves all requests: each is over before the next one comes.
 */
export class RequestHead {
  /** The body comes in chunks. */
  chunked = false;
  host = '';
  origin = '';
  authorization = '';
  idempotencyKey = '';
  forwarded = '';
  xForwardedFor = '';
  /** The bytes of all header lines. */
  headerBytes = 0;
  #hosts = 0;
  #contentLength: string | undefined;
  #transferEncoding: string | undefined;
  #conflict = false;

  /** @returns the fault of the request; undefined where it has none */
  read(request: HttpRequest): FramingProblem | undefined {
    this.chunked = false;
    this.origin = '';
    this.authorization = '';
    this.idempotencyKey = '';
    this.forwarded = '';
    this.xForwardedFor = '';
    this.headerBytes = 0;
    this.#hosts = 0;
    this.#contentLength = undefined;
    this.#transferEncoding = undefined;
    this.#conflict = false;
    request.forEach(this.#visit);
    if (this.#hosts !== 1) return problems.hosts;
    if (this.#conflict) return problems.lengths;
    const length = this.#contentLength;
    if (length !== undefined && !isNumber(length)) return problems.length;
    return this.#transferEncoding === undefined ? undefined : this.#encodingProblem(this.#transferEncoding);
  }

  /** One function for all fields; getHeader would give only the first field of a name. */
  readonly #visit = (name: string, value: string): void => {
    this.headerBytes += name.length + value.length + 4; // ": " and CRLF
    switch (name.length) {
      case 4:
        if (name !== 'host') return;
        this.#hosts++;
        this.host = value;
        return;
      case 6:
        if (name === 'origin' && this.origin === '') this.origin = value;
        return;
      case 9:
        if (name === 'forwarded') this.forwarded = joined(this.forwarded, value);
        return;
      case 13:
        if (name === 'authorization' && this.authorization === '') this.authorization = value;
        return;
      case 14:
        if (name !== 'content-length') return;
        if (this.#contentLength !== undefined && this.#contentLength !== value) this.#conflict = true;
        this.#contentLength = value;
        return;
      case 15:
        if (name === 'idempotency-key') this.idempotencyKey = value;
        else if (name === 'x-forwarded-for') this.xForwardedFor = joined(this.xForwardedFor, value);
        return;
      case 17:
        if (name !== 'transfer-encoding') return;
        this.#transferEncoding =
          this.#transferEncoding === undefined ? value : `${this.#transferEncoding}, ${value}`; // an empty one counts
    }
  };

  #encodingProblem(value: string): FramingProblem | undefined {
    if (this.#contentLength !== undefined) return problems.both;
    const codings = value.split(',').map((coding) => coding.trim().toLowerCase());
    if (codings.at(-1) !== 'chunked') return problems.notChunked;
    if (codings.length > 1) return problems.otherCodings;
    this.chunked = true;
    return undefined;
  }
}

/** Several fields of a name are one list (RFC 9110 5.3). */
function joined(list: string, value: string): string {
  return list === '' ? value : `${list}, ${value}`;
}

/** True for digits, at most as many as uWS reads. A regular expression takes ten times as long. */
function isNumber(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 48 || code > 57) return false;
  }
  return text.length >= 1 && text.length <= 18;
}

const bad = '400 Bad Request';
const problems = {
  hosts: { status: bad, text: 'A request has one Host field.' },
  lengths: { status: bad, text: 'The Content-Length fields say different things.' },
  length: { status: bad, text: 'Content-Length is a number.' },
  both: { status: bad, text: 'Content-Length and Transfer-Encoding exclude each other.' },
  notChunked: { status: bad, text: 'Transfer-Encoding does not end with "chunked".' }, // RFC 9112 6.3
  otherCodings: { status: '501 Not Implemented', text: 'The only Transfer-Encoding here is "chunked".' }, // RFC 9112 6.1
} as const;
