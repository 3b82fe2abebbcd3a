import { routerApi } from '../api-call.js';
import { CallError, ServerConnection } from '../server-connection.js';

const timeoutMs = 60_000;
const connectTimeoutMs = 10_000;

/** The answer of `POST /graph`. */
export interface ChangesAnswer {
  readonly added: number;
  readonly unchanged: number;
  readonly bad: number;
  readonly errors: readonly { readonly line: number; readonly error: string }[];
  readonly error?: string;
}

/** The answer of `GET /graph`. */
export interface EdgesAnswer {
  readonly count: number;
  readonly edges: readonly (readonly [subscriber: string, subscribee: string])[];
  readonly next?: string;
}

/** Calls the router API for the graph, over one connection. */
export class GraphApi {
  readonly #connection: ServerConnection;

  constructor(url: URL, token: string | undefined) {
    this.#connection = new ServerConnection(routerApi, { url, token, timeoutMs, connectTimeoutMs });
  }

  /** Changes edges. The answer names the lines that are no edges. @throws CallError */
  async change(body: string): Promise<ChangesAnswer> {
    const { status, text } = await this.#connection.call({ method: 'POST', path: '/graph', body });
    const answer = parsed(text) as ChangesAnswer | undefined;
    const isDone = status === 200 || status === 400 || status === 403;
    if (!isDone || answer === undefined || !Array.isArray(answer.errors))
      throw new CallError(`${status}: ${answer?.error ?? text}`);
    return answer;
  }

  /** Reads a page of edges. @param after the `next` of the page before @throws CallError */
  async edges(after: string | undefined, limit: number): Promise<EdgesAnswer> {
    const query = after === undefined ? '' : `&after=${after}`;
    const { status, text } = await this.#connection.call({
      method: 'GET',
      path: `/graph?limit=${limit}${query}`,
    });
    const answer = parsed(text) as EdgesAnswer | undefined;
    if (status !== 200 || answer === undefined) throw new CallError(`${status}: ${text}`);
    return answer;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

function parsed(text: string): object | undefined {
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}
