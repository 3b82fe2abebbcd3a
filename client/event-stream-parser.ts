/**
 * Parses `text/event-stream` (HTML, section 9.2.6) from bytes that may be split anywhere. Keeps what is incomplete: a
 * character, a line, an event.
 */

export interface ServerSentEvent {
  /** `message` where the stream gives no type. */
  readonly type: string;
  readonly data: string;
  /** The last `id:` up to this event; empty if there was none. */
  readonly lastEventId: string;
}

export interface EventStreamHandlers {
  onEvent(event: ServerSentEvent): void;
  /** `retry:`: when to reconnect. */
  onRetry(delayMs: number): void;
}

export class EventStreamParser {
  /** Removes a byte order mark at the beginning of the stream. */
  readonly #decoder = new TextDecoder();
  readonly #handlers: EventStreamHandlers;
  #line = '';
  /** The last line ended with CR: an LF that follows belongs to it. */
  #afterCr = false;
  #type = '';
  #data: string[] = [];
  #id = '';
  #lastEventId = '';

  constructor(handlers: EventStreamHandlers) {
    this.#handlers = handlers;
  }

  /** Of the last complete event, also of one without data. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  push(bytes: Uint8Array): void {
    const text = this.#decoder.decode(bytes, { stream: true });
    let start = 0;
    for (let i = 0; i < text.length; i++) {
      const char = text[i];
      const endsCrLf = char === '\n' && this.#afterCr;
      this.#afterCr = char === '\r';
      if (endsCrLf) {
        start = i + 1;
      } else if (char === '\n' || char === '\r') {
        const line = this.#line + text.slice(start, i);
        this.#line = '';
        start = i + 1;
        this.#read(line);
      }
    }
    this.#line += text.slice(start);
  }

  #read(line: string): void {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return; // a comment
    if (colon === -1) return this.#field(line, '');
    const value = line.slice(colon + 1);
    this.#field(line.slice(0, colon), value.startsWith(' ') ? value.slice(1) : value);
  }

  #field(name: string, value: string): void {
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#type = value;
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
    else if (name === 'retry' && /^[0-9]+$/.test(value)) this.#handlers.onRetry(Number(value));
  }

  #dispatch(): void {
    const type = this.#type === '' ? 'message' : this.#type;
    const lines = this.#data;
    this.#type = '';
    this.#data = [];
    this.#lastEventId = this.#id;
    if (lines.length === 0) return;
    this.#handlers.onEvent({ type, data: lines.join('\n'), lastEventId: this.#id });
  }
}
