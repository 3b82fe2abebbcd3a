/**
 * One MQTT connection over WebSocket. At QoS 1 and 2 a window of messages is on the wire, each until its PUBACK or
 * PUBCOMP. At QoS 0 it sends as many as the socket takes; a ping behind the last one proves that the server has read
 * them all.
 */
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Lane, type LaneOwner, REST_AFTER_ERROR_MS } from './lane.js';
import { FrameReader, type ReaderEvents } from './mqtt/frame-reader.js';
import { FrameWriter } from './mqtt/frame-writer.js';
import {
  CONNACK,
  connectPacket,
  connectRefusal,
  DISCONNECT_PACKET,
  type MqttQos,
  PINGREQ_PACKET,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBREC,
  PUBREL,
  readPacketId,
} from './mqtt/packets.js';
import { SendWindow } from './mqtt/send-window.js';
import { acceptOf, newKey, upgradeRequest } from './mqtt/upgrade.js';
import { SocketTraffic } from './traffic.js';

const OPEN_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 2000;
const KEEP_ALIVE_SEC = 60;
const PING_INTERVAL_MS = 40_000;
/** Most messages of one turn of the loop, so that answers are read in between. */
const TURN_LIMIT = 512;
const NORMAL_CLOSURE = 1000;
const PUBREL_HEAD = (PUBREL << 4) | 2;

export interface MqttLaneOptions {
  host: string;
  port: number;
  tls: boolean;
  /** Host and port of the server's URL. */
  hostHeader: string;
  path: string;
  clientId: string;
  username: string | undefined;
  password: string | undefined;
  qos: MqttQos;
  retain: boolean;
  /** Messages that may be unacknowledged. */
  window: number;
}

export class MqttLane implements Lane, ReaderEvents {
  readonly traffic = new SocketTraffic();
  readonly #index: number;
  readonly #owner: LaneOwner;
  readonly #options: MqttLaneOptions;
  readonly #key = newKey();
  readonly #reader = new FrameReader(1, acceptOf(this.#key), this);
  readonly #writer = new FrameWriter();
  /** At QoS 1 and 2. */
  readonly #window: SendWindow;
  #socket: Socket | undefined;
  #connected: (() => void) | undefined;
  #failed: ((error: Error) => void) | undefined;
  #open = false;
  #closing = false;
  #blocked = false;
  #turnPending = false;
  #concluding = false;
  #reason = '';
  /** At QoS 0: messages that were written, and may not have been read. */
  #unproven = 0;
  #pings = 0;
  #pingTimer: NodeJS.Timeout | undefined;
  #restTimer: NodeJS.Timeout | undefined;

  constructor(index: number, owner: LaneOwner, options: MqttLaneOptions) {
    this.#index = index;
    this.#owner = owner;
    this.#options = options;
    this.#window = new SendWindow(options.qos === 0 ? 0 : options.window);
  }

  get unanswered(): number {
    return this.#options.qos === 0 ? this.#unproven : this.#window.messages;
  }

  /** Visits nothing at QoS 0, where written messages are counted. */
  eachUnanswered(visit: (dueMs: number, sentMs: number) => void): void {
    this.#window.each(visit);
  }

