import { Command } from 'ioredis';
import { Message, type Qos } from '../../message.js';
import { type Extras, encodeExtras, extrasEnd, noExtras, readExtras } from '../../message-extras.js';

/**
 * A message as it is on its channels; functions/channels.lua says the same.
 *
 *     <name>:i:<id>       place, head, body
 *     <name>:f:<prefix>   place, length of the id (2 bytes), id, head, body; <name>:r alike
 *
 *     place  8 bytes, microseconds: its place among all of its shard
 *     head   0                                         nobody counts
 *            1, run (8 bytes), number (4 bytes)        each copy is to be answered to the node of that run
 *     body   flags: QoS in bits 0 and 1, 4 = retained, 8 = extras; those, see message-extras.ts; payload
 *
 * Numbers are big endian.
 */

const runBytes = 8;

export const placeBytes = 8;
const plainHead = 0;
const countedHead = 1;
const countedHeadBytes = 1 + runBytes + 4;
const retainFlag = 4;
const extrasFlag = 8;
const flagsMax = 2 | retainFlag | extrasFlag;

/** One copy of a message, as it came on a channel. */
export interface Copy extends Extras {
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

export function bodyOf(message: Message): Buffer {
  const extras = encodeExtras(message);
  return Buffer.concat([Buffer.of(flagsOf(message, extras)), extras ?? Buffer.alloc(0), message.payload]);
}

function flagsOf({ qos, retain }: Message, extras: Buffer | undefined): number {
  return qos | (retain ? retainFlag : 0) | (extras === undefined ? 0 : extrasFlag);
}

/** @param flagsAt of a body @returns where its payload begins; -1 for what no node has published */
function payloadStart(bytes: Buffer, flagsAt: number): number {
  const flags = bytes[flagsAt];
  if (flags === undefined || flags > flagsMax || (flags & 3) === 3) return -1;
  return (flags & extrasFlag) === 0 ? flagsAt + 1 : extrasEnd(bytes, flagsAt + 1);
}

/** @param start of the payload */
function extrasIn(bytes: Buffer, flagsAt: number, start: number): Extras {
  return start === flagsAt + 1 ? noExtras : readExtras(bytes, flagsAt + 1, start);
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
  if (!counted && bytes[at] !== plainHead) return undefined;
  const body = at + (counted ? countedHeadBytes : 1);
  const start = payloadStart(bytes, body);
  if (start === -1) return undefined;
  const flags = bytes[body]!;
  const { publisher, properties } = extrasIn(bytes, body, start);
  return {
    place: placeIn(bytes),
    id: named,
    run: counted ? runIn(bytes, at + 1) : undefined,
    number: counted ? bytes.readUInt32BE(at + 1 + runBytes) : 0,
    qos: (flags & 3) as Qos,
    retain: (flags & retainFlag) !== 0,
    publisher,
    properties,
    payload: bytes.subarray(start),
  };
}

/** As it was read last: most of what comes one behind the other is of one node. */
const latestRun = { high: 0, low: 0, text: '0'.repeat(2 * runBytes) };

function runIn(bytes: Buffer, at: number): string {
  const high = bytes.readUInt32BE(at);
  const low = bytes.readUInt32BE(at + 4);
  if (high !== latestRun.high || low !== latestRun.low)
    Object.assign(latestRun, { high, low, text: bytes.toString('hex', at, at + runBytes) });
  return latestRun.text;
}

/** @param entry place and body, as the list of an id has it */
export function messageInHistory(id: string, entry: Buffer): Message {
  const flags = entry[placeBytes] ?? 0;
  const place = placeIn(entry);
  const [qos, retain] = [(flags & 3) as Qos, (flags & retainFlag) !== 0];
  const start = Math.max(placeBytes + 1, payloadStart(entry, placeBytes));
  const { publisher, properties } = extrasIn(entry, placeBytes, start);
  const timeMs = Math.floor(place / 1000);
  return new Message(id, entry.subarray(start), timeMs, qos, retain, place, publisher, properties);
}

/** Makes the head of a message whose copies are counted. @param run in hex, of the node that counts */
export function countedHeadOf(run: string, number: number): Buffer {
  const head = Buffer.alloc(countedHeadBytes, countedHead);
  head.write(run, 1, 'hex');
  head.writeUInt32BE(number, 1 + runBytes);
  return head;
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
export function decodedMessage(copy: Copy, offset: number): Message {
  const { id, payload, place, qos, retain, publisher, properties } = copy;
  return new Message(id, payload, Math.floor(place / 1000), qos, retain, offset, publisher, properties);
}

/** Digits of a length, `$`, and two line ends; of a number, at most. */
const argumentBytesMax = 24;
/** FCALL, its function, no keys; run, generation, number, not-after. */
const fixedArguments = 7;
const argumentsPerMessage = 5;

const dollar = 0x24;
const star = 0x2a;
const zero = 0x30;

/** A message and what goes with it to Redis. */
export interface Published {
  readonly message: Message;
  /** Of its history, as the function takes it; '' = none. */
  readonly rule: string;
  /** An Idempotency-Key, or ''. */
  readonly key: string;
  /** Under which its copies are counted; 0 = nobody asks. */
  readonly number: number;
}

/**
 * A call of the publishing function, written into one buffer: as arguments of ioredis each message would be ten pieces to
 * be joined, which takes 2 µs more.
 */
class PublishCall extends Command {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    super('FCALL', [], { replyEncoding: null });
    this.#bytes = bytes;
  }

  override toWritable(): Buffer {
    return this.#bytes;
  }
}

/** Writes such calls. */
export class PublishCallWriter {
  readonly #function: string;
  readonly #run: string;
  readonly #runBytes: Buffer;
  #bytes = Buffer.alloc(0);
  #at = 0;
  /** Of the messages of this call; most calls have none. */
  readonly #extras = new Map<Message, Buffer>();

