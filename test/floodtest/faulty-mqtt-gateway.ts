/**
 * An MQTT gateway to flood and to publish to, which does wrong only when told to: what is lost, doubled, reordered,
 * refused or left without an answer is decided by the test. Its frames and packets are its own, taken apart by hand.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { formatStamp, nowUs } from '../../msggen/stamp.js';

export interface Taken {
  clientId: string;
  topic: string;
  text: string;
  qos: number;
  retain: boolean;
  packetId: number;
  atMs: number;
}

export interface PublishOptions {
  qos?: number;
  dup?: boolean;
  retain?: boolean;
  packetId?: number;
}

export class FaultyMqttGateway {
  readonly clients: MqttClient[] = [];
  /** PUBLISHes that came, in order. */
  readonly taken: Taken[] = [];
  /** Return code of CONNACK, session present, and what SUBACK grants; undefined: as asked. */
  returnCode = 0;
  sessionPresent = false;
  granted: number | undefined;
  /** Answers the upgrade with this status instead. */
  upgradeStatus = 101;
  subprotocol = 'mqtt';
  /** PUBREC is answered with PUBREL. */
  releases = true;
  /** Pings are not answered. */
  deaf = false;
  /** Acknowledgements are kept back, in order. */
  stalled: (() => void)[] | undefined;
  /** Bytes that are sent in frames of this size, and packets across them. */
  frameBytes = Number.POSITIVE_INFINITY;
  /** Called before SUBACK, after it, and after UNSUBACK, in the turn in which those are sent. */
  onSubscribe: ((client: MqttClient) => void) | undefined;
  onSubscribed: ((client: MqttClient) => void) | undefined;
  onUnsubscribed: ((client: MqttClient, filter: string) => void) | undefined;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((_request, response) => response.writeHead(426).end());
    this.#server.on('upgrade', (request, socket) => this.#upgrade(request, socket as Socket));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  close(): void {
    for (const { socket } of this.clients) socket.destroy();
    this.#server.close();
  }

  get connected(): MqttClient[] {
    return this.clients.filter(({ gone }) => !gone);
  }

  /** Connected and subscribed. */
  get subscribed(): MqttClient[] {
    return this.connected.filter(({ filter }) => filter !== undefined);
  }

  subscriberOf(filter: string): MqttClient {
    return this.subscribed.find((client) => client.filter === filter)!;
  }

  stall(): void {
    this.stalled ??= [];
  }

  goOn(): void {
    const stalled = this.stalled ?? [];
    this.stalled = undefined;
    for (const answer of stalled) answer();
  }

  #upgrade(request: IncomingMessage, socket: Socket): void {
    socket.on('error', () => {});
    if (this.upgradeStatus !== 101) {
      socket.end(`HTTP/1.1 ${this.upgradeStatus} Refused\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${this.subprotocol}\r\n\r\n`,
    );
    this.clients.push(new MqttClient(this, socket, request));
  }
}

export class MqttClient {
  readonly gateway: FaultyMqttGateway;
  readonly socket: Socket;
  readonly path: string;
  clientId = '';
  connectFlags = 0;
  keepAliveSec = 0;
  username: string | undefined;
  password: string | undefined;
  filter: string | undefined;
  /** QoS asked for. */
  qos = 0;
  /** First bytes of the packets that came, without the PUBLISHes. */
  readonly heads: number[] = [];
  readonly acknowledged: number[] = [];
  pongs: string[] = [];
  gone = false;
  #bytes = Buffer.alloc(0);
  #packetId = 0;

  constructor(gateway: FaultyMqttGateway, socket: Socket, request: IncomingMessage) {
    this.gateway = gateway;
    this.socket = socket;
    this.path = request.url!;
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('close', () => {
      this.gone = true;
    });
  }

  publish(topic: string, text: string, options: PublishOptions = {}): void {
    const { qos = 0, dup = false, retain = false, packetId } = options;
    const id = qos === 0 ? [] : [packetId ?? ++this.#packetId];
    const body = Buffer.concat([field(topic), ...id.map(word), Buffer.from(text)]);
    this.sendPacket(0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0), body);
  }

  publishStamped(topic: string, publisher: string, seqs: number[], options: PublishOptions = {}): void {
    // 2 ms old: the clocks of two processes may differ by a few tenths of one, and a latency is never shown below 0.
    for (const seq of seqs) this.publish(topic, `${formatStamp(publisher, seq, nowUs() - 2000)}xxx`, options);
  }

