import { connect as connectTo, type Socket } from 'node:net';
import { resetSocket } from '../../floodtest/reset-socket.js';
import * as bytes from '../conformance/mqtt-3.1.1/packet-bytes.js';
import { extentOf, type Publication, readPacket } from '../conformance/mqtt-3.1.1/received-packet.js';
import type { SeededRandom } from '../seeded-random.js';
import type { Case } from './cases.js';
import { frame, opcodes, ServerFrames } from './frames.js';
import { pieces } from './framing.js';
import { SentStream } from './sent-stream.js';
import type { Speaker } from './speaker.js';

/** Outcome of a case: `alive`, `left` (by us), `silent`, `cut` (without a close frame), `closed <code> <reason>`. */
export type Outcome = string;

/** How long an answer is waited for where the ping may have been taken for something else. */
const unsureMs = 60;
/** And where it must come. */
const patienceMs = 20_000;

/** All sockets read into one buffer: what comes is looked at, and never kept as it is. */
const readBuffer = Buffer.allocUnsafe(256 * 1024);

const key = 'dGhlIHNhbXBsZSBub25jZQ==';

/** One raw socket with a WebSocket on it: plays cases, and reads strictly what the server says. */
export class FuzzConnection {
  /** CONNACK 0 has come. */
  connected = false;
  readonly sent = new SentStream();
  readonly #random: SeededRandom;
  readonly #speaker: Speaker;
  readonly #socket: Socket;
  readonly #frames = new ServerFrames();
  #head = '';
  #upgraded = false;
  #packets: Buffer | undefined;
  #replies: string[] = [];
  #token = '';
  #tokens = 0;
  #leaving = false;
  /** Of the answer that is waited for; the deadline is set by the next tick. */
  #patienceMs = 0;
  #deadlineMs = 0;
  #ended: Outcome | undefined;
  #settle: ((outcome: Outcome) => void) | undefined;
  /** Violations by the server. */
  problem: string | undefined;

  constructor(port: number, random: SeededRandom, speaker: Speaker) {
    this.#random = random;
    this.#speaker = speaker;
    const onread = {
      buffer: readBuffer,
      callback: (length: number, buffer: Uint8Array) => this.#read(buffer as Buffer, length),
    };
    this.#socket = connectTo({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true, onread });
    this.#socket.on('error', () => undefined); // a reset is an end here
    this.#socket.on('end', () => this.#over('cut'));
    this.#socket.on('close', () => this.#over('cut'));
  }

  /** @returns 'alive' when the upgrade has been accepted */
  async open(): Promise<Outcome> {
    const request =
      `GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n`;
    const random = this.#random;
    this.#writeAll(random.chance(0.02) ? pieces(random, Buffer.from(request), 2) : [Buffer.from(request)]);
    return this.#outcome(patienceMs);
  }

