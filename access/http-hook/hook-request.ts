import { isUtf8 } from 'node:buffer';
import { errors, Pool } from 'undici';
import type { Credentials } from '../authenticator.js';
import { cacheSecOf, type HookAnswer, hookAnswerOf, UnusableAnswerError } from './hook-answer.js';

export interface HookRequestOptions {
  /** http or https, without a user, a password and a query. */
  readonly url: string;
  /** Sent as `Authorization: Bearer`; '' = none. */
  readonly token: string;
  /** Longest time for the whole of an answer, and the wait for a free connection. */
  readonly timeoutMs: number;
  readonly connectionsMax: number;
}

export interface CachedFor {
  /** The seconds that Cache-Control says; undefined: it says nothing of this, or is not there. */
  readonly cacheSec: number | undefined;
}

/** A longer answer is none. A thousand rules with filters of 64 characters are shorter. */
const answerBytesMax = 128 * 1024;
/** A proxy answers so while there is no service behind it: Bad Gateway, Service Unavailable, Gateway Timeout (RFC 9110 15.6). */
const awayStatuses: ReadonlySet<number> = new Set([502, 503, 504]);
/** Codes of errors that say that the service has closed a kept connection meanwhile. */
const staleCodes: ReadonlySet<unknown> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

/** Asks the operator's own service, over kept connections: POST with the credentials as JSON. */
export class HookRequest {
  readonly #pool: Pool;
  readonly #path: string;
  readonly #headers: Record<string, string>;
  readonly #timeoutMs: number;

  constructor({ url, token, timeoutMs, connectionsMax }: HookRequestOptions) {
    const { origin, pathname } = new URL(url);
    this.#pool = new Pool(origin, {
      connections: connectionsMax,
      pipelining: 1,
      connect: { timeout: timeoutMs },
      maxResponseSize: answerBytesMax,
    });
    this.#path = pathname;
    this.#timeoutMs = timeoutMs;
    this.#headers = {
      'content-type': 'application/json',
      accept: 'application/json',
      'user-agent': 'encke',
      ...(token !== '' && { authorization: `Bearer ${token}` }),
    };
  }

  /**
   * @throws UnusableAnswerError where the service has answered, but not with a decision; any other error says that it is
   * away. Neither has the credentials in its text
   */
  async ask(credentials: Credentials): Promise<HookAnswer & CachedFor> {
    const body = JSON.stringify(bodyOf(credentials));
    const abort = new AbortController();
    const timer = setTimeout(
      () => abort.abort(new Error(`it has not answered within ${this.#timeoutMs} ms`)),
      this.#timeoutMs,
    );
    try {
      return await this.#post(body, abort.signal).catch((error) => {
        if (!staleCodes.has(error.code)) throw error;
        return this.#post(body, abort.signal);
      });
    } catch (error) {
      if (error instanceof errors.ResponseExceededMaxSizeError)
        throw new UnusableAnswerError(`its answer has more than ${answerBytesMax} bytes`);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #post(body: string, signal: AbortSignal): Promise<HookAnswer & CachedFor> {
    const request = { path: this.#path, method: 'POST', headers: this.#headers, body, signal } as const;
    const response = await this.#pool.request(request);
    const text = await response.body.text();
    const { statusCode } = response;
    if (awayStatuses.has(statusCode)) throw new Error(`it has answered ${statusCode}`);
    if (statusCode !== 200)
      throw new UnusableAnswerError(`it has answered ${statusCode}: only 200 is an answer, also for "deny"`);
    const cacheControl = response.headers['cache-control'] ?? '';
    return { ...hookAnswerOf(text), cacheSec: cacheSecOf(String(cacheControl)) };
  }
}

/** Fields that a client did not give are not there. */
function bodyOf({ transport, address, clientId, userName, password, token, certificateNames }: Credentials) {
  return {
    action: 'connect',
    transport,
    address,
    clientId,
    userName,
    ...(password !== undefined && passwordOf(password)),
    token,
    certificateNames,
  };
}

/** MQTT passwords are any bytes. */
function passwordOf(password: Buffer) {
  return isUtf8(password)
    ? { password: password.toString('utf8') }
    : { passwordBase64: password.toString('base64') };
}
