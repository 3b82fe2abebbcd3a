import { CorsError, RefusedError, UnavailableError } from './failure.js';
import type { ConnectOptions, FetchResponse, RequestHeaders } from './options.js';
import { unlessAborted } from './pause.js';
import { retryAfterMs } from './reconnect-backoff.js';

/** The address of the server and the options of its requests. Sends requests and checks the status of the answers. */

/** Bytes of a browser's headers, besides the application's own. */
const usualHeaderBytes = 1024;
/** Longest parts of a cursor: the epoch before the colon, and the offset of each id. */
const epochLengthMax = 32;
const offsetDigitsMax = 16;

/** Client errors that pass by themselves: timeout, too early, too many requests. */
const passing = new Set([408, 425, 429]);

export type Query = Readonly<Record<string, string | undefined>>;
type EndpointOptions = Pick<ConnectOptions, 'headers' | 'token' | 'credentials' | 'fetch'>;

interface Page {
  location?: { href: string };
  document?: { baseURI: string };
  origin?: string;
}
const page = globalThis as Page;

/** Numbers of functions: the same function has the same number. */
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
    // Not Object.entries: JavaScript callers may pass a Headers object, or pairs, as fetch accepts them.
    this.#headers = typeof options.headers === 'function' ? [] : pairsOf(options.headers);
  }

  get href(): string {
    return this.#base.href;
  }

  get origin(): string {
    return this.#base.origin;
  }

  /** Endpoints with the same key send the same requests. */
  get key(): string {
    const { headers, token, credentials, fetch } = this.#options;
    const own = typeof headers === 'function' ? numberOf(headers) : this.#headers;
    const given = [token, fetch].map((each) => each && numberOf(each));
    return JSON.stringify([this.href, own, credentials, given, this.#headBytesMax]);
  }

  /** @returns how many bytes a request with a cursor exceeds the server's limit */
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

  /** Whether a new token can be had for a stream whose token ends. */
  get renewsToken(): boolean {
    return this.#options.token !== undefined;
  }

  /** @returns an answer with a good status; throws otherwise */
  async ask(
    path: string,
    ids: readonly string[],
    query: Query,
    signal: AbortSignal,
    method: 'GET' | 'HEAD' | 'POST' = 'GET',
  ): Promise<FetchResponse> {
    const { headers, credentials, fetch = globalThis.fetch } = this.#options;
    for (let again = typeof headers === 'function' || this.renewsToken; ; again = false) {
      // A function of the application, or a fetch that ignores the signal, must not delay an attempt for ever.
      const own = await unlessAborted(headersOf(this.#options), signal);
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
      // The token may have expired: the function is called once more.
      if (response.status === 401 && again) continue;
      return refuse(response);
    }
  }

  /**
   * A request that fails by CORS and one that fails by the network give the same TypeError. So this sends a request
   * that every page may send, in mode `no-cors`. If it succeeds, the network works.
   */
  async #explain(error: unknown, signal: AbortSignal): Promise<never> {
    const { fetch = globalThis.fetch } = this.#options;
    const { origin } = page; // also set in about:srcdoc, where the location has no origin
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

/** Relative to `<base href>` if there is one. In about:srcdoc, relative to the page around it. */
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

async function headersOf({ headers, token }: EndpointOptions): Promise<RequestHeaders | undefined> {
  try {
    const own = typeof headers === 'function' ? await headers() : headers;
    const all = token
      ? { ...Object.fromEntries(pairsOf(own)), authorization: `Bearer ${await token()}` }
      : own;
    pairsOf(all);
    return all;
  } catch (error) {
    throw new UnavailableError(`headers failed: ${error}`, undefined, { cause: error });
  }
}

/** Pairs in order, with names in lower case. Throws for what is no header. */
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
