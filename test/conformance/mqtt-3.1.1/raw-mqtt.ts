import { createHash, randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import { resetSocket } from '../../../floodtest/reset-socket.js';
import { fenceId, onTwoNodes } from '../../one-process.js';
import { connectedEvent, connectTo } from '../../tls-run.js';
import { disconnect, pingreq, publish, pubrel, subscribe } from './packet-bytes.js';
import { extentOf, type Publication, type Received, readPacket } from './received-packet.js';

/**
 * One MQTT connection over WebSocket as bytes on a socket. It sends what it is told, also what no client may
 * send, in the frames it is told; and it reads strictly, so that no library covers up for a mistake.
 */

export interface Endpoint {
  host: string;
  port: number;
  path: string;
  /** Resolves when what has been published before is with who is connected; where that takes more than a PINGRESP. */
  arrived?: () => Promise<void>;
}

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const patienceMs = 5_000;

/** The headers of an upgrade, to be sent to the endpoint by whatever sends requests. */
export function upgradeHeaders(subprotocols: readonly string[], key = newKey()): Record<string, string> {
  return {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': key,
    ...(subprotocols.length === 0 ? {} : { 'Sec-WebSocket-Protocol': subprotocols.join(', ') }),
  };
}

export class RawMqtt {
  /** Status line and headers of the answer to the upgrade. */
  head = '';
  closed = false;
  /** Of the WebSocket's close frame; undefined when the server sent none. */
  closeCode: number | undefined;
  closeReason = '';
  /** Payloads of the pongs received. */
  readonly pongs: string[] = [];
  readonly #socket: Socket;
  readonly #events = new EventEmitter();
  readonly #unread: Buffer[] = [];
  #wire: Buffer = Buffer.alloc(0);
  #stream: Buffer = Buffer.alloc(0);
  #problem: Error | undefined;
  readonly #arrived: (() => Promise<void>) | undefined;

  private constructor(socket: Socket, arrived: (() => Promise<void>) | undefined) {
    this.#socket = socket;
    this.#arrived = arrived;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => {
      this.#wire = Buffer.concat([this.#wire, bytes]);
      this.#read();
    });
    socket.on('error', () => undefined); // a reset is a close here
    socket.on('close', () => {
      this.closed = true;
      this.#events.emit('change');
    });
  }

  /** Connects and upgrades; no packet is sent. @param further headers of the request */
  static async open(
    endpoint: Endpoint,
    subprotocols: readonly string[] = ['mqtt'],
    further: Readonly<Record<string, string>> = {},
  ): Promise<RawMqtt> {
    const socket = connectTo({ port: endpoint.port, host: endpoint.host });
    const client = new RawMqtt(socket, endpoint.arrived);
    await once(socket, connectedEvent);
    const key = newKey();
    const host = `${endpoint.host}:${endpoint.port}`;
    const headers = { Host: host, ...upgradeHeaders(subprotocols, key), ...further };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`GET ${endpoint.path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    await client.#until('the answer to the upgrade', () => client.head !== '' || client.closed);
    if (!client.head.startsWith('HTTP/1.1 101 ') || client.header('Sec-WebSocket-Accept') !== accept(key)) {
      socket.destroy();
      throw new Error(`no upgrade: ${client.head}`);
    }
    return client;
  }

  header(name: string): string | undefined {
    return new RegExp(`^${name}: *(.*)$`, 'im').exec(this.head)?.[1]?.trim();
  }

  /** These packets, whole or not, in one binary frame. */
  send(...bytes: Uint8Array[]): void {
    this.sendFrame(opcodes.binary, Buffer.concat(bytes));
  }

  sendFrame(opcode: number, payload: Uint8Array, final = true): void {
    const mask = randomBytes(4);
    const masked = Buffer.from(payload).map((byte, index) => byte ^ mask[index % 4]!);
    const { length } = payload;
    const size = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 0xff];
    const large = Buffer.alloc(9, 0x80 | 127);
    large.writeBigUInt64BE(BigInt(length), 1);
    const head = [Buffer.from([(final ? 0x80 : 0) | opcode]), length > 0xffff ? large : Buffer.from(size)];
    this.#socket.write(Buffer.concat([...head, mask, masked]));
  }

  /** Several frames in one write to the socket. */
  batch(send: () => void): void {
    this.#socket.cork();
    send();
    this.#socket.uncork();
  }

  async nextBytes(): Promise<Buffer> {
    await this.#until('a packet', () => this.#unread.length > 0 || this.closed);
    const bytes = this.#unread.shift();
    if (bytes === undefined)
      throw new Error(`closed (${this.closeCode} ${this.closeReason}) instead of a packet`);
    return bytes;
  }

  async next(): Promise<Received> {
    return readPacket(await this.nextBytes());
  }

  async nextPublish(): Promise<Publication> {
    const packet = await this.next();
    if (packet.type !== 'PUBLISH') throw new Error(`not a PUBLISH: ${JSON.stringify(packet)}`);
    return packet;
  }

  async nextPublishes(count: number): Promise<Publication[]> {
    const packets: Publication[] = [];
    while (packets.length < count) packets.push(await this.nextPublish());
    return packets;
  }

  /**
   * Asks until all that is due has come. Nothing forbids a server to write a PINGRESP ahead of the messages that it
   * collects in the same turn; those are here before the second one.
   * @returns everything but the PINGRESPs
   */
  async untilPong(): Promise<Received[]> {
    const before: Received[] = [];
    for (const place of ['ahead', 'behind']) {
      if (place === 'behind') await this.#arrived?.();
      this.send(pingreq());
      for (;;) {
        const packet = await this.next();
        if (packet.type === 'PINGRESP') break;
        before.push(packet);
      }
    }
    return before;
  }

  /** Subscribes and waits for the SUBACK. Retained messages may follow; messages may also come before it (3.8.4). */
  async subscribe(filter: string, qos = 0): Promise<void> {
    this.send(subscribe(0x5b5b, [filter, qos]));
    const early: Buffer[] = [];
    let bytes = await this.nextBytes();
    for (; readPacket(bytes).type === 'PUBLISH'; bytes = await this.nextBytes()) early.push(bytes);
    this.#unread.unshift(...early);
    const answer = readPacket(bytes);
    if (answer.type !== 'SUBACK' || answer.returnCodes[0] !== qos)
      throw new Error(`subscribing to ${filter}: ${JSON.stringify(answer)}`);
  }

  /** Publishes and waits until the server has taken the message, at QoS 2 to the PUBCOMP. */
  async publish(topic: string, payload: string, { qos = 1, retain = false } = {}): Promise<void> {
    const id = 0x7b7b;
    this.send(publish(topic, payload, { qos, retain, ...(qos > 0 && { id }) }));
    if (qos === 1) await this.#answered('PUBACK');
    if (qos === 2) {
      await this.#answered('PUBREC');
      this.send(pubrel(id));
      await this.#answered('PUBCOMP');
    }
    const more = (await this.untilPong()).map(({ type }) => type).join();
    if (more !== '') throw new Error(`publishing at QoS ${qos}: ${more}`);
  }

  async #answered(type: Received['type']): Promise<void> {
    const answer = await this.next();
    if (answer.type !== type) throw new Error(`not a ${type}: ${JSON.stringify(answer)}`);
  }

  /** Waits until the server has closed the connection. @returns the packets that were not read before */
  async untilClosed(): Promise<Received[]> {
    await this.#until('the server closes the connection', () => this.closed);
    return this.#unread.splice(0).map(readPacket);
  }

  /** Leaves as a client should: DISCONNECT, then the end of the connection. */
  async disconnect(): Promise<void> {
    this.send(disconnect());
    this.#socket.end();
    await this.untilClosed();
  }

  /** Is gone without a word, as when the network fails: RST. */
  async drop(): Promise<void> {
    resetSocket(this.#socket);
    await this.#until('the socket is gone', () => this.closed);
  }

  /** Closes the sending side only; what the server still says can be read. */
  half(): void {
    this.#socket.end();
  }

  async #until(what: string, condition: () => boolean): Promise<void> {
    const deadline = performance.now() + patienceMs;
    while (!condition()) {
      if (this.#problem !== undefined) throw this.#problem;
      const leftMs = Math.max(1, Math.ceil(deadline - performance.now()));
      await once(this.#events, 'change', { signal: AbortSignal.timeout(leftMs) }).catch(() => {
        throw new Error(`waited ${patienceMs} ms in vain for: ${what}`);
      });
    }
  }

  #read(): void {
    try {
      if (this.head === '') this.#readHead();
      if (this.head !== '') while (this.#readFrame());
    } catch (error) {
      this.#problem = error as Error;
    }
    this.#events.emit('change');
  }

  #readHead(): void {
    const end = this.#wire.indexOf('\r\n\r\n');
    if (end === -1) return;
    this.head = this.#wire.toString('latin1', 0, end + 4);
    this.#wire = this.#wire.subarray(end + 4);
  }

  #readFrame(): boolean {
    const [first, second] = this.#wire;
    if (first === undefined || second === undefined) return false;
    if (first & 0x70 || second & 0x80)
      throw new Error(`a frame with a reserved bit or a mask: ${first} ${second}`);
    const start = second < 126 ? 2 : second === 126 ? 4 : 10;
    if (this.#wire.length < start) return false;
    const length =
      second < 126
        ? second
        : second === 126
          ? this.#wire.readUInt16BE(2)
          : Number(this.#wire.readBigUInt64BE(2));
    if (this.#wire.length < start + length) return false;
    const payload = this.#wire.subarray(start, start + length);
    this.#wire = this.#wire.subarray(start + length);
    this.#takeFrame(first & 0x0f, payload);
    return true;
  }

  #takeFrame(opcode: number, payload: Buffer): void {
    if (opcode === opcodes.close) {
      this.closeCode = payload.length < 2 ? 1005 : payload.readUInt16BE(0);
      this.closeReason = payload.toString('utf8', 2);
      this.sendFrame(opcodes.close, payload.subarray(0, 2));
      this.#socket.end();
    } else if (opcode === opcodes.ping) this.sendFrame(opcodes.pong, payload);
    else if (opcode === opcodes.pong) this.pongs.push(payload.toString());
    else if (opcode === opcodes.text) throw new Error('the server sent a text frame');
    else this.#takeBytes(payload);
  }

  #takeBytes(bytes: Buffer): void {
    this.#stream = Buffer.concat([this.#stream, bytes]);
    for (;;) {
      const extent = extentOf(this.#stream);
      if (extent === undefined || this.#stream.length < extent.end) return;
      const packet = this.#stream.subarray(0, extent.end);
      this.#stream = this.#stream.subarray(extent.end);
      if (!isFence(packet)) this.#unread.push(packet);
    }
  }
}

/** It is what this waited for, and nothing that the test has sent. */
function isFence(packet: Buffer): boolean {
  return onTwoNodes && packet[0]! >> 4 === 3 && packet.includes(fenceId);
}

function newKey(): string {
  return randomBytes(16).toString('base64');
}

function accept(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}
