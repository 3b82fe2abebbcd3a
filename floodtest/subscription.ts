/** The subscription of a connection over MQTT. */
import { type Qos, subscribePacket } from '../msggen/mqtt/packets.js';
import { deviceFilter, qosOf } from './mqtt-plan.js';
import { idNumberOf, type Place, type Share } from './plan.js';

export function filterOf(share: Share, { role, number }: Place): string {
  if (role === 'everything') return '#';
  const { devices, filter } = share.mqtt;
  const template = devices === undefined ? filter : deviceFilter(devices);
  return template.replace('{n}', String(idNumberOf(share, number)));
}

export function subscribedQosOf(share: Share, { role, number }: Place): Qos {
  const { everything, qosShares } = share.mqtt;
  return role === 'everything' ? everything! : qosOf(qosShares, number % share.ids);
}

export function subscribePacketOf(share: Share, place: Place, packetId: number): Buffer {
  return subscribePacket(packetId, filterOf(share, place), subscribedQosOf(share, place));
}
