import { connect as connectTo, type Socket } from 'node:net';
import { resetSocket } from '../../../floodtest/reset-socket.js';
import { extentOf, type Received, readPacket } from '../../conformance/mqtt-3.1.1/received-packet.js';
import { frame, opcodes, ServerFrames } from '../../fuzz/frames.js';
import type { SeededRandom } from '../../seeded-random.js';

/** One WebSocket of a client, with packets on it: no state of MQTT, and nothing of the server's codec. */
export class RawClient {
  closed = false;
  /** From now on nothing that comes is looked at, as if it had been lost on the way. */
  deaf = false;
  readonly #socket: Socket;
  readonly #random: SeededRandom;
  readonly #frames = new ServerFrames();
  readonly #onPacket: (packet: Received) => void;
  readonly #onClosed: (why: string) => void;
  /** Packets sent before the answer to the upgrade. */
  readonly #early: Buffer[] = [];
  #head = '';
  #upgraded = false;
  #packets: Buffer = Buffer.alloc(0);
  #why = 'without a close frame';

  constructor(
    port: number,
    random: SeededRandom,
    { onPacket, onClosed }: { onPacket: (packet: Received) => void; onClosed: (why: string) => void },
  ) {
    this.#random = random;
    this.#onPacket = onPacket;
    this.#onClosed = onClosed;
    this.#socket = connectTo({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (bytes) => this.#read(bytes));
    this.#socket.on('error', () => undefined); // a reset is an end here
    this.#socket.on('close', () => {
      this.closed = true;
      this.#onClosed(this.#why);
    });
    this.#socket.write(
      'GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n',
    );
  }

  /** In one frame. What is sent before the upgrade is answered waits for it. */
  send(...packets: Buffer[]): void {
    const bytes = frame(this.#random, Buffer.concat(packets), { opcode: opcodes.binary });
    if (this.#upgraded) this.#socket.write(bytes);
    else this.#early.push(bytes);
  }

  /** Gone without a good-bye. */
  drop(way: 'reset' | 'end'): void {
    this.deaf = true;
    if (way === 'end') this.#socket.end();
    else resetSocket(this.#socket);
  }

  #read(bytes: Buffer): void {
    let unread = bytes;
    if (!this.#upgraded) {
      const before = this.#head.length;
      this.#head += bytes.toString('latin1');
      const end = this.#head.indexOf('\r\n\r\n');
      if (end === -1) return;
      if (!this.#head.startsWith('HTTP/1.1 101 ')) throw new Error(`no upgrade: ${this.#head}`);
      this.#upgraded = true;
      for (const early of this.#early) this.#socket.write(early);
      unread = bytes.subarray(end + 4 - before);
    }
    this.#frames.push(unread, (opcode, payload) => {
      if (opcode === opcodes.binary) this.#readPackets(payload);
      else if (opcode === opcodes.close) this.#why = payload.toString('latin1', 2);
    });
  }

  #readPackets(payload: Buffer): void {
    this.#packets = Buffer.concat([this.#packets, payload]);
    for (;;) {
      const extent = this.#packets.length < 2 ? undefined : extentOf(this.#packets);
      if (extent === undefined || extent.end > this.#packets.length) return;
      const packet = readPacket(this.#packets.subarray(0, extent.end));
      this.#packets = this.#packets.subarray(extent.end);
      if (!this.deaf) this.#onPacket(packet);
    }
  }
}
