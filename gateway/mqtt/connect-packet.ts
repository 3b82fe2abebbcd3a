import type { Qos } from '../../router/message.js';
import { cleanTerms, keptTerms, type SessionTerms } from '../../router/session/session-terms.js';
import { type ProtocolLevel, protocolLevel } from './packet.js';
import type { PacketReader } from './packet-reader.js';

/** A message that a client wants published when it ends without DISCONNECT. */
export interface Will {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
}

export interface ConnectPacket {
  readonly level: ProtocolLevel;
  readonly clientId: string;
  readonly clean: boolean;
  /** 0 = off. */
  readonly keepAliveSec: number;
  readonly will: Will | undefined;
  readonly userName: string | undefined;
  readonly password: Buffer | undefined;
}

/** Of MQTT 3.1.1. */
export function termsOf({ clean }: ConnectPacket): SessionTerms {
  return clean ? cleanTerms : keptTerms;
}

/** Bits of the connect flags. */
const flag = {
  reserved: 1,
  clean: 2,
  will: 4,
  willQos: 0x18,
  willRetain: 0x20,
  password: 0x40,
  userName: 0x80,
};

/**
 * CONNECT, chapter 3.1. The will's topic may still be one that this server does not take. MQTT 3.1 calls the flags of the
 * fixed header and bit 0 of the connect flags unused, disregards QoS and RETAIN of a will that is not there, and allows a
 * user name and a password to be missing at the end, whatever their flags say (its section 3.1).
 * @param fixedFlags of the fixed header
 */
export function readConnect(
  reader: PacketReader,
  fixedFlags: number,
): ConnectPacket | 'unknown-level' | 'malformed-packet' {
  const name = reader.text();
  const level = reader.byte();
  if (reader.failed) return 'malformed-packet';
  // MQTT 3.1 has another name; a server may go on with none but these [MQTT-3.1.2-1].
  if (name !== 'MQTT' && name !== 'MQIsdp') return 'malformed-packet';
  if (level !== (name === 'MQTT' ? protocolLevel.mqtt311 : protocolLevel.mqtt31)) return 'unknown-level';
  const is31 = level === protocolLevel.mqtt31;
  if (fixedFlags !== 0 && !is31) return 'malformed-packet'; // [MQTT-2.2.2-2]
  const flags = reader.byte();
  if ((flags & flag.reserved) !== 0 && !is31) return 'malformed-packet'; // [MQTT-3.1.2-3]
  if ((flags & flag.userName) === 0 && (flags & flag.password) !== 0) return 'malformed-packet'; // [MQTT-3.1.2-22]
  const keepAliveSec = reader.uint16();
  const clientId = reader.text();
  const will = readWill(reader, flags, is31);
  if (will === 'malformed-packet') return will;
  const isThere = (field: number) => (flags & field) !== 0 && (!is31 || reader.left > 0);
  const userName = isThere(flag.userName) ? reader.text() : undefined;
  const password = isThere(flag.password) ? reader.binary() : undefined;
  if (reader.failed || reader.left > 0) return 'malformed-packet';
  return { level, clientId, clean: (flags & flag.clean) !== 0, keepAliveSec, will, userName, password };
}

function readWill(reader: PacketReader, flags: number, is31: boolean): Will | undefined | 'malformed-packet' {
  const qos = (flags & flag.willQos) >> 3;
  const retain = (flags & flag.willRetain) !== 0;
  if ((flags & flag.will) === 0) {
    return (qos === 0 && !retain) || is31 ? undefined : 'malformed-packet'; // [MQTT-3.1.2-13], [MQTT-3.1.2-15]
  }
  if (qos === 3) return 'malformed-packet'; // [MQTT-3.1.2-14]
  const topic = reader.text();
  const payload = reader.binary();
  if (reader.failed) return 'malformed-packet';
  return { topic, payload, qos: qos as Qos, retain };
}
