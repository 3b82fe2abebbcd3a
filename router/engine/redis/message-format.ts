import { Message, type Qos } from '../../message.js';

/**
 * What a message looks like on its channels; channels.lua says the same.
 *
 *     <name>:i:<id>       place, head, body
 *     <name>:f:<prefix>   place, length of the id (2 bytes), id, head, body; <name>:r alike
 *
 *     place  8 bytes, microseconds: its place among all of its shard
 *     head   0                                         nobody counts
 *            1, run (8 bytes), number (4 bytes)        each copy is to be answered to the node of that run
 *     body   flags: QoS in bits 0 and 1, 4 = retained; payload
 *
 * Numbers are big endian.
 */

const runBytes = 8;

const placeBytes = 8;
export const plainHead = 0;
export const countedHead = 1;
export const countedHeadBytes = 1 + runBytes + 4;
export const retainFlag = 4;

/** One copy of a message, as it came on a channel. */
export interface Copy {
  readonly place: number;
  readonly id: string;
  /** Of the node that counts, in hex; undefined where nobody does. */
  readonly run: string | undefined;
  readonly number: number;
  readonly qos: Qos;
  readonly retain: boolean;
  /** A view of what was read. */
  readonly payload: Buffer;
}

export function bodyOf({ payload, qos, retain }: Message): Buffer {
  const body = Buffer.allocUnsafe(1 + payload.length);
  body[0] = qos | (retain ? retainFlag : 0);
  body.set(payload, 1);
  return body;
}

/** @param id of the channel; undefined where it is in the payload @returns undefined for what no node has published */
export function readCopy(bytes: Buffer, id: string | undefined): Copy | undefined {
  let at = placeBytes;
  let named = id;
  if (named === undefined) {
    if (bytes.length < at + 2) return undefined;
    const end = at + 2 + bytes.readUInt16BE(at);
    if (bytes.length < end) return undefined;
    named = bytes.toString('utf8', at + 2, end);
    at = end;
  }
  const counted = bytes[at] === countedHead;
  const body = at + (counted ? countedHeadBytes : 1);
  const flags = bytes[body];
  if (flags === undefined || flags > 6 || (flags & 3) === 3) return undefined;
  if (!counted && bytes[at] !== plainHead) return undefined;
  return {
    place: placeIn(bytes),
    id: named,
    run: counted ? bytes.toString('hex', at + 1, at + 1 + runBytes) : undefined,
    number: counted ? bytes.readUInt32BE(at + 1 + runBytes) : 0,
    qos: (flags & 3) as Qos,
    retain: (flags & retainFlag) !== 0,
    payload: bytes.subarray(body + 1),
  };
}

/** @param entry place and body, as the list of an id has it */
export function messageInHistory(id: string, entry: Buffer): Message {
  const flags = entry[placeBytes] ?? 0;
  const place = placeIn(entry);
  const qos = (flags & 3) as Qos;
  const payload = entry.subarray(placeBytes + 1);
  return new Message(id, payload, Math.floor(place / 1000), qos, (flags & retainFlag) !== 0, place);
}

/** Of an id of which nothing is retained any more. */
export function isBareEntry(entry: Buffer): boolean {
  return entry.length === placeBytes;
}

export function placeOfEntry(entry: Buffer): number {
  return placeIn(entry);
}

/** More than a safe integer for what is none. */
function placeIn(bytes: Buffer): number {
  return bytes.readUInt32BE(0) * 0x1_0000_0000 + bytes.readUInt32BE(4);
}

/** @param offset its place where its id has history, else 0 */
export function messageOf({ id, payload, place, qos, retain }: Copy, offset: number): Message {
  return new Message(id, payload, Math.floor(place / 1000), qos, retain, offset);
}
