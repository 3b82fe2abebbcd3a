/** A router API to send to, which remembers what came and can stall, refuse or answer wrongly on request. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Taken {
  path: string;
  body: string;
  /** Tells the connections apart. */
  remotePort: number;
  atMs: number;
}

export class ApiServer {
  readonly taken: Taken[] = [];
  /** Over which messages came. */
  readonly sockets = new Set<Socket>();
  status = 200;
  /** The `delivered` of one message. */
  deliveredEach = 1;
  /** Lines of a batch that are called bad. */
  badEach = 0;
  token: string | undefined;
  readonly #server: Server;
  #stalled: (() => void)[] | undefined;

  constructor() {
    this.#server = createServer((request, response) => this.#take(request, response));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  /** From now on nothing is answered, until `goOn`. */
  stall(): void {
    this.#stalled ??= [];
  }

  goOn(): void {
    const stalled = this.#stalled ?? [];
    this.#stalled = undefined;
    for (const answer of stalled) answer();
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const piece of request) body += piece;
    if (this.token !== undefined && request.headers.authorization !== `Bearer ${this.token}`) {
      response.writeHead(401).end();
      return;
    }
    if (request.method === 'GET') {
      response.end('{}');
      return;
    }
    const remotePort = request.socket.remotePort!;
    this.sockets.add(request.socket);
    this.taken.push({ path: request.url!, body, remotePort, atMs: performance.now() });
    const messages = request.url === '/send' ? body.trim().split('\n').length - this.badEach : 1;
    const answer = () => {
      response.writeHead(this.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ delivered: messages * this.deliveredEach, bad: this.badEach }));
    };
    if (this.#stalled === undefined) answer();
    else this.#stalled.push(answer);
  }
}
