import { EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import type { Test } from 'tap';
import { resetSocket } from '../../floodtest/reset-socket.js';
import { connectedEvent, connectTo } from '../tls-run.js';
import { until } from '../until.js';

/**
 * One TCP connection and exactly what came over it, for tests of the wire: the bytes, each read by itself, and
 * the chunks they frame. Reads HTTP on its own and strictly, so that no codec of the server or of a library
 * can cover up for a mistake.
 */

export interface Ask {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
}

export const bearer = (token: string): Ask => ({ headers: { Authorization: `Bearer ${token}` } });

export const basic = (user: string, password: string): Ask => ({
  headers: { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
});

export class Wire {
  readonly socket: Socket;
  /** Every read by itself. On loopback a write of the server of up to 64 KB is one. */
  readonly reads: Buffer[] = [];
  /** Status line and headers of the answer that is being read; empty until they are complete. */
  head = '';
  /** The chunks of a chunked answer, as they were framed; or the one body of another. */
  readonly chunks: Buffer[] = [];
  /** The answer has come to the end that HTTP gives it: its last chunk, or all of its Content-Length. */
  complete = false;
  closed = false;
  /** Error of the framing. */
  problem: string | undefined;
  #pending: Buffer = Buffer.alloc(0);
  #afterChunk = false;
  #reading = true;
  readonly #events = new EventEmitter();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (read) => {
      this.reads.push(read);
      if (this.#reading) this.#read(read);
    });
    socket.on('error', () => undefined); // a reset is a close here
    socket.on('close', () => {
      this.closed = true;
      this.#events.emit('end');
    });
  }

  /** @param from source address, for instance 127.0.0.9 */
  static async open(port: number, from?: string, host = '127.0.0.1'): Promise<Wire> {
    const socket = connectTo({
      port,
      host,
      ...(from === undefined ? {} : { localAddress: from }),
    });
    const wire = new Wire(socket);
    await once(socket, connectedEvent);
    return wire;
  }

  get status(): number {
    return Number(/^HTTP\/1\.1 (\d{3}) /.exec(this.head)?.[1]);
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.body.toString();
  }

  // biome-ignore lint/suspicious/noExplicitAny: what an answer holds is for the tests to say
  get json(): any {
    return JSON.parse(this.text);
  }

  /** Everything received, as it was. */
  get bytes(): Buffer {
    return Buffer.concat(this.reads);
  }

  header(name: string): string | undefined {
    return new RegExp(`^${name}: (.*)$`, 'im').exec(this.head)?.[1]?.trim();
  }

  /** Sends a request, and starts to read its answer. */
  ask(path: string, { method = 'GET', headers = {}, body }: Ask = {}): void {
    this.head = '';
    this.chunks.length = 0;
    this.complete = false;
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    const lines = Object.entries({ Host: 'localhost', ...length, ...headers });
    const head = `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
    this.socket.write(Buffer.concat([Buffer.from(head), Buffer.from(body ?? '')]));
  }

  /** From now on only the bytes are kept, and what they frame is the test's business. */
  stopReading(): void {
    this.#reading = false;
  }

  /** Waits until the body contains this text, in one chunk or over several: large messages come in pieces. */
  async saw(text: string, timeoutMs = 30_000): Promise<void> {
    let next = 0;
    let tail = '';
    const seen = () => {
      while (next < this.chunks.length) {
        const joined = tail + this.chunks[next++]!;
        if (joined.includes(text)) return true;
        tail = text.length > 1 ? joined.slice(1 - text.length) : '';
      }
      return false;
    };
    await until(`the stream says ${text.slice(0, 80)}`, seen, timeoutMs);
  }

  /** Not by looking now and then: tests ask hundreds of times. */
  async untilComplete(timeoutMs = 30_000): Promise<this> {
    if (!this.complete && !this.closed) {
      await once(this.#events, 'end', { signal: AbortSignal.timeout(timeoutMs) });
    }
    if (!this.complete) throw new Error(`closed before the answer was complete: ${this.head}${this.text}`);
    return this;
  }

  async untilClosed(timeoutMs = 30_000): Promise<void> {
    await until('the connection is closed', () => this.closed, timeoutMs);
  }

  /** Stops reading: from now on the kernel's buffers fill, and then the server's. */
  stall(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.socket.destroy();
    await this.untilClosed();
  }

  /** Closes with RST instead of FIN, as a peer does whose process was killed with bytes unread. */
  async reset(): Promise<void> {
    resetSocket(this.socket);
    await this.untilClosed();
  }

  #read(read: Buffer): void {
    this.#pending = this.#pending.length === 0 ? read : Buffer.concat([this.#pending, read]);
    if (this.head === '' && !this.#readHead()) return;
    if (/^Transfer-Encoding: chunked\r$/im.test(this.head)) while (this.#readChunk());
    else this.#readBody();
    if (this.complete) this.#events.emit('end');
  }

  #readHead(): boolean {
    const end = this.#pending.indexOf('\r\n\r\n');
    if (end === -1) return false;
    this.head = this.#take(end + 4).toString('latin1');
    return true;
  }

  #readBody(): void {
    const length = Number(this.header('Content-Length') ?? 0);
    if (this.complete || this.#pending.length < length) return;
    this.chunks.push(this.#take(length));
    this.complete = true;
  }

  /** The closing CRLF of a chunk may come with the next one, so a chunk counts once its data are here. */
  #readChunk(): boolean {
    if (this.complete || this.problem !== undefined) return false;
    const start = this.#afterChunk ? 2 : 0;
    const line = this.#pending.indexOf('\r\n', start);
    if (line === -1) return false;
    const size = this.#pending.toString('latin1', start, line);
    if (!/^[0-9a-fA-F]+$/.test(size) || (this.#afterChunk && !this.#pending.subarray(0, 2).equals(crlf))) {
      this.problem = `no chunk size: ${JSON.stringify(this.#pending.toString('latin1', 0, 80))}`;
      return false;
    }
    const end = line + 2 + Number.parseInt(size, 16);
    const last = end === line + 2;
    if (this.#pending.length < (last ? end + 2 : end)) return false;
    this.#afterChunk = !last;
    this.complete = last;
    const chunk = this.#take(end).subarray(line + 2);
    if (last) this.#take(2);
    else this.chunks.push(chunk);
    return true;
  }

  #take(bytes: number): Buffer {
    const taken = this.#pending.subarray(0, bytes);
    this.#pending = this.#pending.subarray(bytes);
    return taken;
  }
}

const crlf = Buffer.from('\r\n');

/** One request on a connection of its own, and its whole answer. */
export async function ask(port: number, path: string, options: Ask = {}): Promise<Wire> {
  const wire = await Wire.open(port);
  wire.ask(path, options);
  await wire.untilComplete();
  await wire.close();
  return wire;
}

/** An open stream; resolves when its greeting is here, and so it is logged in. */
export async function openStream(port: number, path: string, from?: string): Promise<Wire> {
  const wire = await Wire.open(port, from);
  wire.ask(path);
  await until(`${path} is open`, () => wire.chunks.length > 0 || wire.closed || wire.complete);
  if (wire.closed || wire.status !== 200) throw new Error(`${path} did not open: ${wire.head}${wire.text}`);
  wire.chunks.length = 0;
  return wire;
}

/** Opens a stream with these credentials, and closes it when the test ends. Resolves when the stream is open. */
export async function streamAs(t: Test, port: number, path: string, credentials: Ask): Promise<Wire> {
  const wire = await Wire.open(port);
  t.teardown(() => wire.close());
  wire.ask(path, credentials);
  await until(`${path} is open`, () => wire.chunks.length > 0 || wire.complete);
  t.equal(wire.status, 200);
  return wire;
}

/** The body of POST /send: one line a message. */
export function batchOf(messages: readonly { id: string; data: string; encoding?: string }[]): string {
  return messages.map((message) => `${JSON.stringify(message)}\n`).join('');
}
