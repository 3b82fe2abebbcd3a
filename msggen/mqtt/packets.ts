/** MQTT 3.1.1 of a client: encodes the packets that it sends seldom, and decodes those that it receives. */

export type MqttQos = 0 | 1 | 2;

export const CONNACK = 2;
export const PUBLISH = 3;
export const PUBACK = 4;
export const PUBREC = 5;
export const PUBREL = 6;
export const PUBCOMP = 7;
export const SUBACK = 9;
export const UNSUBACK = 11;
export const PINGRESP = 13;

export const PINGREQ_PACKET = Buffer.of(0xc0, 0);
export const DISCONNECT_PACKET = Buffer.of(0xe0, 0);

const CONNECT_HEAD = 0x10;
const SUBSCRIBE_HEAD = 0x82;
const UNSUBSCRIBE_HEAD = 0xa2;
const PROTOCOL_LEVEL = 4;
const CLEAN_SESSION = 0x02;
const PASSWORD = 0x40;
const USERNAME = 0x80;
export const SUBACK_FAILURE = 0x80;

export interface ConnectFields {
  clientId: string;
  cleanSession: boolean;
  /** 0 switches it off. */
  keepAliveSec: number;
  username?: string | undefined;
  /** Needs a username [MQTT-3.1.2-22]. */
  password?: string | undefined;
}

export function connectPacket(options: ConnectFields): Buffer {
  const { clientId, cleanSession, keepAliveSec, username, password } = options;
  const flags =
    (cleanSession ? CLEAN_SESSION : 0) |
    (username === undefined ? 0 : USERNAME) |
    (password === undefined ? 0 : PASSWORD);
  const credentials = [username, password].filter((text) => text !== undefined).map(stringField);
  return packet(CONNECT_HEAD, [
    stringField('MQTT'),
    Buffer.of(PROTOCOL_LEVEL, flags, keepAliveSec >> 8, keepAliveSec & 0xff),
    stringField(clientId),
    ...credentials,
  ]);
}

export function subscribePacket(packetId: number, filter: string, qos: MqttQos): Buffer {
  return packet(SUBSCRIBE_HEAD, [
    Buffer.of(packetId >> 8, packetId & 0xff),
    stringField(filter),
    Buffer.of(qos),
  ]);
}

export function unsubscribePacket(packetId: number, filter: string): Buffer {
  return packet(UNSUBSCRIBE_HEAD, [Buffer.of(packetId >> 8, packetId & 0xff), stringField(filter)]);
}

function packet(head: number, fields: Buffer[]): Buffer {
  const body = Buffer.concat(fields);
  const start = Buffer.alloc(1 + lengthBytes(body.length));
  start[0] = head;
  writeLength(start, 1, body.length);
  return Buffer.concat([start, body]);
}

function stringField(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
}

/** How many bytes the remaining length takes. */
export function lengthBytes(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : 4;
}

/** @returns where it ends */
export function writeLength(bytes: Buffer, at: number, length: number): number {
  let rest = length;
  let end = at;
  for (; rest > 0x7f; rest >>>= 7) bytes[end++] = (rest & 0x7f) | 0x80;
  bytes[end++] = rest;
  return end;
}

/** A PUBLISH that was received. One object serves all of them; its bytes are only valid during the call. */
export interface Publication {
  qos: MqttQos;
  dup: boolean;
  retain: boolean;
  packetId: number;
  topicStart: number;
  topicEnd: number;
  /** The payload is the rest of the packet from here. */
  payloadStart: number;
}

export function noPublication(): Publication {
  return {
    qos: 0,
    dup: false,
    retain: false,
    packetId: 0,
    topicStart: 0,
    topicEnd: 0,
    payloadStart: 0,
  };
}

/** Reads a PUBLISH whose body goes from `start` to `end`; false when it is malformed. */
export function parsePublish(
  head: number,
  bytes: Buffer,
  start: number,
  end: number,
  publication: Publication,
): boolean {
  const qos = (head >> 1) & 3;
  if (qos === 3 || end - start < 2) return false;
  publication.qos = qos as MqttQos;
  publication.dup = (head & 8) !== 0;
  publication.retain = (head & 1) !== 0;
  publication.topicStart = start + 2;
  publication.topicEnd = publication.topicStart + ((bytes[start]! << 8) | bytes[start + 1]!);
  publication.packetId = 0;
  publication.payloadStart = publication.topicEnd;
  if (qos > 0 && publication.topicEnd + 2 <= end) {
    publication.packetId = readPacketId(bytes, publication.topicEnd);
    publication.payloadStart += 2;
  }
  const wellFormed = publication.topicEnd > publication.topicStart && publication.payloadStart <= end;
  return wellFormed && (qos === 0 ? !publication.dup : publication.packetId > 0);
}

export function readPacketId(bytes: Buffer, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

const CONNECT_REFUSALS: Record<number, string> = {
  1: 'protocol level',
  2: 'client id',
  3: 'server unavailable',
  4: 'bad user name or password',
  5: 'not authorized',
};

/** Such as `CONNACK 5, not authorized`. */
export function connectRefusal(returnCode: number): string {
  return `CONNACK ${returnCode}, ${CONNECT_REFUSALS[returnCode] ?? 'unknown'}`;
}
