import { publishPacket, subscribePacket } from '../test/mqtt-bytes.js';

/** Frames of 250 KB (or FLOOD_FRAME_BYTES) full of small packets, as a hostile client sends them back to back. */

const frameBytes = Number(process.env.FLOOD_FRAME_BYTES || 250_000);

export const kinds = ['QoS 0', 'QoS 1', 'QoS 2', 'SUBSCRIBE', 'PINGREQ'] as const;
export type Kind = (typeof kinds)[number];

export function packetsOf(kind: Kind): Buffer {
  const packets: Buffer[] = [];
  for (let bytes = 0, n = 0; ; n++) {
    const next = packetOf(kind, n);
    bytes += next.length;
    if (bytes > frameBytes) return Buffer.concat(packets);
    packets.push(next);
  }
}

function packetOf(kind: Kind, n: number): Buffer {
  const packetId = 1 + (n % 1_000);
  if (kind === 'QoS 0') return publishPacket('a', 'xx');
  if (kind === 'QoS 1') return publishPacket('a', 'xx', 1, packetId);
  if (kind === 'SUBSCRIBE') return subscribePacket(packetId, `f${n % 50}`, 0);
  if (kind === 'PINGREQ') return Buffer.from([0xc0, 0]);
  const pubrel = Buffer.from([0x62, 2, packetId >> 8, packetId & 0xff]);
  return Buffer.concat([publishPacket('a', 'xx', 2, packetId), pubrel]);
}

/** One binary frame with a mask of zero. */
export function bigFrame(payload: Buffer): Buffer {
  const header = Buffer.alloc(14);
  header[0] = 0x82;
  header[1] = 0xff;
  header.writeUInt32BE(payload.length, 6);
  return Buffer.concat([header, payload]);
}
