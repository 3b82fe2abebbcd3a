import { Client } from 'undici';
import { codeOf } from './error-code.js';

/** A server that commands call, as their sentences speak of it. */
export interface CalledServer {
  /** Such as "the router API". */
  readonly name: string;
  /** The advice for a user whose command does not reach it. */
  readonly remedy: string;
}

/** A call that failed. The message is a sentence for the user. */
export class CallError extends Error {
  override readonly name = 'CallError';
  /** Set where no answer has come: the code of undici or of the system. */
  readonly code: string | undefined;

  constructor(sentence: string, code?: string) {
    super(sentence);
    this.code = code;
  }
}

export interface CallOptions {
  readonly url: URL;
  readonly token: string | undefined;
  readonly timeoutMs: number;
  readonly connectTimeoutMs?: number;
}

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** The path with its query. A Client of undici sends it unchanged; a URL would resolve the id "..". */
  readonly path: string;
  readonly body?: string | Buffer | undefined;
  readonly contentType?: string | undefined;
}

/** The connection of a command to a server of a running gateway: the router API, or the operator's listener. */
export class ServerConnection {
  readonly #server: CalledServer;
  readonly #client: Client;
  readonly #origin: string;
  readonly #token: string | undefined;

  constructor(server: CalledServer, { url, token, timeoutMs, connectTimeoutMs = timeoutMs }: CallOptions) {
    this.#server = server;
    this.#origin = url.origin;
    this.#token = token;
    this.#client = new Client(url.origin, {
      connectTimeout: connectTimeoutMs,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
  }

  /** @throws CallError where no answer comes */
  async call({ method, path, body, contentType }: Call): Promise<{ status: number; text: string }> {
    const headers = {
      ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
      ...(contentType !== undefined && { 'content-type': contentType }),
    };
    try {
      const response = await this.#client.request({ method, path, body: body ?? null, headers });
      return { status: response.statusCode, text: (await response.body.text()).trim() };
    } catch (error) {
      const code = codeOf(error);
      const { name, remedy } = this.#server;
      throw new CallError(`${name} at ${this.#origin} cannot be reached (${code}). ${remedy}`, code);
    }
  }

  async close(): Promise<void> {
    await this.#client.destroy();
  }
}
