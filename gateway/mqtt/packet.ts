/** The control packets of MQTT 3.1.1, chapter 2.2. */
export const packetType = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
} as const;

/** The levels of the protocol that are spoken; the codec of each level differs only where `level` is asked for. */
export const protocolLevel = { mqtt31: 3, mqtt311: 4 } as const;
export type ProtocolLevel = (typeof protocolLevel)[keyof typeof protocolLevel];

/** Low four bits of the first byte where they are fixed; PUBLISH uses all of them [MQTT-2.2.2-1]. */
export function fixedFlagsOf(type: number): number {
  return type === packetType.pubrel || type === packetType.subscribe || type === packetType.unsubscribe
    ? 2
    : 0;
}
