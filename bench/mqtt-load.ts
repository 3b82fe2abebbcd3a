import { connect, type Socket } from 'node:net';
import { resetSocket } from '../floodtest/reset-socket.js';
import {
  connectPacket,
  frame,
  mqttSubscriber,
  pubackPacket,
  publishPacket,
  upgradeRequest,
} from '../test/mqtt-bytes.js';

/**
 * Subscribers and publishers over MQTT, as cheap as a client can be: one receive buffer, nothing parsed but what must
 * be counted and acknowledged. So that it is the server that is measured.
 */
export class MqttLoad {
  readonly #port: number;
  readonly #buffer = Buffer.allocUnsafe(256 * 1024);
  readonly #subscribers: Peer[] = [];
  readonly #publishers: Peer[] = [];
  /** PUBLISH packets that subscribers have got. */
  received = 0;
  /** PUBACK packets that publishers have got. */
  acknowledged = 0;
  closed = 0;
  #ready = 0;
  #closing = false;

  constructor(port: number) {
    this.#port = port;
  }

  /** @param topicOf by number; each subscriber has one */
  async subscribe(count: number, qos: number, topicOf: (n: number) => string = String): Promise<void> {
    const network = `127.${byte()}.${byte()}`;
    for (let from = 0; from < count; from += 200) {
      const until = Math.min(count, from + 200);
      for (let n = from; n < until; n++) {
        const opening = mqttSubscriber(n, qos, topicOf(n));
        // Of one address, 64 may be without their CONNECT.
        this.#subscribers.push(this.#connect(opening.second!, `${network}.${1 + (n % 200)}`));
      }
      // CONNACK and SUBACK of each.
      while (this.#ready < until * 2) await this.#turn();
    }
  }

  async addPublishers(count: number): Promise<void> {
    const ready = this.#ready + count;
    for (let n = 0; n < count; n++) {
      this.#publishers.push(this.#connect(frame(connectPacket(`publisher-${n}`)), '127.0.0.1'));
    }
    while (this.#ready < ready) await this.#turn();
  }

  /** Publishes, each publisher in its turn `perWrite` messages in one write, with at most `window` on their way. */
  async publish(options: {
    messages: number;
    perWrite: number;
    window: number;
    qos: number;
    topicOf: () => string;
    subscribersOfTopic?: number;
    payload: string;
  }): Promise<void> {
    const { messages, perWrite, window, qos, topicOf, subscribersOfTopic = 1, payload } = options;
    const receivedBefore = this.received;
    const acknowledgedBefore = this.acknowledged;
    let packetId = 0;
    for (let sent = 0, n = 0; sent < messages; n++) {
      while (sent - (this.received - receivedBefore) / subscribersOfTopic > window - perWrite)
        await this.#turn();
      const frames: Buffer[] = [];
      for (let i = 0; i < perWrite && sent < messages; i++, sent++) {
        packetId = (packetId % 65_535) + 1;
        frames.push(frame(publishPacket(topicOf(), payload, qos, packetId)));
      }
      this.#publishers[n % this.#publishers.length]!.socket.write(Buffer.concat(frames));
    }
    while (this.received - receivedBefore < messages * subscribersOfTopic) await this.#turn();
    while (qos > 0 && this.acknowledged - acknowledgedBefore < messages) await this.#turn();
  }

  async close(): Promise<void> {
    this.#closing = true;
    const gone = [...this.#subscribers, ...this.#publishers].map(
      ({ socket }) => new Promise((resolve) => resetSocket(socket.once('close', resolve))),
    );
    await Promise.all(gone);
  }

  /** Lets the loop turn once. @throws when a connection has been closed */
  async #turn(): Promise<void> {
    if (this.closed > 0) throw new Error(`${this.closed} connections were closed`);
    await new Promise((resolve) => setImmediate(resolve));
  }

  #connect(then: Uint8Array, localAddress: string): Peer {
    let upgraded = false;
    const peer: Peer = { socket: undefined as never, rest: undefined };
    peer.socket = connect({
      port: this.#port,
      host: '127.0.0.1',
      localAddress,
      noDelay: true,
      onread: {
        buffer: this.#buffer,
        callback: (length) => {
          if (upgraded) this.#read(peer, this.#buffer.subarray(0, length));
          else {
            upgraded = true; // the whole head, as nothing follows it before CONNECT
            peer.socket.write(then);
          }
          return true;
        },
      },
    });
    peer.socket.once('connect', () => peer.socket.write(upgradeRequest));
    peer.socket.on('error', () => {}); // 'close' follows, and is counted
    peer.socket.once('close', () => {
      if (!this.#closing) this.closed++;
    });
    return peer;
  }

  /** Server frames are not masked, and Encke writes one packet in each. */
  #read(peer: Peer, chunk: Buffer): void {
    const bytes = peer.rest === undefined ? chunk : Buffer.concat([peer.rest, chunk]);
    const acknowledgements: Buffer[] = [];
    let at = 0;
    while (at + 2 <= bytes.length) {
      const short = bytes[at + 1]!;
      const header = short === 126 ? 4 : 2;
      if (at + header > bytes.length) break;
      const length = short === 126 ? bytes.readUInt16BE(at + 2) : short;
      const start = at + header;
      if (start + length > bytes.length) break;
      this.#count(bytes, start, acknowledgements);
      at = start + length;
    }
    peer.rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : undefined;
    if (acknowledgements.length > 0) peer.socket.write(Buffer.concat(acknowledgements));
  }

  #count(bytes: Buffer, start: number, acknowledgements: Buffer[]): void {
    const first = bytes[start]!;
    switch (first >> 4) {
      case 2: // CONNACK
      case 9: // SUBACK
        this.#ready++;
        return;
      case 4:
        this.acknowledged++;
        return;
      case 3: {
        this.received++;
        if ((first & 6) === 0) return;
        const topicAt = start + (bytes[start + 1]! < 0x80 ? 2 : 3);
        const packetIdAt = topicAt + 2 + bytes.readUInt16BE(topicAt);
        acknowledgements.push(frame(pubackPacket(bytes.readUInt16BE(packetIdAt))));
      }
    }
  }
}

interface Peer {
  socket: Socket;
  rest: Buffer | undefined;
}

function byte(): number {
  return 1 + Math.floor(Math.random() * 254);
}
