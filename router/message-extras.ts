import { MessageProperties, type PropertyValues } from './message-properties.js';

/**
 * The publisher and the properties of a message as bytes, in history, in Redis and between nodes: a block before the
 * payload, if the message has either.
 *
 *     extras   version (1)  length of the fields (4)  field  field …                numbers big endian
 *     field    type (1)  length (4)  value
 *
 * Versions of Encke run side by side: a reader ignores another version of the block, and unknown types of fields, and
 * still gets the payload.
 */
const version = 1;
const headBytes = 1 + 4;
const fieldHeadBytes = 1 + 4;
const fieldType = {
  publisher: 1,
  isText: 2,
  contentType: 3,
  responseTopic: 4,
  correlationData: 5,
  /** Length of the name (4), name, value. */
  userProperty: 6,
  about: 7,
  send: 8,
} as const;

export interface Extras {
  readonly publisher: string | undefined;
  readonly properties: MessageProperties | undefined;
}

export const noExtras: Extras = Object.freeze({ publisher: undefined, properties: undefined });

/** @returns undefined for nearly all messages */
export function encodeExtras({ publisher, properties }: Extras): Buffer | undefined {
  if (publisher === undefined && properties === undefined) return undefined;
  const fields: Buffer[] = [];
  if (publisher !== undefined) fields.push(field(fieldType.publisher, Buffer.from(publisher)));
  if (properties !== undefined) fields.push(...fieldsOf(properties));
  const length = fields.reduce((sum, { length }) => sum + length, 0);
  return Buffer.concat([uint8(version), uint32(length), ...fields]);
}

/** @returns where the extras at `at` end, and the payload begins; -1 if they are incomplete */
export function extrasEnd(bytes: Buffer, at: number): number {
  if (bytes.length < at + headBytes) return -1;
  const end = at + headBytes + bytes.readUInt32BE(at + 1);
  return end <= bytes.length ? end : -1;
}

/** Ignores incomplete fields; never throws. @param end see extrasEnd */
export function readExtras(bytes: Buffer, at: number, end: number): Extras {
  if (bytes[at] !== version) return noExtras;
  let publisher: string | undefined;
  let values: Values | undefined;
  for (let next = at + headBytes; next + fieldHeadBytes <= end; ) {
    const start = next + fieldHeadBytes;
    const stop = start + bytes.readUInt32BE(next + 1);
    if (stop > end) break;
    const type = bytes[next]!;
    if (type === fieldType.publisher) publisher = bytes.toString('utf8', start, stop);
    else values = withField(values, type, bytes.subarray(start, stop));
    next = stop;
  }
  return { publisher, properties: values === undefined ? undefined : new MessageProperties(values) };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Values = Omit<Mutable<PropertyValues>, 'userProperties'> & {
  userProperties?: (readonly [name: string, value: string])[];
};

function* fieldsOf(properties: MessageProperties): Generator<Buffer> {
  const { isText, contentType, responseTopic, correlationData, userProperties, about, send } = properties;
  if (isText) yield field(fieldType.isText, Buffer.alloc(0));
  if (contentType !== undefined) yield field(fieldType.contentType, Buffer.from(contentType));
  if (responseTopic !== undefined) yield field(fieldType.responseTopic, Buffer.from(responseTopic));
  if (correlationData !== undefined) yield field(fieldType.correlationData, correlationData);
  if (about !== undefined) yield field(fieldType.about, Buffer.from(about));
  if (send !== undefined) yield field(fieldType.send, Buffer.from(send));
  for (const [name, value] of userProperties) {
    const nameBytes = Buffer.from(name);
    const pair = Buffer.concat([uint32(nameBytes.length), nameBytes, Buffer.from(value)]);
    yield field(fieldType.userProperty, pair);
  }
}

function withField(before: Values | undefined, type: number, value: Buffer): Values | undefined {
  const values = before ?? {};
  switch (type) {
    case fieldType.isText:
      values.isText = true;
      return values;
    case fieldType.contentType:
      values.contentType = value.toString();
      return values;
    case fieldType.responseTopic:
      values.responseTopic = value.toString();
      return values;
    case fieldType.about:
      values.about = value.toString();
      return values;
    case fieldType.send:
      values.send = value.toString();
      return values;
    case fieldType.correlationData:
      values.correlationData = new Uint8Array(value); // a copy, so that the buffer can be freed
      return values;
    case fieldType.userProperty: {
      const end = value.length < 4 ? value.length + 1 : 4 + value.readUInt32BE(0);
      if (end > value.length) return before;
      const pair = [value.toString('utf8', 4, end), value.toString('utf8', end)] as const;
      values.userProperties ??= [];
      values.userProperties.push(pair);
      return values;
    }
    default:
      return before;
  }
}

function field(type: number, value: Uint8Array): Buffer {
  return Buffer.concat([uint8(type), uint32(value.length), value]);
}

function uint8(value: number): Buffer {
  return Buffer.of(value);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
