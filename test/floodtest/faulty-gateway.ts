/**
 * A gateway to flood that speaks both transports and does wrong only when told to: what is lost, doubled, reordered,
 * refused or closed is decided by the test.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resetSocket } from '../../floodtest/reset-socket.js';
import { formatStamp, nowUs } from '../../msggen/stamp.js';

interface Stream {
  id: string;
  kind: 'test' | 'stream';
  response: ServerResponse;
  sent: number;
  remoteAddress: string;
}

export class FaultyGateway {
  readonly streams: Stream[] = [];
  /** So many of the next connections are answered with 503. */
  refuseNext = 0;
  /** Requests are taken and never answered. */
  mute = false;
  /** Streams that ended by the client's doing. */
  gone = 0;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  get url(): string {
    const { address, port, family } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  async listen(address = '127.0.0.1'): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(0, address, resolve);
    });
    return this;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** To every connection of the id, one chunk each. */
  send(id: string, text: string): void {
    for (const stream of this.#of(id)) stream.response.write(pieceOf(stream, text));
  }

  sendStamped(id: string, publisher: string, ...seqs: number[]): void {
    for (const seq of seqs) this.send(id, `${formatStamp(publisher, seq, nowUs())}xxx`);
  }

  /** Several messages in one chunk. */
  sendTogether(id: string, texts: string[]): void {
    for (const stream of this.#of(id)) {
      stream.response.write(texts.map((text) => pieceOf(stream, text)).join('\n'));
    }
  }

  heartbeat(): void {
    for (const { response } of this.streams) response.write('\n');
  }

  /** Ends the streams of an id in good order. */
  end(id: string): void {
    for (const { response } of this.#of(id)) response.end();
  }

  /** Closes the connections of an id in the middle of their stream: without its last chunk, and without a reset. */
  cutShort(id: string): void {
    for (const { response } of this.#of(id)) response.socket?.end();
  }

  /** Cuts the connections of an id with a reset. */
  reset(id: string): void {
    for (const { response } of this.#of(id)) if (response.socket !== null) resetSocket(response.socket);
  }

  #of(id: string): Stream[] {
    return this.streams.filter((stream) => stream.id === id);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.mute) return;
    if (this.refuseNext > 0) {
      this.refuseNext--;
      response.writeHead(503, { 'retry-after': '5' }).end('full');
      return;
    }
    const [, kind, ...levels] = request.url!.split('/');
    if (kind !== 'test' && kind !== 'stream') {
      response.writeHead(404).end();
      return;
    }
    const id = levels.map(decodeURIComponent).join('/');
    this.streams.push({ id, kind, response, sent: 0, remoteAddress: request.socket.remoteAddress! });
    response.on('close', () => this.gone++);
    response.writeHead(200, { 'content-type': kind === 'test' ? 'text/html' : 'application/x-ndjson' });
    response.write(kind === 'test' ? `<p>Logged in as ${id}</p>` : '\n');
  }
}

function pieceOf(stream: Stream, text: string): string {
  stream.sent++;
  return stream.kind === 'test'
    ? `Recvd msg #${stream.sent}: '${text}'<br/>`
    : `${JSON.stringify({ id: stream.id, data: text, time: Date.now() })}\n`;
}
