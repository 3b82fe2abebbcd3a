import { retryAfterMs } from './backoff.js';
import { CorsError, RefusedError, UnavailableError } from './failure.js';
import type { ConnectOptions, FetchResponse, RequestHeaders } from './options.js';
import { unlessAborted } from './pause.js';

/** Where the server is and how it is asked: makes requests, and judges the status of what comes back. */

/** Of a browser's headers, besides the application's own. */
const usualHeaderBytes = 1024;
/** Of a cursor: before its colon, and of the offset of each id. */
const epochLengthMax = 32;
const offsetDigitsMax = 16;

/** Client errors that pass: timeout, too early, too many. */
const passing = new Set([408, 425, 429]);

export type Query = Readonly<Record<string, string | undefined>>;
type EndpointOptions = Pick<ConnectOptions, 'headers' | 'credentials' | 'fetch'>;

interface Page {
  location?: { href: string };
  document?: { baseURI: string };
  origin?: string;
}
const page = globalThis as Page;

/** Functions are the same where they are the same object. */
const numbers = new WeakMap<object, number>();
let functions = 0;

export class Endpoint {
  readonly #base: URL;
  readonly #options: EndpointOptions;
  readonly #headBytesMax: number;
  /** Headers that are known before the first request. */
  readonly #headers: readonly (readonly [name: string, value: string])[];

  /** @param url of the gateway; in a page, it may be relative to the page, as its links are */
  constructor(url: unknown, options: EndpointOptions, headBytesMax: number) {
    this.#base = urlOf(url);
    this.#options = options;
    this.#headBytesMax = headBytesMax;
    // Not Object.entries: in JavaScript there are those who give a Headers object, or pairs, as fetch takes them.
    this.#headers = typeof options.headers === 'function' ? [] : pairsOf(options.headers);
  }

  get href(): string {
    return this.#base.href;
  }

  get origin(): string {
    return this.#base.origin;
  }

  /** Endpoints with the same one make the same requests. */
  get key(): string {
    const { headers, credentials, fetch } = this.#options;
    const own = typeof headers === 'function' ? numberOf(headers) : this.#headers;
    return JSON.stringify([this.href, own, credentials, fetch && numberOf(fetch), this.#headBytesMax]);
  }

  /** A server refuses a larger head, at the latest when the client comes back with a cursor. @returns bytes past it */
  missingBytes(ids: readonly string[]): number {
    const offsets = ids.map(() => '9'.repeat(offsetDigitsMax));
    const longest = this.#urlOf('events', ids, {
      cursor: `${'e'.repeat(epochLengthMax)}:${offsets.join(',')}`,
    });
    const own = this.#headers.reduce((bytes, [name, { length }]) => bytes + name.length + length + 4, 0);
    return longest.length + own + usualHeaderBytes - this.#headBytesMax;
  }

  checkRoom(ids: readonly string[]): void {
    const missing = this.missingBytes(ids);
    if (missing <= 0) return;
    const max = this.#headBytesMax;
    throw new TypeError(
      `A request for these ids could be ${max + missing} bytes with its cursor, and servers take ${max}: connect several times, each for some of the ids, or raise --request-head-bytes-max and say so in requestHeadBytesMax.`,
    );
  }

  /** @returns an answer with a good status; throws otherwise */
  async ask(
    path: string,
    ids: readonly string[],
    query: Query,
    signal: AbortSignal,
    method: 'GET' | 'HEAD' = 'GET',
  ): Promise<FetchResponse> {
    const { headers, credentials, fetch = globalThis.fetch } = this.#options;
    for (let again = typeof headers === 'function'; ; again = false) {
      // Neither a function of the application nor a fetch that heeds no signal holds an attempt up for ever.
      const own = await unlessAborted(headersOf(headers), signal);
      const request = {
        method,
        signal,
        cache: 'no-store',
        ...(own && { headers: own }),
        ...(credentials && { credentials }),
      } as const;
      const asked = (async () => fetch(this.#urlOf(path, ids, query), request))();
      const response = await unlessAborted(
        asked.catch((error) => this.#explain(error, signal)),
        signal,
      );
      if (response.ok) return response;
      // A token that has run out is asked for anew, once.
      if (response.status === 401 && again) continue;
      return refuse(response);
    }
  }

  /**
   * A request that fails by CORS and one that fails by the network are the same TypeError. So the server is asked for
   * something that no page is kept from sending for: if that comes back, unread, the network is not what is wrong.
   */
  async #explain(error: unknown, signal: AbortSignal): Promise<never> {
    const { fetch = globalThis.fetch } = this.#options;
    const { origin } = page; // of about:srcdoc, too, where the location has none
    if (!(error instanceof TypeError) || origin === undefined || origin === this.#base.origin) throw error;
    const probe = new URL(this.#base);
    probe.pathname = `${probe.pathname.replace(/\/$/, '')}/client.js`;
    const request = { mode: 'no-cors', cache: 'no-store', credentials: 'omit', signal } as const;
    await fetch(probe.href, request).catch(() => {
      throw error;
    });
    throw new CorsError(this.#base.origin, origin, { cause: error });
  }

  #urlOf(path: string, ids: readonly string[], query: Query): string {
    const url = new URL(this.#base);
    url.pathname = `${url.pathname.replace(/\/$/, '')}/${path}`;
    for (const id of ids) url.searchParams.append('id', id);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return url.href;
  }
}

/** Relative to `<base href>`, if there is one; in about:srcdoc, to the page around it. */
function urlOf(given: unknown): URL {
  const base = page.document?.baseURI ?? page.location?.href;
  let url: URL;
  try {
    const address = (given as { href?: unknown } | null | undefined)?.href ?? given;
    if (typeof address !== 'string') throw given;
    url = new URL(address, base);
  } catch {
    const why =
      base === undefined ? 'outside of a page it must be absolute' : `it is no address from ${base}`;
    throw new TypeError(
      `The URL ${JSON.stringify(given)} cannot be used: ${why}, as https://push.example.com is.`,
    );
  }
  if (!/^https?:$/.test(url.protocol))
    throw new TypeError(`The URL ${url.href} cannot be used: it must begin with http: or https:.`);
  if (url.username !== '' || url.password !== '')
    throw new TypeError(
      'The URL has a user or a password in it, which fetch refuses: give an Authorization in headers.',
    );
  url.hash = '';
  return url;
}

async function headersOf(headers: EndpointOptions['headers']): Promise<RequestHeaders | undefined> {
  if (typeof headers !== 'function') return headers;
  try {
    const own = await headers();
    pairsOf(own);
    return own;
  } catch (error) {
    throw new UnavailableError(`headers failed: ${error}`, undefined, { cause: error });
  }
}

/** In order, with names in lower case; throws where they are none. */
function pairsOf(headers: RequestHeaders | undefined): [name: string, value: string][] {
  try {
    return [...new Headers(headers)];
  } catch (error) {
    throw new TypeError(`headers can never be sent: ${(error as Error).message}`, { cause: error });
  }
}

async function refuse(response: FetchResponse): Promise<never> {
  const { status, headers } = response;
  const text = (await response.text()).slice(0, 500);
  if (status >= 400 && status < 500 && !passing.has(status)) throw new RefusedError(status, text);
  throw new UnavailableError(
    `The server answered ${status}.`,
    retryAfterMs(headers.get('retry-after'), Date.now()),
  );
}

function numberOf(given: object): number {
  const known = numbers.get(given) ?? ++functions;
  numbers.set(given, known);
  return known;
}