  sendPacket(head: number, body: Buffer): void {
    const length: number[] = [];
    let rest = body.length;
    do {
      length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
      rest >>= 7;
    } while (rest > 0);
    const packet = Buffer.concat([Buffer.of(head, ...length), body]);
    const { frameBytes } = this.gateway;
    for (let at = 0; at < packet.length; at += frameBytes) {
      this.sendFrame(0x82, packet.subarray(at, Math.min(packet.length, at + frameBytes)));
    }
  }

  sendFrame(head: number, payload: Buffer): void {
    const size = payload.length < 126 ? [payload.length] : [126, payload.length >> 8, payload.length & 0xff];
    this.socket.write(Buffer.concat([Buffer.of(head, ...size), payload]));
  }

  #receive(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    for (;;) {
      const frame = this.#bytes;
      if (frame.length < 6) return;
      const masked = (frame[1]! & 0x80) !== 0;
      let size = frame[1]! & 0x7f;
      let at = 2;
      if (size === 126) {
        size = frame.readUInt16BE(2);
        at = 4;
      }
      if (frame.length < at + 4 + size) return;
      const key = frame.subarray(at, at + 4);
      const payload = Buffer.from(frame.subarray(at + 4, at + 4 + size)).map((byte, i) => byte ^ key[i % 4]!);
      this.#bytes = frame.subarray(at + 4 + size);
      if (!masked) throw new Error('a client must mask its frames');
      if (frame[0] === 0x82) this.#packet(Buffer.from(payload));
      else if (frame[0] === 0x88) this.socket.end(Buffer.of(0x88, 0));
      else if (frame[0] === 0x8a) this.pongs.push(Buffer.from(payload).toString());
      else throw new Error(`a frame that begins with ${frame[0]}`);
    }
  }

  /** The tools send one packet a frame. */
  #packet(packet: Buffer): void {
    const type = packet[0]! >> 4;
    let at = 1;
    while (packet[at++]! > 0x7f);
    const body = packet.subarray(at);
    if (type !== 3) this.heads.push(packet[0]!);
    if (type === 1) this.#connect(body);
    else if (type === 3) this.#publish(packet[0]!, body);
    else if (type === 8) this.#subscribe(body);
    else if (type === 10) this.#unsubscribe(body);
    else if (type === 12 && !this.gateway.deaf) this.sendPacket(0xd0, Buffer.alloc(0));
    else if (type === 5 && this.gateway.releases) this.sendPacket(0x62, body);
    else if (type === 6) this.#answer(() => this.sendPacket(0x70, body));
    else if (type === 4 || type === 7) this.acknowledged.push(body.readUInt16BE());
  }

  #connect(body: Buffer): void {
    const { gateway } = this;
    this.connectFlags = body[7]!;
    this.keepAliveSec = body.readUInt16BE(8);
    const texts: string[] = [];
    for (let at = 10; at < body.length; ) {
      const size = body.readUInt16BE(at);
      texts.push(body.toString('utf8', at + 2, at + 2 + size));
      at += 2 + size;
    }
    [this.clientId = '', this.username, this.password] = texts;
    this.sendPacket(0x20, Buffer.of(gateway.sessionPresent ? 1 : 0, gateway.returnCode));
  }

  #subscribe(body: Buffer): void {
    this.filter = body.toString('utf8', 4, body.length - 1);
    this.qos = body.at(-1)!;
    this.gateway.onSubscribe?.(this);
    const granted = this.gateway.granted ?? this.qos;
    this.sendPacket(0x90, Buffer.concat([body.subarray(0, 2), Buffer.of(granted)]));
    this.gateway.onSubscribed?.(this);
  }

  #unsubscribe(body: Buffer): void {
    this.filter = undefined;
    this.sendPacket(0xb0, body.subarray(0, 2));
    this.gateway.onUnsubscribed?.(this, body.toString('utf8', 4));
  }

  #publish(head: number, body: Buffer): void {
    const qos = (head >> 1) & 3;
    const topicEnd = 2 + body.readUInt16BE();
    const packetId = qos === 0 ? 0 : body.readUInt16BE(topicEnd);
    const text = body.toString('utf8', topicEnd + (qos === 0 ? 0 : 2));
    const topic = body.toString('utf8', 2, topicEnd);
    const { clientId, gateway } = this;
    const retain = (head & 1) === 1;
    gateway.taken.push({ clientId, topic, text, qos, retain, packetId, atMs: performance.now() });
    if (qos === 1) this.#answer(() => this.sendPacket(0x40, word(packetId)));
    if (qos === 2) this.#answer(() => this.sendPacket(0x50, word(packetId)));
  }

  #answer(answer: () => void): void {
    if (this.gateway.stalled === undefined) answer();
    else this.gateway.stalled.push(answer);
  }
}

function word(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}

function field(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([word(bytes.length), bytes]);
}
