import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { freePort } from '../free-port.js';

/** A real service that Encke asks who a client is. Its answers and its moods are the test's. */

export interface HookRequestSeen {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: which fields there are is for the tests to say
  readonly body: any;
}

export type HookMood =
  | 'good'
  | 'hangs'
  | 'away'
  | 'fails'
  | 'nonsense'
  | 'huge'
  | 'drips'
  | 'cuts'
  | 'redirects';

export class HookServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly seen: HookRequestSeen[] = [];
  mood: HookMood = 'good';
  /** The answer that the service gives in the mood `good`. */
  answer: (request: HookRequestSeen) => unknown = () => ({ result: 'allow' });
  headers: Record<string, string> = {};
  /** The status of its answers in the mood `fails`. */
  failsWith = 500;
  /** The most requests that the service worked on at once. */
  atOnceMax = 0;
  /** The number of connections that the service has had so far. */
  connections = 0;
  #atOnce = 0;
  #held: (() => void)[] | undefined;

  private constructor() {
    this.#server = createServer((request, response) => this.#serve(request, response));
    this.#server.on('connection', (socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(): Promise<HookServer> {
    const hook = new HookServer();
    await hook.listen(await freePort()); // it comes back to it
    return hook;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/encke/connect`;
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** Takes the service away; `listen` brings it back. */
  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cutConnections();
    await closed;
  }

  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Requests wait for their answers until `release` is called. */
  hold(): void {
    this.#held = [];
  }

  release(): void {
    for (const goOn of this.#held ?? []) goOn();
    this.#held = undefined;
  }

  get heldCount(): number {
    return this.#held?.length ?? 0;
  }

  /** Answers the request that waits longest; the others wait on. */
  releaseFirst(): void {
    this.#held?.shift()?.();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#atOnce++;
    this.atOnceMax = Math.max(this.atOnceMax, this.#atOnce);
    response.on('close', () => this.#atOnce--);
    let text = '';
    for await (const chunk of request) text += chunk;
    const seen: HookRequestSeen = {
      method: request.method!,
      path: request.url!,
      authorization: request.headers.authorization,
      body: JSON.parse(text),
    };
    this.seen.push(seen);
    if (this.#held !== undefined) await new Promise<void>((resolve) => this.#held!.push(resolve));
    this.#answer(seen, response);
  }

  #answer(seen: HookRequestSeen, response: ServerResponse): void {
    switch (this.mood) {
      case 'hangs':
        return;
      case 'away':
        response.writeHead(503).end('{"result":"allow"}');
        return;
      case 'fails':
        response.writeHead(this.failsWith).end('{"result":"allow"}');
        return;
      case 'nonsense':
        response.end('<html>allow</html>');
        return;
      case 'redirects':
        response.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end();
        return;
      case 'huge':
        response.end(JSON.stringify({ result: 'allow', rules: [], more: 'x'.repeat(1024 * 1024) }));
        return;
      case 'cuts':
        response.write('{"result":');
        response.destroy();
        return;
      case 'drips': {
        response.write('{"result":"allow"');
        const timer = setInterval(() => response.write(' '), 20);
        response.on('close', () => clearInterval(timer));
        return;
      }
      default:
        response.writeHead(200, { 'Content-Type': 'application/json', ...this.headers });
        response.end(JSON.stringify(this.answer(seen)));
    }
  }
}
