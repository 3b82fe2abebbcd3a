import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { until } from '../../until.js';

/** One TLS connection, and what came over it. */
export class TlsClient {
  readonly socket: TLSSocket;
  text = '';
  closed = false;

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.text += bytes;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
    });
  }

  /** @throws Error of the handshake */
  static async open(
    port: number,
    authorityFile: string,
    options: ConnectionOptions = {},
  ): Promise<TlsClient> {
    const usual = { port, host: '127.0.0.1', ca: readFileSync(authorityFile), servername: 'localhost' };
    const socket = connect({ ...usual, ...options });
    await once(socket, 'secureConnect');
    return new TlsClient(socket);
  }

  /** Of the certificate that the server has shown. */
  get serverName(): string {
    return this.socket.getPeerCertificate().subject.CN as string;
  }

  get fingerprint(): string {
    return this.socket.getPeerCertificate().fingerprint256;
  }

  ask(path: string, host = 'localhost', headers = ''): void {
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${headers}\r\n`);
  }

  async saw(text: string): Promise<void> {
    await until(`${text} has come`, () => this.text.includes(text));
  }

  close(): void {
    this.socket.destroy();
  }
}
