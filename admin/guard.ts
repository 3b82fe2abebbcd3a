import type { IncomingMessage } from 'node:http';
import type { AuthenticationDecision } from '../access/authenticator.js';
import type { AuthenticatorChain } from '../access/chain.js';
import { HostNames } from '../gateway/auth/host-names.js';
import { refusals } from '../gateway/close-reason.js';
import { authenticationRefusalOf } from '../gateway/http/authentication.js';
import { HttpCredentials } from '../gateway/http/http-credentials.js';
import type { SharedParts } from '../gateway/shared-parts.js';
import { type AdminAnswer, textAnswer } from './answer.js';

const unavailable: AuthenticationDecision = {
  outcome: 'unavailable',
  sentence: refusals['authentication-unavailable'].text,
};

/**
 * Lets operators in: callers with the token, and superusers. Without any authenticator everybody on loopback is let in,
 * but no page of a web site: a page sends its `Origin`, and a page whose name was made to lead here (DNS rebinding) sends
 * that name as `Host`.
 */
export class AdminGuard {
  readonly #chain: AuthenticatorChain;
  readonly #hosts: HostNames;
  readonly #parts: SharedParts;

  constructor(parts: SharedParts) {
    this.#chain = parts.access.admin;
    this.#hosts = new HostNames(parts.config.allowedHosts);
    this.#parts = parts;
  }

  /** @returns the answer to a request that is not let in; undefined where it is */
  async refusalOf(request: IncomingMessage): Promise<AdminAnswer | undefined> {
    const { host, origin } = request.headers;
    if (origin !== undefined && !isSameOrigin(origin, host))
      return textAnswer(403, `Pages of ${origin.slice(0, 200)} may not call the operator's listener.`);
    if (!this.#chain.required) {
      // HTTP/1.0 needs no Host, and no browser speaks it.
      if (host === undefined || this.#hosts.allow(host)) return undefined;
      return textAnswer(
        421,
        'Call this listener by its address, set --admin-token, or name this host in --allowed-hosts.',
      );
    }
    const decision = await this.#decide(request);
    if (decision.outcome === 'accepted') {
      if (decision.identity.isSuperuser) return undefined;
      this.#parts.counters.refused['not-allowed']++;
      return textAnswer(403, 'This is for superusers, and for callers with the token of --admin-token.');
    }
    const { reason, sentence, refusal, challenge } = authenticationRefusalOf(
      decision,
      this.#chain.takesPasswords,
    );
    this.#parts.counters.refused[reason]++;
    const address = request.socket.remoteAddress;
    this.#parts.log.warn(reason, { address, transport: 'admin' }, 'a request was not let in');
    const status = Number(refusal.status.slice(0, 3));
    if (status !== 401) {
      const { retryAfterSec } = refusal;
      const headers = retryAfterSec === undefined ? {} : { 'Retry-After': String(retryAfterSec) };
      return textAnswer(status, sentence, headers);
    }
    const text =
      this.#chain.names.join() === 'token'
        ? 'This listener wants "Authorization: Bearer <token>", the token of --admin-token or --api-token.'
        : sentence;
    const challenges = challenge.map(([, value]) => value).join(', ');
    return textAnswer(401, text, { 'WWW-Authenticate': challenges });
  }

  async #decide({ headers, socket }: IncomingMessage): Promise<AuthenticationDecision> {
    const peer = { getRemoteAddressAsText: () => arrayBufferOf(socket.remoteAddress ?? '') };
    const credentials = new HttpCredentials('api', peer, headers.authorization ?? '', undefined);
    const answer = this.#chain.authenticate(credentials);
    if (!(answer instanceof Promise)) return answer;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<AuthenticationDecision>((resolve) => {
      timer = setTimeout(() => resolve(unavailable), this.#parts.config.authTimeoutMs);
    });
    const decision = await Promise.race([answer, timeout]);
    clearTimeout(timer);
    return decision;
  }
}

function isSameOrigin(origin: string, host: string | undefined): boolean {
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
}

function arrayBufferOf(text: string): ArrayBuffer {
  return new TextEncoder().encode(text).buffer as ArrayBuffer;
}
