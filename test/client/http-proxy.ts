import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resetSocket } from '../../floodtest/reset-socket.js';

/** A proxy in front of the gateway that misbehaves when told to. */
export class HttpProxy {
  /** Event streams are kept back, as by a proxy that waits for the end of the body. */
  buffers = false;
  /** Nothing more is passed on of answers that have begun, and none is closed. */
  stalls = false;
  /** Of event streams the beginning comes through, and nothing behind it, as by a proxy that fills a buffer first. */
  holdsAfterGreeting = false;
  /** Event streams are cut so long after their beginning. */
  cutsStreamsAfterMs: number | undefined;
  /** A request without an answer by then gets 504, or is cut. */
  answersWithinMs: number | undefined;
  cutsLate = false;
  /** Of the line: a connection, and each piece of an answer, take so long. */
  latencyMs = 0;
  /** Answers this in place of the gateway. */
  refusal: { status: number; headers?: Record<string, string> } | undefined;
  /** Paths with their queries, as asked for. */
  readonly asked: string[] = [];
  readonly askedAtMs: number[] = [];
  readonly #open = new Set<ServerResponse>();
  readonly #server: Server;
  readonly #target: string;

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer((from, to) => this.#pass(from, to));
  }

  static async to(target: string): Promise<HttpProxy> {
    const proxy = new HttpProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resets all connections. @returns how many answers were under way */
  cut(): number {
    const count = this.#open.size;
    for (const { socket } of this.#open) if (socket !== null) resetSocket(socket);
    return count;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #pass(from: IncomingMessage, to: ServerResponse): void {
    this.asked.push(from.url!);
    this.askedAtMs.push(performance.now());
    if (this.refusal !== undefined) {
      to.writeHead(this.refusal.status, this.refusal.headers).end('refused by the proxy');
      return;
    }
    this.#open.add(to);
    const late = this.answersWithinMs && setTimeout(() => this.#endLate(to), this.answersWithinMs);
    const upstream = request(this.#target + from.url, {
      headers: from.headers,
      method: from.method!,
      agent: false,
    });
    to.once('close', () => {
      this.#open.delete(to);
      clearTimeout(late);
      upstream.destroy();
    });
    upstream.once('error', () => to.socket?.destroy());
    upstream.once('response', (answer) => {
      clearTimeout(late);
      this.#answer(answer, to);
    });
    upstream.end();
  }

  #endLate(to: ServerResponse): void {
    if (this.cutsLate && to.socket !== null) resetSocket(to.socket);
    else to.writeHead(504).end('The proxy has waited long enough.');
  }

  #answer(answer: IncomingMessage, to: ServerResponse): void {
    const isStream = answer.headers['content-type']?.startsWith('text/event-stream');
    const held = this.buffers && isStream;
    const { connection: _, 'transfer-encoding': __, ...headers } = answer.headers;
    const late = (step: () => void) => (this.latencyMs === 0 ? step() : setTimeout(step, this.latencyMs));
    if (!held) late(() => to.writeHead(answer.statusCode!, headers).flushHeaders());
    let pieces = 0;
    answer.on('data', (bytes) => {
      const passes = !held && !this.stalls && !(isStream && this.holdsAfterGreeting && pieces++ > 0);
      if (passes) late(() => to.write(bytes));
    });
    answer.once('end', () => late(() => to.end()));
    answer.once('error', () => to.socket?.destroy());
    if (isStream && this.cutsStreamsAfterMs !== undefined)
      setTimeout(() => to.socket && resetSocket(to.socket), this.cutsStreamsAfterMs);
  }
}
