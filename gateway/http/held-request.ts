import type { HttpRequest } from 'uWebSockets.js';

/** Cost of a header field besides its text: an array and two strings. */
const fieldBytes = 96;

/** The copy of a request whose route is entered in a later turn, when uWS's own is no longer valid. */
export class HeldRequest implements HttpRequest {
  readonly #method: string;
  readonly #url: string;
  readonly #query: string;
  readonly #fields: [name: string, value: string][] = [];
  /** About what it holds. */
  readonly bytes: number;

  /** In the route handler only. */
  constructor(request: HttpRequest) {
    this.#method = request.getCaseSensitiveMethod();
    this.#url = request.getUrl();
    this.#query = request.getQuery() ?? '';
    let bytes = this.#url.length + this.#query.length;
    request.forEach((name, value) => {
      this.#fields.push([name, value]);
      bytes += fieldBytes + name.length + value.length;
    });
    this.bytes = bytes;
  }

  getHeader(lowerCaseKey: string): string {
    return this.#fields.find(([name]) => name === lowerCaseKey)?.[1] ?? '';
  }

  /** No route of this gateway has parameters. */
  getParameter(): undefined {
    return undefined;
  }

  getUrl(): string {
    return this.#url;
  }

  getMethod(): string {
    return this.#method.toLowerCase();
  }

  getCaseSensitiveMethod(): string {
    return this.#method;
  }

  getQuery(): string;
  getQuery(key: string): string | undefined;
  getQuery(key?: string): string | undefined {
    return key === undefined ? this.#query : (new URLSearchParams(this.#query).get(key) ?? undefined);
  }

  forEach(visit: (name: string, value: string) => void): void {
    for (const [name, value] of this.#fields) visit(name, value);
  }

  /** Too late: its route is chosen. */
  setYield(): HttpRequest {
    return this;
  }
}
