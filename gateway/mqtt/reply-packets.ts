import { packetType } from './packet.js';

/** The server's short packets. Each is written before the next one is made: they share their bytes. */

/** CONNACK's return codes, table 3.1. */
export const connackCode = {
  accepted: 0,
  unknownLevel: 1,
  badClientId: 2,
  unavailable: 3,
  badCredentials: 4,
  notAuthorized: 5,
} as const;
export type ConnackCode = (typeof connackCode)[keyof typeof connackCode];

/** SUBACK's code for a filter that is not subscribed. */
export const subscribeFailed = 0x80;

const four = Buffer.alloc(4);
const pingresp = Buffer.from([packetType.pingresp << 4, 0]);

export function connack(code: ConnackCode, sessionPresent: boolean): Buffer {
  return fourBytes(packetType.connack << 4, sessionPresent ? 1 : 0, code);
}

export function puback(packetId: number): Buffer {
  return acknowledgement(packetType.puback << 4, packetId);
}

export function pubrec(packetId: number): Buffer {
  return acknowledgement(packetType.pubrec << 4, packetId);
}

/** Its flags are 2, as if it had a QoS [MQTT-3.6.1-1]. */
export function pubrel(packetId: number): Buffer {
  return acknowledgement((packetType.pubrel << 4) | 2, packetId);
}

export function pubcomp(packetId: number): Buffer {
  return acknowledgement(packetType.pubcomp << 4, packetId);
}

export function unsuback(packetId: number): Buffer {
  return acknowledgement(packetType.unsuback << 4, packetId);
}

/** A code for each filter of the SUBSCRIBE, in its order [MQTT-3.9.3-1]. */
export function suback(packetId: number, codes: readonly number[]): Buffer {
  const length = 2 + codes.length;
  if (length < 128) {
    // Nearly all: an array that is spread made a SUBSCRIBE of one filter a tenth dearer.
    const packet = Buffer.allocUnsafe(2 + length);
    packet[0] = packetType.suback << 4;
    packet[1] = length;
    packet[2] = packetId >> 8;
    packet[3] = packetId & 0xff;
    for (let n = 0; n < codes.length; n++) packet[4 + n] = codes[n]!;
    return packet;
  }
  const header = [packetType.suback << 4];
  let rest = length;
  do {
    header.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>= 7;
  } while (rest > 0);
  return Buffer.from([...header, packetId >> 8, packetId & 0xff, ...codes]);
}

export { pingresp };

function acknowledgement(first: number, packetId: number): Buffer {
  return fourBytes(first, packetId >> 8, packetId & 0xff);
}

function fourBytes(first: number, third: number, fourth: number): Buffer {
  four[0] = first;
  four[1] = 2;
  four[2] = third;
  four[3] = fourth;
  return four;
}
