import { Client } from 'undici';

/** Why the router API did not do what it was asked, as a sentence. */
export class GraphApiError extends Error {}

/** Of `POST /graph`. */
export interface ChangesAnswer {
  readonly added: number;
  readonly unchanged: number;
  readonly bad: number;
  readonly errors: readonly { readonly line: number; readonly error: string }[];
  readonly error?: string;
}

/** Of `GET /graph`. */
export interface EdgesAnswer {
  readonly count: number;
  readonly edges: readonly (readonly [subscriber: string, subscribee: string])[];
  readonly next?: string;
}

/** The graph's calls of the router API, over one connection. */
export class GraphApi {
  readonly #client: Client;
  readonly #origin: string;
  readonly #headers: Record<string, string>;

  constructor({ origin }: URL, token: string | undefined) {
    this.#client = new Client(origin, { headersTimeout: 60_000, bodyTimeout: 60_000 });
    this.#origin = origin;
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  /** @throws GraphApiError. Lines that are no edges are in the answer. */
  async change(body: string): Promise<ChangesAnswer> {
    const { status, text } = await this.#ask('POST', '/graph', body);
    const answer = parsed(text) as ChangesAnswer | undefined;
    const isDone = status === 200 || status === 400 || status === 403;
    if (!isDone || answer === undefined || !Array.isArray(answer.errors))
      throw new GraphApiError(`${status}: ${answer?.error ?? text.trim()}`);
    return answer;
  }

  /** @param after `next` of the page before @throws GraphApiError */
  async edges(after: string | undefined, limit: number): Promise<EdgesAnswer> {
    const query = after === undefined ? '' : `&after=${after}`;
    const { status, text } = await this.#ask('GET', `/graph?limit=${limit}${query}`);
    const answer = parsed(text) as EdgesAnswer | undefined;
    if (status !== 200 || answer === undefined) throw new GraphApiError(`${status}: ${text.trim()}`);
    return answer;
  }

  async close(): Promise<void> {
    await this.#client.destroy();
  }

  async #ask(method: 'GET' | 'POST', path: string, body?: string): Promise<{ status: number; text: string }> {
    try {
      const response = await this.#client.request({
        method,
        path,
        body: body ?? null,
        headers: this.#headers,
      });
      return { status: response.statusCode, text: await response.body.text() };
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code || (error as Error).message;
      throw new GraphApiError(
        `the router API at ${this.#origin} cannot be reached (${why}). Start it with "encke start", or name another with --url.`,
      );
    }
  }
}

function parsed(text: string): object | undefined {
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}
