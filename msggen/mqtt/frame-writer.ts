/**
 * Writes a client's packets as masked WebSocket frames with one MQTT packet each. It gathers them in one buffer, so
 * that all packets for a socket go out in one write. One writer serves all sockets in turn.
 */
import { lengthBytes, type MqttQos, writeLength } from './packets.js';

const FINAL = 0x80;
const MASKED = 0x80;
const BINARY = 2;
const CLOSE = 8;
const PONG = 10;
const MASK_BYTES = 4;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const START_BYTES = 16 * 1024;

export class FrameWriter {
  #bytes = Buffer.allocUnsafeSlow(START_BYTES);
  #length = 0;
  #key = Math.floor(Math.random() * 0x1_0000_0000);

  /** Bytes gathered since they were last taken. */
  get length(): number {
    return this.#length;
  }

  /** @returns a copy of what was gathered; the writer is empty afterwards */
  take(): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    return taken;
  }

  packet(packet: Buffer): void {
    this.#frame(BINARY, packet);
  }

  /** `text` in printable ASCII. */
  publish(topic: string, text: string, qos: MqttQos, packetId: number, retain: boolean): void {
    const topicBytes = Buffer.byteLength(topic);
    const remaining = 2 + topicBytes + (qos > 0 ? 2 : 0) + text.length;
    const start = this.#begin(BINARY, 1 + lengthBytes(remaining) + remaining);
    const bytes = this.#bytes;
    bytes[start] = 0x30 | (qos << 1) | (retain ? 1 : 0);
    let at = writeLength(bytes, start + 1, remaining);
    bytes[at++] = topicBytes >> 8;
    bytes[at++] = topicBytes & 0xff;
    at += bytes.write(topic, at);
    if (qos > 0) {
      bytes[at++] = packetId >> 8;
      bytes[at++] = packetId & 0xff;
    }
    at += bytes.write(text, at, 'latin1');
    this.#end(start, at);
  }

  /** PUBACK, PUBREC, PUBREL or PUBCOMP, by the first byte. */
  acknowledge(head: number, packetId: number): void {
    const start = this.#begin(BINARY, 4);
    this.#bytes[start] = head;
    this.#bytes[start + 1] = 2;
    this.#bytes[start + 2] = packetId >> 8;
    this.#bytes[start + 3] = packetId & 0xff;
    this.#end(start, start + 4);
  }

  pong(payload: Buffer): void {
    this.#frame(PONG, payload);
  }

  close(code: number): void {
    this.#frame(CLOSE, Buffer.of(code >> 8, code & 0xff));
  }

  #frame(opcode: number, payload: Buffer): void {
    const start = this.#begin(opcode, payload.length);
    payload.copy(this.#bytes, start);
    this.#end(start, start + payload.length);
  }

  /** Writes the head of a frame. @returns where its payload begins */
  #begin(opcode: number, payloadBytes: number): number {
    const headBytes = 2 + (payloadBytes < LENGTH_16 ? 0 : payloadBytes < 0x1_0000 ? 2 : 8) + MASK_BYTES;
    this.#makeRoom(headBytes + payloadBytes);
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = FINAL | opcode;
    if (payloadBytes < LENGTH_16) {
      bytes[at++] = MASKED | payloadBytes;
    } else if (payloadBytes < 0x1_0000) {
      bytes[at++] = MASKED | LENGTH_16;
      at = bytes.writeUInt16BE(payloadBytes, at);
    } else {
      bytes[at++] = MASKED | LENGTH_64;
      at = bytes.writeUInt32BE(0, at);
      at = bytes.writeUInt32BE(payloadBytes, at);
    }
    // A linear congruential generator: a different key for each frame, though a predictable one.
    this.#key = (Math.imul(this.#key, 1_664_525) + 1_013_904_223) >>> 0;
    return bytes.writeUInt32BE(this.#key, at);
  }

  #end(start: number, end: number): void {
    const bytes = this.#bytes;
    const [a, b, c, d] = [bytes[start - 4]!, bytes[start - 3]!, bytes[start - 2]!, bytes[start - 1]!];
    let at = start;
    for (; at + 3 < end; at += 4) {
      bytes[at] = bytes[at]! ^ a;
      bytes[at + 1] = bytes[at + 1]! ^ b;
      bytes[at + 2] = bytes[at + 2]! ^ c;
      bytes[at + 3] = bytes[at + 3]! ^ d;
    }
    if (at < end) bytes[at] = bytes[at]! ^ a;
    if (at + 1 < end) bytes[at + 1] = bytes[at + 1]! ^ b;
    if (at + 2 < end) bytes[at + 2] = bytes[at + 2]! ^ c;
    this.#length = end;
  }

  #makeRoom(bytesNeeded: number): void {
    if (this.#length + bytesNeeded <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#length + bytesNeeded));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
