import type { Qos } from '../../../router/message.js';
import type { PacketReader } from '../packet-reader.js';

export interface SubscribePacket {
  readonly packetId: number;
  readonly requests: { filter: string; qos: Qos }[];
}

/** SUBSCRIBE, chapter 3.8. */
export function readSubscribe(reader: PacketReader): SubscribePacket | undefined {
  const packetId = reader.packetId();
  const requests: { filter: string; qos: Qos }[] = [];
  while (reader.left > 0 && !reader.failed) {
    const filter = reader.text();
    const qos = reader.byte();
    if (qos > 2) return undefined; // [MQTT-3-8.3-4]
    requests.push({ filter, qos: qos as Qos });
  }
  if (reader.failed || requests.length === 0) return undefined; // [MQTT-3.8.3-3]
  return { packetId, requests };
}

export interface UnsubscribePacket {
  readonly packetId: number;
  readonly filters: readonly string[];
}

/** UNSUBSCRIBE, chapter 3.10. */
export function readUnsubscribe(reader: PacketReader): UnsubscribePacket | undefined {
  const packetId = reader.packetId();
  const filters: string[] = [];
  while (reader.left > 0 && !reader.failed) filters.push(reader.text());
  if (reader.failed || filters.length === 0) return undefined; // [MQTT-3.10.3-2]
  return { packetId, filters };
}