  constructor(functionName: string, run: string) {
    this.#function = functionName;
    this.#run = run;
    this.#runBytes = Buffer.from(run, 'hex');
  }

  write(generation: number, number: number, notAfterMs: number, messages: readonly Published[]): PublishCall {
    let bytes = (fixedArguments + 1) * argumentBytesMax + this.#function.length + this.#run.length;
    for (const { message, rule, key } of messages) {
      const { id, payload, publisher, properties } = message;
      if (publisher !== undefined || properties !== undefined) bytes += this.#encodeExtras(message);
      bytes += argumentsPerMessage * argumentBytesMax + countedHeadBytes + payload.length;
      bytes += 3 * id.length + rule.length + key.length;
    }
    this.#bytes = Buffer.allocUnsafe(bytes);
    this.#at = 0;
    this.#length(star, fixedArguments + argumentsPerMessage * messages.length);
    for (const text of [
      'FCALL',
      this.#function,
      '0',
      this.#run,
      `${generation}`,
      `${number}`,
      `${notAfterMs}`,
    ])
      this.#text(text);
    for (const each of messages) this.#message(each);
    if (this.#extras.size > 0) this.#extras.clear();
    return new PublishCall(this.#bytes.subarray(0, this.#at));
  }

  #message({ message, rule, key, number }: Published): void {
    const { id, payload } = message;
    const extras = this.#extras.size === 0 ? undefined : this.#extras.get(message);
    this.#text(id);
    this.#text(rule);
    this.#head(number);
    this.#length(dollar, 1 + payload.length + (extras?.length ?? 0));
    this.#bytes[this.#at++] = flagsOf(message, extras);
    if (extras !== undefined) {
      this.#bytes.set(extras, this.#at);
      this.#at += extras.length;
    }
    this.#bytes.set(payload, this.#at);
    this.#at += payload.length;
    this.#lineEnd();
    this.#text(key);
  }

  /** Encodes the extras of a message of this call. @returns how many bytes they have */
  #encodeExtras(message: Message): number {
    const extras = encodeExtras(message);
    if (extras === undefined) return 0;
    this.#extras.set(message, extras);
    return extras.length;
  }

  #head(number: number): void {
    if (number === 0) {
      this.#length(dollar, 1);
      this.#bytes[this.#at++] = plainHead;
    } else {
      this.#length(dollar, countedHeadBytes);
      this.#bytes[this.#at++] = countedHead;
      this.#at += this.#runBytes.copy(this.#bytes, this.#at);
      this.#at = this.#bytes.writeUInt32BE(number, this.#at);
    }
    this.#lineEnd();
  }

  /** Most are short, and ASCII: by hand that takes a fifth of the time that a call out of JavaScript does. */
  #text(text: string): void {
    const { length } = text;
    let ascii = length <= 64;
    for (let i = 0; ascii && i < length; i++) ascii = text.charCodeAt(i) < 0x80;
    this.#length(dollar, ascii ? length : Buffer.byteLength(text));
    if (ascii) for (let i = 0; i < length; i++) this.#bytes[this.#at++] = text.charCodeAt(i);
    else this.#at += this.#bytes.write(text, this.#at);
    this.#lineEnd();
  }

  #length(kind: number, value: number): void {
    const bytes = this.#bytes;
    bytes[this.#at++] = kind;
    let digits = 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
    let rest = value;
    for (let at = this.#at + digits - 1; at >= this.#at; at--) {
      bytes[at] = zero + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    this.#at += digits;
    this.#lineEnd();
  }

  #lineEnd(): void {
    this.#bytes[this.#at++] = 0x0d;
    this.#bytes[this.#at++] = 0x0a;
  }
}