  async open(): Promise<void> {
    const { host, port, tls } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#connected = resolve;
      this.#failed = reject;
      this.#reason = 'ended by the server';
      const socket = tls
        ? connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}) }).setNoDelay()
        : connect({ host, port, noDelay: true });
      socket.setTimeout(OPEN_TIMEOUT_MS, () => this.#fail('no answer'));
      socket.on(tls ? 'secureConnect' : 'connect', () => socket.write(this.#request, 'latin1'));
      socket.on('data', (bytes) => this.#receive(bytes));
      socket.on('drain', () => this.#unblock());
      socket.on('error', (error: NodeJS.ErrnoException) => {
        this.#reason = error.code || error.message || error.name;
      });
      socket.on('close', () => this.#gone());
      this.#socket = socket;
      this.traffic.count(socket);
    });
  }

  serve(): void {
    if (!this.#open || this.#blocked || this.#turnPending || this.#closing) return;
    const { qos, retain } = this.#options;
    const owner = this.#owner;
    let taken = 0;
    while (taken < TURN_LIMIT && (qos === 0 || this.#window.hasRoom) && owner.take(this.#index)) {
      taken++;
      const { takenId, takenDueMs } = owner;
      const topic = owner.addresses.id(takenId);
      const text = owner.takenText();
      const packetId = qos === 0 ? 0 : this.#window.take(takenDueMs, owner.nowMs);
      this.#writer.publish(topic, text, qos, packetId, retain);
      if (qos === 0) {
        this.#unproven++;
        owner.countWritten(takenDueMs);
      }
    }
    if (taken === TURN_LIMIT) {
      this.#turnPending = true;
      setImmediate(() => {
        this.#turnPending = false;
        this.serve();
        this.#owner.settled();
      });
    }
    this.#flush();
  }

  conclude(): void {
    if (this.#concluding || this.#options.qos > 0 || this.#unproven === 0 || !this.#open) return;
    this.#concluding = true;
    this.#ping();
  }

  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#pingTimer);
    clearTimeout(this.#restTimer);
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return;
    if (this.#open) {
      this.#writer.packet(DISCONNECT_PACKET);
      this.#writer.close(NORMAL_CLOSURE);
      this.#flush();
    }
    const timer = setTimeout(() => socket.destroy(), this.#open ? CLOSE_TIMEOUT_MS : 0);
    await new Promise((resolve) => socket.once('close', resolve));
    clearTimeout(timer);
  }

  upgraded(): void {
    const { clientId, username, password } = this.#options;
    this.#writer.packet(
      connectPacket({ clientId, cleanSession: true, keepAliveSec: KEEP_ALIVE_SEC, username, password }),
    );
  }

  refused(_connection: number, reason: string): void {
    this.#fail(reason);
  }

  ended(_connection: number, reason: string): void {
    this.#fail(reason);
  }

  pinged(_connection: number, payload: Buffer): void {
    this.#writer.pong(payload);
  }

  packet(_connection: number, head: number, bytes: Buffer, start: number, end: number): void {
    const type = head >> 4;
    if (type === PINGRESP) this.#ponged();
    else if (end - start < 2) this.#fail(`protocol error: packet type ${type} of ${end - start} bytes`);
    else if (type === CONNACK) this.#connack(bytes[start + 1]!);
    else if (type === PUBREC) this.#writer.acknowledge(PUBREL_HEAD, readPacketId(bytes, start));
    else if (type === PUBACK || type === PUBCOMP) this.#acknowledged(readPacketId(bytes, start));
  }

  get #request(): string {
    return upgradeRequest(this.#options.hostHeader, this.#options.path, this.#key);
  }

  #receive(bytes: Buffer): void {
    this.#reader.receive(0, bytes, bytes.length);
    if (this.#open) this.serve();
    this.#flush();
    if (this.#open) this.#owner.settled();
  }

  #connack(returnCode: number): void {
    if (returnCode !== 0) {
      this.#fail(connectRefusal(returnCode));
      return;
    }
    this.#open = true;
    this.#socket!.setTimeout(0);
    this.#pingTimer = setInterval(() => this.#ping(), PING_INTERVAL_MS);
    this.#connected?.();
  }

  #acknowledged(packetId: number): void {
    const window = this.#window;
    if (!window.has(packetId)) {
      this.#fail(`protocol error: packet id ${packetId} was not sent`);
      return;
    }
    window.release(packetId);
    if (!this.#owner.over) this.#owner.countSent(window.dueMs(packetId), window.sentMs(packetId));
  }

  #ping(): void {
    this.#pings++;
    this.#writer.packet(PINGREQ_PACKET);
    this.#flush();
  }

  #ponged(): void {
    if (--this.#pings > 0 || !this.#concluding) return;
    this.#concluding = false;
    this.#unproven = 0;
  }

  #flush(): void {
    if (this.#writer.length === 0) return;
    const bytes = this.#writer.take();
    if (this.#socket?.writable && !this.#socket.write(bytes)) this.#blocked = true;
  }

  #unblock(): void {
    this.#blocked = false;
    this.serve();
    this.#owner.settled();
  }

  #fail(reason: string): void {
    this.#reader.stop(0);
    this.#reason = reason;
    this.#socket!.destroy();
  }

  /** The outcome of messages on the wire is unknown. */
  #gone(): void {
    const wasOpen = this.#open;
    this.#open = false;
    this.#blocked = false;
    this.#concluding = false;
    this.#pings = 0;
    this.#reader.forget(0);
    clearInterval(this.#pingTimer);
    if (!wasOpen) {
      this.#failed?.(new Error(this.#reason));
      return;
    }
    if (this.#closing || this.#owner.over) return;
    this.#owner.countLost(this.#reason);
    this.#giveUpUnanswered();
    this.#rest();
    this.#owner.settled();
  }

  #giveUpUnanswered(): void {
    this.#unproven = 0;
    const kind = `not acknowledged: ${this.#reason}`;
    this.eachUnanswered((dueMs, sentMs) => this.#owner.countUnanswered(kind, dueMs, sentMs));
    this.#window.clear();
  }

  #rest(): void {
    this.#restTimer = setTimeout(async () => {
      try {
        await this.open();
        this.serve();
      } catch (error) {
        if (this.#closing) return;
        this.#owner.countLost((error as Error).message);
        this.#rest();
      }
    }, REST_AFTER_ERROR_MS);
  }
}
