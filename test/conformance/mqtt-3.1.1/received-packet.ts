/**
 * Parses packets of a server strictly: a wrong type, flag, length or reserved bit throws. So every test of the suite
 * also checks the layout of every packet that it receives.
 */

export interface Connack {
  type: 'CONNACK';
  sessionPresent: boolean;
  returnCode: number;
}

export interface Publication {
  type: 'PUBLISH';
  topic: string;
  payload: string;
  qos: number;
  dup: boolean;
  retain: boolean;
  /** 0 at QoS 0, which has none. */
  id: number;
}

export interface Acknowledgement {
  type: 'PUBACK' | 'PUBREC' | 'PUBREL' | 'PUBCOMP' | 'UNSUBACK';
  id: number;
}

export interface Suback {
  type: 'SUBACK';
  id: number;
  returnCodes: number[];
}

export type Received = Connack | Publication | Acknowledgement | Suback | { type: 'PINGRESP' };

const acknowledgements = new Map<number, Acknowledgement['type']>([
  [0x40, 'PUBACK'],
  [0x50, 'PUBREC'],
  [0x62, 'PUBREL'],
  [0x70, 'PUBCOMP'],
  [0xb0, 'UNSUBACK'],
]);

/** Length of the first packet in these bytes, and where its body begins; undefined while its header is incomplete. */
export function extentOf(bytes: Buffer): { bodyStart: number; end: number } | undefined {
  let length = 0;
  for (let index = 1; index <= 4; index++) {
    const digit = bytes[index];
    if (digit === undefined) return undefined;
    length += (digit & 0x7f) * 128 ** (index - 1);
    if (digit < 0x80) return { bodyStart: index + 1, end: index + 1 + length };
  }
  throw new Error(`the remaining length has more than four bytes: ${bytes.toString('hex', 0, 8)}`);
}

/** @param bytes exactly one packet */
export function readPacket(bytes: Buffer): Received {
  const first = bytes[0]!;
  const body = bytes.subarray(extentOf(bytes)!.bodyStart);
  if (first >> 4 === 3) return readPublish(first & 0x0f, body);
  if (first === 0x20) return readConnack(body);
  if (first === 0x90) return readSuback(body);
  if (first === 0xd0 && body.length === 0) return { type: 'PINGRESP' };
  const type = acknowledgements.get(first);
  if (type === undefined || body.length !== 2)
    throw new Error(`no packet a server sends: ${bytes.toString('hex')}`);
  return { type, id: packetId(body) };
}

function readConnack(body: Buffer): Connack {
  if (body.length !== 2 || body[0]! > 1 || body[1]! > 5) throw new Error(`CONNACK ${body.toString('hex')}`);
  return { type: 'CONNACK', sessionPresent: body[0] === 1, returnCode: body[1]! };
}

function readSuback(body: Buffer): Suback {
  const returnCodes = [...body.subarray(2)];
  if (returnCodes.length === 0) throw new Error(`SUBACK ${body.toString('hex')}`);
  return { type: 'SUBACK', id: packetId(body), returnCodes };
}

function readPublish(flags: number, body: Buffer): Publication {
  const qos = (flags >> 1) & 3;
  if (qos === 3) throw new Error('PUBLISH at QoS 3');
  if (qos === 0 && flags & 0x08) throw new Error('PUBLISH at QoS 0 with DUP');
  const topicEnd = 2 + body.readUInt16BE(0);
  const payloadStart = qos === 0 ? topicEnd : topicEnd + 2;
  if (payloadStart > body.length) throw new Error(`PUBLISH too short: ${body.toString('hex')}`);
  return {
    type: 'PUBLISH',
    topic: utf8(body.subarray(2, topicEnd)),
    payload: body.toString('utf8', payloadStart),
    qos,
    dup: (flags & 0x08) !== 0,
    retain: (flags & 0x01) !== 0,
    id: qos === 0 ? 0 : packetId(body.subarray(topicEnd)),
  };
}

function packetId(bytes: Buffer): number {
  const id = bytes.readUInt16BE(0);
  if (id === 0) throw new Error('a packet identifier of 0');
  return id;
}

/** Keeps a byte order mark, which is a character like any other here. */
function utf8(bytes: Buffer): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

/** The PUBLISH that is expected, with everything that is not said at its zero. */
export function publication(
  topic: string,
  payload: string,
  rest: Partial<Omit<Publication, 'type' | 'topic' | 'payload'>> = {},
): Publication {
  return { type: 'PUBLISH', topic, payload, qos: 0, dup: false, retain: false, id: 0, ...rest };
}
