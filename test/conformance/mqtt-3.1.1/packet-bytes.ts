/**
 * The bytes a client sends, built from nothing but the layout that MQTT 3.1.1 prints. Nothing here refuses to
 * build a wrong packet: most of the suite is about wrong packets.
 */

/** `10 02 00 04` as it stands in the standard's figures. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replace(/\s/g, ''), 'hex');
}

export function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

/** A string or binary field: its length in two bytes, then itself. */
export function field(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([uint16(bytes.length), bytes]);
}

export function remainingLength(length: number): Buffer {
  const bytes: number[] = [];
  let rest = length;
  do {
    const digit = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? digit | 0x80 : digit);
  } while (rest > 0);
  return Buffer.from(bytes);
}

/** A whole packet: type and flags in one byte, the length of the rest, the rest. */
export function packet(firstByte: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([firstByte]), remainingLength(body.length), body]);
}

export interface Will {
  topic: string | Uint8Array;
  payload: string | Uint8Array;
  qos?: number;
  retain?: boolean;
}

export interface Connect {
  clientId?: string | Uint8Array;
  clean?: boolean;
  keepAliveSec?: number;
  will?: Will;
  userName?: string | Uint8Array;
  password?: string | Uint8Array;
  protocolName?: string;
  protocolLevel?: number;
  /** Instead of the flags that the other fields make. */
  flags?: number;
}

export function connectFlags({ clean = true, will, userName, password }: Connect): number {
  const willFlags = will === undefined ? 0 : 0x04 | ((will.qos ?? 0) << 3) | (will.retain ? 0x20 : 0);
  return (
    (clean ? 0x02 : 0) | willFlags | (password === undefined ? 0 : 0x40) | (userName === undefined ? 0 : 0x80)
  );
}

export function connect(options: Connect = {}): Buffer {
  const { clientId = '', keepAliveSec = 0, will, userName, password } = options;
  const { protocolName = 'MQTT', protocolLevel = 4, flags = connectFlags(options) } = options;
  const payload = [clientId, will?.topic, will?.payload, userName, password];
  return packet(
    0x10,
    field(protocolName),
    Buffer.from([protocolLevel, flags]),
    uint16(keepAliveSec),
    ...payload.filter((value) => value !== undefined).map(field),
  );
}

export interface Publish {
  qos?: number;
  dup?: boolean;
  retain?: boolean;
  id?: number;
}

export function publish(
  topic: string | Uint8Array,
  payload: string | Uint8Array = '',
  { qos = 0, dup = false, retain = false, id }: Publish = {},
): Buffer {
  const firstByte = 0x30 | (dup ? 0x08 : 0) | (qos << 1) | (retain ? 0x01 : 0);
  return packet(
    firstByte,
    field(topic),
    id === undefined ? Buffer.alloc(0) : uint16(id),
    Buffer.from(payload as string),
  );
}

export const puback = (id: number) => packet(0x40, uint16(id));
export const pubrec = (id: number) => packet(0x50, uint16(id));
export const pubrel = (id: number) => packet(0x62, uint16(id));
export const pubcomp = (id: number) => packet(0x70, uint16(id));

/** @param filters pairs of filter and the byte that asks for a QoS */
export function subscribe(id: number, ...filters: [filter: string | Uint8Array, qos: number][]): Buffer {
  const payload = filters.flatMap(([filter, qos]) => [field(filter), Buffer.from([qos])]);
  return packet(0x82, uint16(id), ...payload);
}

export function unsubscribe(id: number, ...filters: (string | Uint8Array)[]): Buffer {
  return packet(0xa2, uint16(id), ...filters.map(field));
}

export const pingreq = () => packet(0xc0);
export const disconnect = () => packet(0xe0);
