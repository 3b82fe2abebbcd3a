import type { Graph } from './graph.js';

/**
 * A record of the graph on disk: an id, and the numbers of the ids that it follows. The id's own number is the key. Numbers
 * are little endian.
 *
 *     bytes of the id (2)   id in UTF-8   number (4)  number …
 */
export const recordVersion = 1;

const headBytes = 2;
const numberBytes = 4;

export interface GraphRecord {
  readonly id: string;
  readonly subscriptions: Uint32Array;
}

/** Owns its bytes. */
export function encodeRecord({ numbers, subscriptions }: Graph, number: number): Buffer {
  const id = numbers.idOf(number);
  const idBytes = Buffer.byteLength(id);
  const record = Buffer.allocUnsafe(headBytes + idBytes + subscriptions.count(number) * numberBytes);
  record.writeUInt16LE(idBytes);
  let at = headBytes + record.write(id, headBytes);
  subscriptions.forEach(number, (other) => {
    at = record.writeUInt32LE(other, at);
  });
  return record;
}

/** @returns undefined for bytes that are no record */
export function decodeRecord(bytes: Uint8Array): GraphRecord | undefined {
  const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (record.length < headBytes) return undefined;
  const start = headBytes + record.readUInt16LE();
  const rest = record.length - start;
  if (rest < 0 || rest % numberBytes !== 0) return undefined;
  const subscriptions = new Uint32Array(rest / numberBytes);
  for (let i = 0; i < subscriptions.length; i++)
    subscriptions[i] = record.readUInt32LE(start + i * numberBytes);
  return { id: record.toString('utf8', headBytes, start), subscriptions };
}
