import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { AuthenticationDecision, RefusedAuthentication } from '../../access/authenticator.js';
import type { AuthenticatorChain } from '../../access/chain.js';
import { type Identity, unrestricted } from '../../access/identity.js';
import type { AccessControl } from '../access-control.js';
import { type Refusal, type RefusalReason, refusals } from '../close-reason.js';
import type { Config } from '../config.js';
import { addressText } from '../peer-address.js';
import { noRoom, type PendingDecisions } from '../pending-decisions.js';
import type { SampledLog } from '../sampled-log.js';
import type { Headers } from './answer.js';
import { type Handler, RequestHead } from './front-door.js';
import { HeldBody } from './held-body.js';
import { HeldRequest } from './held-request.js';
import { HttpCredentials, tokenBeside } from './http-credentials.js';

/** A route that knows which user asks. */
export type IdentifiedHandler = (
  response: HttpResponse,
  request: HttpRequest,
  head: RequestHead,
  identity: Identity,
) => void;

/** Answers a request that is not let in. */
export type RefuseAuthentication = (
  response: HttpResponse,
  request: HttpRequest,
  head: RequestHead,
  refusal: AuthenticationRefusal,
) => void;

type Enter = (
  response: HttpResponse,
  request: HttpRequest,
  head: RequestHead,
  decision: AuthenticationDecision,
) => void;

export interface AuthenticationRefusal {
  readonly reason: RefusalReason;
  readonly sentence: string;
  /** The status and the headers that it is answered with. */
  readonly refusal: Refusal;
  /** WWW-Authenticate, where it is to be answered 401. */
  readonly challenge: Headers;
}

/** Finds out which user a request comes from before its route is entered: at once, or when the authenticator has answered. */
export class HttpAuthentication {
  readonly #transport: 'http' | 'api';
  readonly #authenticators: AuthenticatorChain;
  readonly #pending: PendingDecisions;
  readonly #log: SampledLog;
  readonly #config: Config;

  constructor(
    transport: 'http' | 'api',
    { access, log, config }: { access: AccessControl; log: SampledLog; config: Config },
  ) {
    this.#transport = transport;
    this.#authenticators = access[transport];
    this.#pending = access.pending;
    this.#config = config;
    this.#log = log;
  }

  get required(): boolean {
    return this.#authenticators.required;
  }

  protect(handler: IdentifiedHandler, refuse: RefuseAuthentication): Handler {
    if (!this.required) return (response, request, head) => handler(response, request, head, unrestricted);
    const enter: Enter = (response, request, head, decision) => {
      if (decision.outcome === 'accepted') handler(response, request, head, decision.identity);
      else refuse(response, request, head, this.#refusalOf(response, decision));
    };
    return (response, request, head) => {
      const { authorization } = head;
      const beside = authorization === '' ? this.#tokenBeside(request) : undefined;
      const credentials = new HttpCredentials(this.#transport, response, authorization, beside);
      const answer = this.#authenticators.authenticate(credentials);
      if (!(answer instanceof Promise)) return enter(response, request, head, answer);
      this.#wait(answer, response, credentials.address, new HeldRequest(request), enter);
    };
  }

  #tokenBeside(request: HttpRequest) {
    const { authJwtCookie, authJwtQuery } = this.#config;
    return tokenBeside(request, authJwtCookie, this.#transport === 'api' ? '' : authJwtQuery); // senders can all set a header
  }

  /** A request that is closed meanwhile is forgotten, and its route is never entered. */
  #wait(
    answer: Promise<AuthenticationDecision>,
    response: HttpResponse,
    address: string,
    request: HeldRequest,
    enter: Enter,
  ): void {
    const enterWith = (decision: AuthenticationDecision) => {
      const head = new RequestHead();
      head.read(request);
      enter(response, request, head, decision);
    };
    let body: HeldBody | undefined;
    const onDecided = (decision: AuthenticationDecision) =>
      response.cork(() => {
        if (body === undefined) enterWith(decision);
        else body.release(() => enterWith(decision));
      });
    const pending = this.#pending.hold(answer, onDecided, address, request.bytes);
    if (pending === undefined) return enterWith(noRoom);
    response.onAborted(() => this.#pending.cancel(pending));
    if (request.getMethod() !== 'post') return;
    body = new HeldBody(
      response,
      (bytes) => this.#pending.keep(pending, bytes),
      () => {
        this.#pending.cancel(pending);
        enterWith(noRoom);
      },
    );
  }

  #refusalOf(response: HttpResponse, decision: RefusedAuthentication): AuthenticationRefusal {
    const refused = authenticationRefusalOf(decision, this.#authenticators.takesPasswords);
    this.#log.warn(
      refused.reason,
      { address: addressText(response), transport: this.#transport },
      'a request was not let in',
    );
    return refused;
  }
}

/** @param takesPasswords an authenticator takes user names and passwords: the challenge asks for them, too */
export function authenticationRefusalOf(
  decision: RefusedAuthentication,
  takesPasswords: boolean,
): AuthenticationRefusal {
  const reason = decision.outcome === 'refused' ? decision.reason : 'authentication-unavailable';
  const retryAfterSec = decision.outcome === 'refused' ? decision.retryAfterSec : undefined;
  const refusal: Refusal = { ...refusals[reason], ...(retryAfterSec !== undefined && { retryAfterSec }) };
  return { reason, sentence: decision.sentence, refusal, challenge: challengesOf(refusal, takesPasswords) };
}

const header = 'WWW-Authenticate';
const bearer = [header, 'Bearer realm="encke"'] as const; // RFC 6750 3
const basic = [header, 'Basic realm="encke", charset="UTF-8"'] as const; // RFC 7617 2.1

/** WWW-Authenticate goes with 401 alone (RFC 9110 11.6.1), and is the same whatever is wrong. */
function challengesOf({ status }: Refusal, takesPasswords: boolean): Headers {
  if (!status.startsWith('401')) return [];
  return takesPasswords ? [bearer, basic] : [bearer];
}
