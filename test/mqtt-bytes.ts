import type { Opening } from './crowd.js';

/** MQTT 3.1.1 and WebSocket as a client writes them, byte by byte: for crowds and benchmarks. No codec of the server's. */

export const upgradeRequest = [
  'GET /mqtt HTTP/1.1',
  'Host: 127.0.0.1',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Protocol: mqtt',
  '\r\n',
].join('\r\n');

/** One binary frame; its mask is zero, so that the payload stands in it as it is. */
export function frame(...packets: Uint8Array[]): Buffer {
  const payload = Buffer.concat(packets);
  const length =
    payload.length < 126 ? [0x80 | payload.length] : [0xfe, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([0x82, ...length, 0, 0, 0, 0]), payload]);
}

export function connectPacket(
  clientId: string,
  options: { clean?: boolean; keepAliveSec?: number; userName?: string; password?: string } = {},
): Buffer {
  const { clean = true, keepAliveSec = 60, userName, password } = options;
  const flags = (clean ? 2 : 0) | (userName === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40);
  const fixed = [...field('MQTT'), 4, flags, keepAliveSec >> 8, keepAliveSec & 0xff];
  const credentials = [userName, password].filter((text) => text !== undefined).map(field);
  return packet(0x10, Buffer.from(fixed), field(clientId), ...credentials);
}

export function subscribePacket(packetId: number, filter: string, qos: number): Buffer {
  return packet(0x82, twoBytes(packetId), field(filter), Buffer.from([qos]));
}

/** @param packetId 0 at QoS 0 */
export function publishPacket(topic: string, payload: string, qos = 0, packetId = 0): Buffer {
  const id = qos === 0 ? Buffer.alloc(0) : twoBytes(packetId);
  return packet(0x30 | (qos << 1), field(topic), id, Buffer.from(payload));
}

export function pubackPacket(packetId: number): Buffer {
  return packet(0x40, twoBytes(packetId));
}

function packet(first: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const length: number[] = [];
  let rest = body.length;
  do {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>= 7;
  } while (rest > 0);
  return Buffer.concat([Buffer.from([first, ...length]), body]);
}

function field(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([twoBytes(bytes.length), bytes]);
}

function twoBytes(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

/** Keep-alive on, a subscription of its own, a client id as long as devices' are. */
export function mqttSubscriber(n: number, qos = 0, topic = String(n)): Opening {
  return {
    first: upgradeRequest,
    second: frame(connectPacket(`device-${n}`), subscribePacket(1, topic, qos)),
  };
}
