/**
 * Client ids that have connected to a node, as it tells the others:
 *
 *     0        6       8
 *     stamp    length  client id, UTF-8     and so on for each
 */

export interface Arrival {
  readonly clientId: string;
  readonly stamp: number;
}

const stampBytes = 6;
const headBytes = stampBytes + 2;
/** Of one announcement; a longer client id goes alone. */
const batchBytesMax = 8 * 1024;

/** As few batches as hold them, in their order. */
export function encodeBatches(arrivals: Iterable<Arrival>): Uint8Array[] {
  const batches: Buffer[] = [];
  let parts: Buffer[] = [];
  let bytes = 0;
  for (const arrival of arrivals) {
    const part = encode(arrival);
    if (bytes > 0 && bytes + part.length > batchBytesMax) {
      batches.push(Buffer.concat(parts));
      parts = [];
      bytes = 0;
    }
    parts.push(part);
    bytes += part.length;
  }
  if (bytes > 0) batches.push(Buffer.concat(parts));
  return batches;
}

/** What can be read of it: any program may publish to NATS. */
export function decodeBatch(data: Uint8Array): Arrival[] {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  const arrivals: Arrival[] = [];
  for (let at = 0; at + headBytes <= bytes.length; ) {
    const stamp = bytes.readUIntBE(at, stampBytes);
    const end = at + headBytes + bytes.readUInt16BE(at + stampBytes);
    if (end > bytes.length) break;
    arrivals.push({ stamp, clientId: bytes.toString('utf8', at + headBytes, end) });
    at = end;
  }
  return arrivals;
}

function encode({ clientId, stamp }: Arrival): Buffer {
  const text = Buffer.from(clientId);
  const bytes = Buffer.allocUnsafe(headBytes + text.length);
  bytes.writeUIntBE(stamp, 0, stampBytes);
  bytes.writeUInt16BE(text.length, stampBytes);
  text.copy(bytes, headBytes);
  return bytes;
}
