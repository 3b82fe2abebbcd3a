import { Message, type Qos } from '../../message.js';

/**
 * A message between nodes. The id is the subject; here is the rest, before the payload:
 *
 *     0        1      2               8               14             22
 *     version  flags  publisher's run  sequence        time, ms       payload …
 *              QoS in bits 0 and 1; 4 retained; 8 to be counted; 16 to be retained alone, not handed out
 *
 * Run and sequence are the message's own id in the whole cluster: the sequence grows by one for each message that
 * the publisher's node sends.
 */
export interface Envelope {
  readonly run: number;
  readonly sequence: number;
  /** The publisher wants to know how many took it. */
  readonly counted: boolean;
  /** It is retained by who receives it, and goes to subscribers on another way. */
  readonly retainOnly: boolean;
}

/** Another one whenever the layout changes: nodes of two versions say so instead of misreading each other. */
export const envelopeVersion = 1;
export const envelopeBytes = 22;

/** A buffer of its own: the client keeps it until it is written. */
export function encodeEnvelope(
  message: Message,
  { run, sequence, counted, retainOnly }: Envelope,
): Uint8Array {
  const { payload, qos, retain, timeMs } = message;
  const bytes = Buffer.allocUnsafe(envelopeBytes + payload.length);
  bytes[0] = envelopeVersion;
  bytes[1] = qos | (retain ? 4 : 0) | (counted ? 8 : 0) | (retainOnly ? 16 : 0);
  bytes.writeUIntBE(run, 2, 6);
  bytes.writeUIntBE(sequence, 8, 6);
  bytes.writeDoubleBE(timeMs, 14);
  bytes.set(payload, envelopeBytes);
  return bytes;
}

/** @returns undefined for what is none, or of another version */
export function decodeEnvelope(data: Uint8Array): Envelope | undefined {
  if (data.length < envelopeBytes || data[0] !== envelopeVersion) return undefined;
  if ((data[1]! & 3) === 3 || data[1]! > 31) return undefined;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  const run = bytes.readUIntBE(2, 6);
  const sequence = bytes.readUIntBE(8, 6);
  const timeMs = bytes.readDoubleBE(14);
  if (run === 0 || sequence === 0 || !(timeMs >= 0 && timeMs < Infinity)) return undefined;
  return { run, sequence, counted: (data[1]! & 8) !== 0, retainOnly: (data[1]! & 16) !== 0 };
}

/** Of a decoded envelope. The payload is a copy: `data` is a view of what was read from the socket, up to 64 KiB. */
export function messageOf(id: string, data: Uint8Array): Message {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  const payload = Buffer.from(bytes.subarray(envelopeBytes));
  return new Message(id, payload, bytes.readDoubleBE(14), (data[1]! & 3) as Qos, (data[1]! & 4) !== 0);
}
