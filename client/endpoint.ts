import { retryAfterMs } from './backoff.js';
import { CorsError, RefusedError, UnavailableError } from './failure.js';

/** Where the server is and which ids are asked for: makes requests, and judges the status of what comes back. */

/** Of a browser's headers, besides the application's own. */
const usualHeaderBytes = 1024;
/** Of a cursor: before its colon, and of the offset of each id. */
const epochLengthMax = 32;
const offsetDigitsMax = 16;

/** Client errors that pass: timeout, too early, too many. */
const passing = new Set([408, 425, 429]);

export interface EndpointOptions {
  readonly headers?: Record<string, string> | undefined;
  readonly credentials?: 'omit' | 'same-origin' | 'include' | undefined;
  readonly fetch?: typeof fetch | undefined;
}

export class Endpoint {
  readonly #base: URL;
  readonly #ids: readonly string[];
  readonly #options: EndpointOptions;

  /** @param url of the gateway; in a page, it may be relative to the page */
  constructor(url: string | URL, ids: readonly string[], options: EndpointOptions) {
    const page = (globalThis as { location?: { href: string } }).location?.href;
    this.#base = new URL(url, page);
    this.#ids = ids;
    this.#options = options;
  }

  get href(): string {
    return this.#base.href;
  }

  /** Of the largest request that may come to be: with a cursor of full length. */
  get headBytesMax(): number {
    const offsets = this.#ids.map(() => '9'.repeat(offsetDigitsMax));
    const longest = this.#urlOf('events', { cursor: `${'e'.repeat(epochLengthMax)}:${offsets.join(',')}` });
    const headers = Object.entries(this.#options.headers ?? {});
    const own = headers.reduce((bytes, [name, value]) => bytes + name.length + value.length + 4, 0);
    return longest.length + own + usualHeaderBytes;
  }

  /** @returns an answer with a good status; throws otherwise */
  async get(path: string, query: Record<string, string | undefined>, signal: AbortSignal): Promise<Response> {
    const { headers, credentials, fetch = globalThis.fetch } = this.#options;
    const request = {
      signal,
      cache: 'no-store',
      ...(headers && { headers }),
      ...(credentials && { credentials }),
    };
    const response = await fetch(this.#urlOf(path, query), request).catch((error) =>
      this.#explain(error, signal),
    );
    if (!response.ok) await refuse(response);
    return response;
  }

  /**
   * A request that fails by CORS and one that fails by the network are the same TypeError. So the server is asked for
   * something that no page is kept from sending for: if that comes back, unread, the network is not what is wrong.
   */
  async #explain(error: unknown, signal: AbortSignal): Promise<never> {
    const { fetch = globalThis.fetch } = this.#options;
    const page = (globalThis as { location?: { origin: string } }).location?.origin;
    if (!(error instanceof TypeError) || page === undefined || page === this.#base.origin) throw error;
    const probe = new URL(this.#base);
    probe.pathname = `${probe.pathname.replace(/\/$/, '')}/client.js`;
    const request = { mode: 'no-cors', cache: 'no-store', credentials: 'omit', signal } as const;
    await fetch(probe.href, request).catch(() => {
      throw error;
    });
    throw new CorsError(this.#base.origin, page, { cause: error });
  }

  #urlOf(path: string, query: Record<string, string | undefined>): string {
    const url = new URL(this.#base);
    url.pathname = `${url.pathname.replace(/\/$/, '')}/${path}`;
    for (const id of this.#ids) url.searchParams.append('id', id);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return url.href;
  }
}

async function refuse(response: Response): Promise<never> {
  const { status, headers } = response;
  const text = (await response.text()).slice(0, 500);
  if (status >= 400 && status < 500 && !passing.has(status)) throw new RefusedError(status, text);
  throw new UnavailableError(
    `The server answered ${status}.`,
    retryAfterMs(headers.get('retry-after'), Date.now()),
  );
}
