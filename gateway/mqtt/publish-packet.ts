import type { Message, Qos } from '../../router/message.js';
import { wireIndex, wireOf } from '../connection.js';
import { packetType } from './packet.js';
import type { PacketReader } from './packet-reader.js';

export interface PublishPacket {
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  /** 0 at QoS 0. */
  readonly packetId: number;
  readonly payload: Uint8Array;
  /** At QoS 0 the packet, of which `payload` is the end: as it came it may go out. */
  readonly bytes: Buffer | undefined;
}

/** PUBLISH, chapter 3.3. The topic may still be one that this server does not take. */
export function readPublish(reader: PacketReader, flags: number): PublishPacket | undefined {
  const qos = (flags >> 1) & 3;
  const dup = (flags & 8) !== 0;
  if (qos === 3 || (dup && qos === 0)) return undefined; // [MQTT-3.3.1-4], [MQTT-3.3.1-2]
  const topic = reader.text();
  const packetId = qos === 0 ? 0 : reader.packetId();
  if (reader.failed) return undefined;
  const retain = (flags & 1) !== 0;
  // A session keeps only payloads that own their memory: copied into it at once, they need not be copied again.
  if (qos > 0) return { topic, qos: qos as Qos, retain, packetId, payload: reader.rest(), bytes: undefined };
  const headerBytes = headerBytesOf(reader.offset + reader.left);
  const bytes = reader.copyPacket(headerBytes);
  writeLength(bytes, bytes.length - headerBytes); // a client may have used more bytes for it than there need be
  return { topic, qos: 0, retain, packetId, payload: bytes.subarray(headerBytes + reader.offset), bytes };
}

/** The fixed header of a packet with a body of this length, as short as it can be. */
function headerBytesOf(length: number): number {
  return length < 128 ? 2 : length < 16_384 ? 3 : length < 2_097_152 ? 4 : 5;
}

/** Behind the first byte of a packet, in as few bytes as it needs. */
function writeLength(bytes: Buffer, length: number): void {
  let at = 1;
  for (let rest = length; ; at++) {
    bytes[at] = rest & 0x7f;
    rest >>= 7;
    if (rest === 0) return;
    bytes[at]! |= 0x80;
  }
}

/** A PUBLISH, encoded once. What differs between recipients is patched before each is written: uWS copies it at once. */
interface EncodedPublish {
  /** Without a packet id. */
  plain: Buffer | undefined;
  /** With one, at `packetIdAt`. */
  acknowledged: Buffer | undefined;
  packetIdAt: number;
}

/** A packet that comes in at QoS 0 goes out as it came. */
export function adoptEncoding(message: Message, { bytes }: PublishPacket): void {
  if (bytes !== undefined) encodedOf(message).plain = bytes;
}

/** @returns bytes that are valid until the next call for the same message */
export function encodePublishQos0(message: Message, retained: boolean): Buffer {
  const encoded = encodedOf(message);
  encoded.plain ??= encode(message, 0);
  encoded.plain[0] = firstByte(0, retained, false);
  return encoded.plain;
}

/** @returns bytes that are valid until the next call for the same message */
export function encodePublish(
  message: Message,
  qos: Qos,
  packetId: number,
  retained: boolean,
  dup: boolean,
): Buffer {
  const encoded = encodedOf(message);
  if (encoded.acknowledged === undefined) {
    encoded.acknowledged = encode(message, 2);
    encoded.packetIdAt = encoded.acknowledged.length - message.payload.length - 2;
  }
  const bytes = encoded.acknowledged;
  bytes[0] = firstByte(qos, retained, dup);
  bytes[encoded.packetIdAt] = packetId >> 8;
  bytes[encoded.packetIdAt + 1] = packetId & 0xff;
  return bytes;
}

function firstByte(qos: Qos, retained: boolean, dup: boolean): number {
  return (packetType.publish << 4) | (dup ? 8 : 0) | (qos << 1) | (retained ? 1 : 0);
}

function encodedOf(message: Message): EncodedPublish {
  const wire = wireOf(message);
  let encoded = wire[wireIndex.mqtt] as EncodedPublish | undefined;
  if (encoded === undefined) {
    encoded = { plain: undefined, acknowledged: undefined, packetIdAt: 0 };
    wire[wireIndex.mqtt] = encoded;
  }
  return encoded;
}

/** @param packetIdBytes 2 leaves room for one */
function encode(message: Message, packetIdBytes: 0 | 2): Buffer {
  const { id, payload } = message;
  const topicBytes = Buffer.byteLength(id);
  const length = 2 + topicBytes + packetIdBytes + payload.length;
  const headerBytes = headerBytesOf(length);
  const bytes = Buffer.allocUnsafe(headerBytes + length);
  writeLength(bytes, length);
  let at = headerBytes;
  bytes[at++] = topicBytes >> 8;
  bytes[at++] = topicBytes & 0xff;
  bytes.write(id, at, topicBytes === id.length ? 'latin1' : 'utf8');
  bytes.set(payload, at + topicBytes + packetIdBytes);
  return bytes;
}
