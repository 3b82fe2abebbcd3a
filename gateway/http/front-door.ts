import type {
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  us_socket_context_t,
  WebSocketBehavior,
} from 'uWebSockets.js';
import type { HostNames } from '../auth/host-names.js';
import { type RefusalReason, refusals } from '../close-reason.js';
import { answersHead, answerText } from './answer.js';
import { afterThisRead, awaitChunks } from './chunked-body.js';
import { writeSecurityHeaders } from './content-policy.js';
import { RequestHead } from './request-head.js';

/** @param head good until the handler returns */
export type Handler = (response: HttpResponse, request: HttpRequest, head: RequestHead) => void;
export type RouteMethod = 'get' | 'head' | 'post' | 'options' | 'any';

export interface FrontDoorParts {
  /** By which names requests may come; undefined: the routes of this listener look at that themselves. */
  readonly hosts: HostNames | undefined;
  /** From now on an answer is the last one of its connection. */
  readonly isClosing: () => boolean;
  readonly onRefused: (reason: RefusalReason, status: string) => void;
}

/**
 * What a listener looks at in each request before a route sees it: where the request ends, and which host it is for. All
 * routes are bound through here, so that none can forget it.
 */
export class FrontDoor {
  readonly #app: TemplatedApp;
  readonly #parts: FrontDoorParts;
  readonly #head = new RequestHead();

  constructor(app: TemplatedApp, parts: FrontDoorParts) {
    this.#app = app;
    this.#parts = parts;
  }

  bind(method: RouteMethod, path: string, handler: Handler): void {
    const { hosts } = this.#parts;
    this.#app[method](path, (response, request) => {
      if (this.#admits(response, request, hosts)) handler(response, request, this.#head);
    });
  }

  /** By which name a WebSocket comes is its upgrade's business: a page says its Origin there, and others need not care. */
  bindWebSocket<UserData>(path: string, behavior: WebSocketBehavior<UserData> & { upgrade: Upgrade }): void {
    this.#app.ws<UserData>(path, {
      ...behavior,
      upgrade: (response, request, context) => {
        if (this.#admits(response, request, undefined)) behavior.upgrade(response, request, context);
      },
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
    if (hosts === undefined || hosts.allow(head.host)) return true;
    const { status, text } = refusals['wrong-host'];
    this.#parts.onRefused('wrong-host', status);
    if (request.getMethod() === 'head') answersHead(response);
    answerText(response, status, text);
    return false;
  }

  /** In a turn of its own: until then the request is pending, so that nothing behind it is read as a request. */
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

/** To HEAD. A Content-Length of 0 is wrong there, but without one uWS does not close. */
function endEmptyAndClose(response: HttpResponse, status: string): void {
  response.writeStatus(status);
  writeSecurityHeaders(response);
  response.end('', true);
}

type Upgrade = (response: HttpResponse, request: HttpRequest, context: us_socket_context_t) => void;

/** Methods that mean nothing by a body. */
const bodiless = new Set(['get', 'head', 'options', 'connect', 'trace']);

function ignoreAbort(): void {}