  /** Does it, and waits until it is known what became of it. */
  async play(made: Case): Promise<Outcome> {
    this.#replies = [];
    const writes = [...made.writes];
    if (made.mqtt === undefined) this.sent.broken = true;
    else this.sent.push(made.mqtt);
    this.#leaving = made.ending === 'reset' || made.ending === 'half-close';
    if (!this.#leaving) {
      this.#token = `t${++this.#tokens}`;
      const ping = frame(this.#random, Buffer.from(this.#token), { opcode: opcodes.ping });
      writes.push(Buffer.concat([writes.pop()!, ping]));
    }
    this.#writeAll(writes, made.ending);
    return this.#outcome(made.ending === 'unsure' ? unsureMs : patienceMs);
  }

  /** The answers to the case that has been played last, without publications. */
  get replies(): readonly string[] {
    return this.#replies;
  }

  /** Time is told from outside, one clock for all connections. */
  tick(nowMs: number): void {
    if (this.#settle !== undefined && this.#deadlineMs === 0) this.#deadlineMs = nowMs + this.#patienceMs;
    else if (this.#settle !== undefined && nowMs > this.#deadlineMs) this.#settleWith('silent');
  }

  reset(): void {
    resetSocket(this.#socket);
  }

  #outcome(withinMs: number): Promise<Outcome> {
    if (this.#ended !== undefined) return Promise.resolve(this.#ended);
    this.#patienceMs = withinMs;
    this.#deadlineMs = 0;
    return new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  #settleWith(outcome: Outcome): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(outcome);
  }

  /** The first at once, and each other in a turn of its own, so that they arrive in pieces. */
  #writeAll(writes: Buffer[], ending: Case['ending'] = 'sync'): void {
    const step = (at: number): void => {
      if (this.#ended !== undefined) return;
      if (writes[at]!.length > 0) this.#socket.write(writes[at]!);
      if (at + 1 < writes.length) setImmediate(step, at + 1);
      else this.#leaveAs(ending);
    };
    step(0);
  }

  #leaveAs(ending: Case['ending']): void {
    if (ending === 'half-close') this.#socket.end();
    if (ending !== 'reset') return;
    this.reset();
    this.#over('left');
  }

  #read(buffer: Buffer, length: number): boolean {
    try {
      let unread = buffer.subarray(0, length);
      if (!this.#upgraded) {
        const rest = this.#readHead(unread);
        if (rest === undefined) return true;
        unread = rest;
      }
      this.#frames.push(unread, this.#onFrame);
    } catch (error) {
      this.problem ??= (error as Error).message;
      this.reset();
      this.#over('problem');
    }
    return true;
  }

  #readHead(unread: Buffer): Buffer | undefined {
    const before = this.#head.length;
    this.#head += unread.toString('latin1');
    const end = this.#head.indexOf('\r\n\r\n');
    if (end === -1) return undefined;
    if (!this.#head.startsWith('HTTP/1.1 101 ')) throw new Error(`no upgrade: ${this.#head}`);
    this.#upgraded = true;
    this.#settleWith('alive');
    return unread.subarray(end + 4 - before);
  }

  readonly #onFrame = (opcode: number, payload: Buffer): void => {
    if (opcode === opcodes.binary) return this.#readPackets(payload);
    if (opcode === opcodes.close) {
      const code = payload.length >= 2 ? payload.readUInt16BE(0) : 'without a code';
      this.#over(`closed ${code} ${payload.toString('latin1', 2)}`.trimEnd());
      return this.reset();
    }
    if (opcode === opcodes.ping) throw new Error('a ping');
    const text = payload.toString('latin1');
    if (text === this.#token) this.#settleWith('alive');
    else this.#replies.push(`PONG ${payload.toString('hex')}`);
  };

  #readPackets(payload: Buffer): void {
    const all = this.#packets === undefined ? payload : Buffer.concat([this.#packets, payload]);
    let at = 0;
    for (;;) {
      const rest = all.subarray(at);
      const end = rest.length < 2 ? undefined : extentOf(rest)?.end;
      if (end === undefined || end > rest.length) break;
      this.#readPacket(rest.subarray(0, end));
      at += end;
    }
    this.#packets = at === all.length ? undefined : Buffer.from(all.subarray(at));
  }

  #readPacket(bytesOfPacket: Buffer): void {
    const packet = readPacket(bytesOfPacket);
    if (packet.type === 'PUBLISH') return this.#owe(packet);
    if (packet.type === 'PUBREL') {
      this.#speaker.owed.push({ packet: bytes.pubcomp(packet.id) });
    } else if (packet.type === 'CONNACK') {
      this.connected = packet.returnCode === 0;
      this.#replies.push(`CONNACK ${packet.returnCode}`);
    } else if (packet.type === 'PINGRESP') {
      this.#replies.push('PINGRESP');
    } else {
      const codes = packet.type === 'SUBACK' ? ` ${packet.returnCodes.length}` : '';
      this.#replies.push(`${packet.type} ${packet.id}${codes}`);
    }
  }

  #owe({ qos, id }: Publication): void {
    const { owed } = this.#speaker;
    if (qos === 0 || owed.length > 100) return;
    owed.push({ packet: qos === 1 ? bytes.puback(id) : bytes.pubrec(id) });
  }

  #over(outcome: Outcome): void {
    if (this.#ended !== undefined) return;
    this.#ended = this.#leaving ? 'left' : outcome;
    this.#settleWith(this.#ended);
    if (!this.#socket.destroyed) this.reset();
  }
}
