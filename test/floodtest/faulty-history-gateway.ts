/**
 * A gateway with a history, to cut floodtest off from: SSE, NDJSON and long-poll that resume behind a cursor, and do
 * wrong only when told to.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatStamp, nowUs } from '../../msggen/stamp.js';

interface Listener {
  id: string;
  kind: 'events' | 'stream' | 'poll';
  response: ServerResponse;
}

/** Faults for a client that resumes from a cursor. */
export type Fault = 'drops' | 'doubles' | 'says it is gone' | 'says nothing' | 'reverses';

export class FaultyHistoryGateway {
  fault: Fault | undefined;
  /** Open now: streams, and polls that wait. */
  readonly listeners = new Set<Listener>();
  /** URLs of all requests, with the Last-Event-ID behind them. */
  readonly requests: string[] = [];
  /** Connections that were reset or closed. */
  gone = 0;
  readonly #histories = new Map<string, string[]>();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.on('connection', (socket) => socket.on('error', () => {}).on('close', () => this.gone++));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return this;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  sendStamped(id: string, publisher: string, ...seqs: number[]): void {
    for (const seq of seqs) this.send(id, `${formatStamp(publisher, seq, nowUs())}xxx`);
  }

  send(id: string, text: string): void {
    const history = this.#historyOf(id);
    history.push(text);
    for (const listener of [...this.listeners]) {
      if (listener.id === id) this.#write(listener, [text], history.length, true);
    }
  }

  heartbeat(): void {
    for (const { kind, response } of this.listeners) response.write(kind === 'events' ? ':\n' : '\n');
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, 'http://x');
    const lastEventId = request.headers['last-event-id'];
    this.requests.push(`${request.url}${lastEventId === undefined ? '' : ` ${lastEventId}`}`);
    const [, kind, id] = url.pathname.split('/') as [string, Listener['kind'], string];
    const listener = { id, kind, response };
    const cursor = url.searchParams.get('cursor') ?? (lastEventId as string | undefined);
    const history = this.#historyOf(id);
    const from = cursor === undefined ? history.length : Number(cursor.split(':')[1]);
    let missed = history.slice(from);
    const resumes = cursor !== undefined && url.searchParams.get('timeout') !== '25';
    const fault = resumes ? this.fault : undefined;
    if (fault === 'drops') missed = missed.slice(1);
    if (fault === 'doubles') missed = missed.flatMap((text) => [text, text]);
    if (fault === 'reverses') missed.reverse();
    const said = cursor === undefined || fault === 'says nothing' ? undefined : fault !== 'says it is gone';
    this.#begin(listener, from, said);
    if (missed.length > 0) this.#write(listener, missed, history.length, said);
    else if (url.searchParams.get('timeout') === '0') this.#endPoll(listener, [], history.length, said);
    if (response.writableEnded) return;
    this.listeners.add(listener);
    response.on('close', () => this.listeners.delete(listener));
  }

  #begin({ kind, response }: Listener, from: number, said: boolean | undefined): void {
    if (kind === 'poll') return;
    response.writeHead(200, {
      'content-type': kind === 'events' ? 'text/event-stream' : 'application/x-ndjson',
    });
    const [type, data] =
      said === undefined ? ['cursor', `{"cursor":"e:${from}"}`] : ['recovered', `{"recovered":${said}}`];
    if (kind === 'events') response.write(`retry: 1000\nevent: ${type}\nid: e:${from}\ndata: ${data}\n\n`);
    else response.write(`${JSON.stringify({ recovered: said ?? true, cursor: `e:${from}` })}\n`);
  }

  #write(listener: Listener, texts: string[], offset: number, said: boolean | undefined): void {
    const { kind, id, response } = listener;
    if (kind === 'poll') return this.#endPoll(listener, texts, offset, said);
    texts.forEach((text, i) => {
      const cursor = `e:${offset - texts.length + 1 + i}`;
      if (kind === 'events') {
        // The empty line that ends an event is a chunk of its own, as Encke has it.
        response.write(`id: ${cursor}\ndata: ${text}\n`);
        response.write('\n');
      } else {
        response.write(`${JSON.stringify({ id, data: text, time: Date.now(), cursor })}\n`);
      }
    });
  }

  #endPoll(listener: Listener, texts: string[], offset: number, said: boolean | undefined): void {
    const { id, response } = listener;
    this.listeners.delete(listener);
    response.setHeader('Encke-Cursor', `e:${offset}`);
    if (said !== undefined) response.setHeader('Encke-Recovered', String(said));
    if (texts.length === 0) {
      response.writeHead(204).end();
      return;
    }
    const messages = texts.map((data) => ({ id, data, time: Date.now() }));
    const body = JSON.stringify({ cursor: `e:${offset}`, recovered: said ?? true, more: false, messages });
    response.writeHead(200, { 'content-length': Buffer.byteLength(body) }).end(body);
  }

  #historyOf(id: string): string[] {
    const history = this.#histories.get(id) ?? [];
    this.#histories.set(id, history);
    return history;
  }
}
