/** The subscription of a connection over MQTT. */
import { type MqttQos, subscribePacket } from '../../msggen/mqtt/packets.js';
import { deviceFilter, qosByShares } from '../mqtt-plan.js';
import { type Assignment, idNumberOf, type Share } from '../plan.js';

export function filterOf(share: Share, { role, number }: Assignment): string {
  if (role === 'everything') return '#';
  const { devices, filter } = share.mqtt;
  const template = devices === undefined ? filter : deviceFilter(devices);
  return template.replace('{n}', String(idNumberOf(share, number)));
}

export function subscribedQosOf(share: Share, { role, number }: Assignment): MqttQos {
  const { everything, qosShares } = share.mqtt;
  return role === 'everything' ? everything! : qosByShares(qosShares, number % share.ids);
}

export function subscribePacketOf(share: Share, place: Assignment, packetId: number): Buffer {
  return subscribePacket(packetId, filterOf(share, place), subscribedQosOf(share, place));
}
