import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type Connect, connect, puback } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { extentOf, type Publication, readPacket } from '../../conformance/mqtt-3.1.1/received-packet.js';
import type { GatewayProcess } from '../../gateway-process.js';
import { upgradeRequest } from '../../mqtt-bytes.js';
import { fenceId, onTwoNodes } from '../../one-process.js';
import { connectedEvent, connectTo } from '../../tls-run.js';
import { until } from '../../until.js';

const connack = Buffer.from([0x82, 4, 0x20, 2]);

/** A client that connects and then does not read, until it is told to: the kernel's buffers fill, and then the server's. */
export class StuckClient {
  closed = false;
  /** Of the close frame. */
  closeCode: number | undefined;
  closeReason = '';
  readonly #socket: Socket;
  #reads: Buffer[] = [];
  #packets: Buffer = Buffer.alloc(0);
  readonly #publications: Publication[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => undefined); // a reset is a close here
    socket.on('close', () => {
      this.closed = true;
    });
  }

  /** A WebSocket on which nothing has been sent, and from which nothing is read. */
  static async open(gateway: GatewayProcess): Promise<StuckClient> {
    const socket = connectTo({ port: gateway.port, host: '127.0.0.1' });
    const client = new StuckClient(socket);
    await once(socket, connectedEvent);
    socket.write(upgradeRequest);
    await once(socket, 'data');
    socket.pause();
    return client;
  }

  static async connect(gateway: GatewayProcess, options: Connect): Promise<StuckClient> {
    const client = await StuckClient.open(gateway);
    const socket = client.#socket;
    let said = Buffer.alloc(0);
    const read = (bytes: Buffer) => {
      said = Buffer.concat([said, bytes]);
    };
    socket.on('data', read);
    socket.resume();
    client.send(connect(options));
    await until('CONNACK has come', () => said.includes(connack) && said.length >= said.indexOf(connack) + 6);
    socket.pause();
    socket.off('data', read);
    client.#reads = [said.subarray(said.indexOf(connack) + 6)]; // a session goes on in the same write
    return client;
  }

  /** Written out and not yet taken by the system, bytes. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  /** In one frame; its mask is zero, so that the packets stand in it as they are. */
  send(...packets: Uint8Array[]): void {
    this.#sendFrame(0x82, Buffer.concat(packets));
  }

  /** A text frame, which MQTT has none of. */
  sendText(text: string): void {
    this.#sendFrame(0x81, Buffer.from(text));
  }

  /** Of a close frame that has come. */
  takeCloseCode(): number | undefined {
    this.#readFrames();
    return this.closeCode;
  }

  #sendFrame(first: number, payload: Buffer): void {
    const head = Buffer.alloc(payload.length < 126 ? 6 : payload.length < 65_536 ? 8 : 14);
    head[0] = first;
    head[1] = 0x80 | (payload.length < 126 ? payload.length : payload.length < 65_536 ? 126 : 127);
    if (head.length === 8) head.writeUInt16BE(payload.length, 2);
    if (head.length === 14) head.writeBigUInt64BE(BigInt(payload.length), 2);
    this.#socket.write(Buffer.concat([head, payload]));
  }

  /** Reads on. */
  resume(): void {
    this.#socket.removeAllListeners('data');
    this.#socket.on('data', (bytes) => this.#reads.push(bytes));
    this.#socket.resume();
  }

  /** PUBLISH packets that have come since the last call; those at QoS 1 are acknowledged. */
  takePublications(): Publication[] {
    this.#readFrames();
    const taken = this.#publications.splice(0).filter(({ topic }) => !onTwoNodes || topic !== fenceId);
    const acknowledgements = taken.filter(({ qos }) => qos === 1).map(({ id }) => puback(id));
    if (acknowledgements.length > 0 && !this.closed) this.send(...acknowledgements);
    return taken;
  }

  async destroy(): Promise<void> {
    this.#socket.destroy();
    await until('the socket is gone', () => this.closed);
  }

  #readFrames(): void {
    const wire = Buffer.concat(this.#reads);
    const payloads = [this.#packets];
    let at = 0;
    for (let end = frameEnd(wire, at); end !== undefined; end = frameEnd(wire, at)) {
      const payload = wire.subarray(end - payloadLength(wire, at), end);
      if (wire[at] === 0x82) payloads.push(payload);
      if (wire[at] === 0x88) {
        this.closeCode = payload.readUInt16BE(0);
        this.closeReason = payload.toString('utf8', 2);
      }
      at = end;
    }
    this.#reads = [wire.subarray(at)];
    this.#readPackets(Buffer.concat(payloads));
  }

  #readPackets(stream: Buffer): void {
    let rest = stream;
    for (;;) {
      const extent = extentOf(rest);
      if (extent === undefined || rest.length < extent.end) break;
      const packet = readPacket(rest.subarray(0, extent.end));
      if (packet.type === 'PUBLISH') this.#publications.push(packet);
      rest = rest.subarray(extent.end);
    }
    this.#packets = rest;
  }
}

/** Where the frame at `at` ends; undefined while it is not all there. */
function frameEnd(wire: Buffer, at: number): number | undefined {
  const second = wire[at + 1];
  if (second === undefined || wire.length < at + 10) {
    if (second === undefined || second > 125) return undefined;
  }
  const header = second < 126 ? 2 : second === 126 ? 4 : 10;
  const end = at + header + payloadLength(wire, at);
  return end > wire.length ? undefined : end;
}

function payloadLength(wire: Buffer, at: number): number {
  const second = wire[at + 1]!;
  if (second < 126) return second;
  return second === 126 ? wire.readUInt16BE(at + 2) : Number(wire.readBigUInt64BE(at + 2));
}
