import { Client } from 'undici';

export const defaultAdminUrl = 'http://127.0.0.1:8002';

/** A request that failed. The message is a sentence for the user. */
export class AdminError extends Error {
  override readonly name = 'AdminError';
}

export interface AdminClientOptions {
  readonly url: URL;
  readonly token: string | undefined;
  readonly timeoutMs: number;
}

/** Requests to the operator's listener of a gateway. */
export class AdminClient {
  readonly #options: AdminClientOptions;
  readonly #client: Client;

  constructor(options: AdminClientOptions) {
    const { timeoutMs } = options;
    this.#options = options;
    this.#client = new Client(options.url.origin, {
      connectTimeout: timeoutMs,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
  }

  /** @throws AdminError */
  // biome-ignore lint/suspicious/noExplicitAny: the shapes are in the OpenAPI document
  async request(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: object): Promise<any> {
    const { token } = this.#options;
    const headers = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    const { statusCode, text } = await this.#send({
      method,
      path,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
    });
    if (statusCode === 200) return JSON.parse(text);
    throw new AdminError(`${statusCode}: ${text.trim()}`);
  }

  async close(): Promise<void> {
    await this.#client.destroy();
  }

  async #send(options: Parameters<Client['request']>[0]): Promise<{ statusCode: number; text: string }> {
    try {
      const { statusCode, body } = await this.#client.request(options);
      return { statusCode, text: await body.text() };
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code || (error as Error).message || 'no reason given';
      throw new AdminError(
        `the operator's listener at ${this.#options.url.origin} cannot be reached (${why}). Start a gateway with "encke start", or name another listener with --admin.`,
      );
    }
  }
}

/** `/clients/` and a name, whatever is in it. */
export function pathOf(room: string, name: string): string {
  return `/api/v1/${room}/${encodeURIComponent(name)}`;
}

/** @param parameters undefined ones are left out */
export function queryOf(
  room: string,
  parameters: Record<string, string | number | boolean | undefined>,
): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined) query.set(name, String(value));
  return `/api/v1/${room}${query.size === 0 ? '' : `?${query}`}`;
}
