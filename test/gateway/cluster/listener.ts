import { type ClientRequest, get, type IncomingMessage } from 'node:http';

export interface HeardMessage {
  id: string;
  data: string;
  cursor?: string;
  /** When it came, performance.now(). */
  atMs: number;
}

export interface ListenerOptions {
  /** Go on from the cursor of the last message. */
  resume?: boolean;
  /** A stream has begun, at the gateway of this number; it has ended; a message has come. */
  onOpen?(at: number): void;
  onClose?(): void;
  onMessage?(message: HeardMessage): void;
}

/**
 * A client with a stream of NDJSON lines, that goes to the next gateway when its stream ends, as clients do; from its
 * cursor on, where it is told to resume.
 */
export class Listener {
  /** Where nobody else takes them. */
  readonly heard: HeardMessage[] = [];
  /** The answer to the cursor of each resume. */
  readonly recovered: boolean[] = [];
  /** Streams that have begun. */
  opened = 0;
  /** Of the gateway that it is at now; -1 = none. */
  at = -1;
  readonly #urls: readonly string[];
  readonly #ids: readonly string[];
  readonly #options: ListenerOptions;
  #cursor: string | undefined;
  #next = 0;
  #closed = false;
  #request: ClientRequest | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(urls: readonly string[], ids: readonly string[], options: ListenerOptions = {}) {
    this.#urls = urls;
    this.#ids = ids;
    this.#options = options;
    this.#open();
  }

  get open(): boolean {
    return this.at !== -1;
  }

  get texts(): string[] {
    return this.heard.map(({ data }) => data);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#request?.destroy();
  }

  #open(): void {
    const at = this.#next++ % this.#urls.length;
    const query = new URLSearchParams(this.#ids.map((id): [string, string] => ['id', id]));
    if (this.#options.resume && this.#cursor !== undefined) query.set('cursor', this.#cursor);
    this.#request = get(`${this.#urls[at]}/stream?${query}`, { agent: false }, (response) => {
      if (response.statusCode === 200) this.#read(response, at);
      else response.resume();
    });
    this.#request.on('error', () => {});
    this.#request.on('close', () => this.#again());
  }

  #again(): void {
    if (this.open) this.#options.onClose?.();
    this.at = -1;
    if (!this.#closed) this.#retry = setTimeout(() => this.#open(), 20);
  }

  #read(response: IncomingMessage, at: number): void {
    let text = '';
    this.opened++;
    response.setEncoding('utf8');
    response.on('error', () => {});
    response.on('data', (chunk: string) => {
      if (!this.open) this.#options.onOpen?.(at);
      this.at = at;
      const lines = (text + chunk).split('\n');
      text = lines.pop()!;
      for (const line of lines) if (line.trim() !== '') this.#hear(JSON.parse(line));
    });
  }

  #hear(line: HeardMessage & { recovered?: boolean }): void {
    if (line.cursor !== undefined) this.#cursor = line.cursor;
    if (line.recovered !== undefined) this.recovered.push(line.recovered);
    if (line.id === undefined) return;
    const message = { ...line, atMs: performance.now() };
    if (this.#options.onMessage === undefined) this.heard.push(message);
    else this.#options.onMessage(message);
  }
}
