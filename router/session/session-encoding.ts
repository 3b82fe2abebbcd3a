import { Message, type Qos } from '../message.js';
import { encodeExtras, extrasEnd, noExtras, readExtras } from '../message-extras.js';
import {
  type DeliveryOptions,
  isRetained,
  isSubscriptionOptions,
  qosIn,
  retainSet,
} from '../subscription-options.js';
import { InflightEntry } from './inflight-entry.js';
import type { Queued } from './mqueue.js';
import type { SessionOwner } from './session-owner.js';
import type { FlowState, SessionState, Subscription } from './session-state.js';

/**
 * Sessions as bytes, on their way between nodes: chunks of whole records. Chunks are made one by one as they are sent,
 * so that a long queue is in memory once.
 *
 *     chunk    version (1): 1 or 2  record  record …                                 numbers big endian
 *     record   type (1)  length (4)  body
 *     body     session    client id, owner, last packet id, packet ids that await PUBREL
 *              filter     options, filter         of the session above, as are:
 *              inflight   packet id, message      in the order of repeats
 *              released   packet id               PUBREC has arrived
 *              queued     QoS granted, message
 *              end        empty: this session is complete
 *              expiry     seconds (8), of a session with its own
 *
 * Version 1 is for older nodes: subscriptions have only their QoS, messages no extras, sessions no expiry of their own.
 */
const [oldVersion, version] = [1, 2];
const recordType = { session: 1, filter: 2, inflight: 3, released: 4, queued: 5, end: 6, expiry: 7 } as const;
const recordHeadBytes = 5;
/** A chunk is sent from this size on; a larger message has a chunk of its own. */
export const chunkBytes = 128 * 1024;

/** Flags of a message: granted QoS in bits 0 and 1, its own in 2 and 3. */
const retainedBit = 16;
const retainBit = 32;
/** Extras follow the id, see message-extras.ts. */
const extrasBit = 64;
/** id length, flags, time, offset */
const messageHeadBytes = 2 + 1 + 8 + 8;

/** A session with its subscriptions, its content, or both. */
export interface EncodedSession {
  readonly clientId: string;
  readonly owner: SessionOwner | undefined;
  /** Its own expiry, see SessionTerms. */
  readonly expirySec?: number | undefined;
  readonly subscriptions?: readonly Subscription[];
  readonly flow?: FlowState;
}

/** The decoded parts of a session; absent ones are empty. */
export interface DecodedSession extends SessionState {
  readonly subscriptions: readonly Subscription[];
}

/** In chunks of 128 KB or so. @param isOld version 1 */
export function* encodeSessions(sessions: Iterable<EncodedSession>, isOld = false): Generator<Buffer> {
  const head = () => Buffer.of(isOld ? oldVersion : version);
  let parts: Buffer[] = [head()];
  let bytes = 1;
  for (const session of sessions) {
    for (const record of recordsOf(session, isOld)) {
      if (bytes > 1 && bytes + record.length > chunkBytes) {
        yield Buffer.concat(parts);
        parts = [head()];
        bytes = 1;
      }
      parts.push(record);
      bytes += record.length;
    }
  }
  if (bytes > 1) yield Buffer.concat(parts);
}

/** Reads chunks in their order. */
export class SessionDecoder {
  #session: Mutable<DecodedSession> | undefined;

  /** @returns the sessions that this chunk completes @throws Error for bytes of no node, or another version */
  read(chunk: Buffer): DecodedSession[] {
    if (chunk[0] !== version && chunk[0] !== oldVersion)
      throw new RangeError(`Sessions in version ${chunk[0]}, not ${version}.`);
    const complete: DecodedSession[] = [];
    for (let at = 1; at < chunk.length; ) {
      const start = at + recordHeadBytes;
      const end = start + chunk.readUInt32BE(at + 1);
      if (end > chunk.length) throw new RangeError('A session breaks off.');
      const done = this.#record(chunk[at]!, chunk.subarray(start, end));
      if (done !== undefined) complete.push(done);
      at = end;
    }
    return complete;
  }

  #record(type: number, body: Buffer): DecodedSession | undefined {
    if (type === recordType.session) {
      this.#session = sessionIn(body);
      return undefined;
    }
    const session = this.#session;
    if (session === undefined) throw new RangeError('A part of no session.');
    switch (type) {
      case recordType.filter:
        session.subscriptions.push(subscriptionIn(body));
        return undefined;
      case recordType.inflight:
        session.inflight.push(inflightIn(body));
        return undefined;
      case recordType.released:
        session.inflight.push(releasedIn(body));
        return undefined;
      case recordType.queued:
        session.queued.push(queuedIn(body));
        return undefined;
      case recordType.expiry:
        session.expirySec = expiryIn(body);
        return undefined;
      case recordType.end:
        this.#session = undefined;
        return session;
      default:
        throw new RangeError(`A record of type ${type}.`);
    }
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer Item)[] ? Item[] : T[K] };

function* recordsOf(session: EncodedSession, isOld: boolean): Generator<Buffer> {
  const { clientId, owner, expirySec, subscriptions, flow } = session;
  const awaiting = flow?.awaiting ?? [];
  const ids = Buffer.allocUnsafe(2 * awaiting.length);
  for (const [n, packetId] of awaiting.entries()) ids.writeUInt16BE(packetId, 2 * n);
  const ownerText = owner === undefined ? '' : JSON.stringify([owner.address, owner.userName]);
  yield record(recordType.session, [text(clientId), text(ownerText), uint16(flow?.lastPacketId ?? 0), ids]);
  if (expirySec !== undefined && !isOld) yield record(recordType.expiry, [float64(expirySec)]);
  for (const { filter, options } of subscriptions ?? [])
    yield record(recordType.filter, [Buffer.of(isOld ? qosIn(options) : options), Buffer.from(filter)]);
  for (const { packetId, message, options } of flow?.inflight ?? []) {
    if (message === undefined) yield record(recordType.released, [uint16(packetId)]);
    else yield record(recordType.inflight, [uint16(packetId), ...messageParts(message, options, isOld)]);
  }
  for (const { message, options } of flow?.queued ?? [])
    yield record(recordType.queued, messageParts(message, options, isOld));
  yield record(recordType.end, []);
}

function record(type: number, parts: readonly Uint8Array[]): Buffer {
  const head = Buffer.allocUnsafe(recordHeadBytes);
  head[0] = type;
  head.writeUInt32BE(
    parts.reduce((sum, { length }) => sum + length, 0),
    1,
  );
  return Buffer.concat([head, ...parts]);
}

/** A message with the options of its delivery, for `queuedIn`. */
export function messageParts(message: Message, options: DeliveryOptions, isOld = false): Uint8Array[] {
  const { qos, retain, timeMs, offset, payload } = message;
  const id = Buffer.from(message.id);
  const extras = isOld ? undefined : encodeExtras(message);
  const head = Buffer.allocUnsafe(messageHeadBytes);
  head.writeUInt16BE(id.length, 0);
  let flags = qosIn(options) | (qos << 2);
  if (isRetained(options)) flags |= retainedBit;
  if (retain) flags |= retainBit;
  if (extras !== undefined) flags |= extrasBit;
  head[2] = flags;
  head.writeDoubleBE(timeMs, 3);
  head.writeDoubleBE(offset, 11);
  return extras === undefined ? [head, id, payload] : [head, id, extras, payload];
}

function sessionIn(body: Buffer): Mutable<DecodedSession> {
  const [clientId, afterId] = textIn(body, 0);
  const [ownerText, at] = textIn(body, afterId);
  const awaiting: number[] = [];
  for (let next = at + 2; next + 2 <= body.length; next += 2) awaiting.push(body.readUInt16BE(next));
  return {
    clientId,
    owner: ownerIn(ownerText),
    expirySec: undefined,
    lastPacketId: body.readUInt16BE(at),
    awaiting,
    subscriptions: [],
    inflight: [],
    queued: [],
  };
}

function ownerIn(json: string): SessionOwner | undefined {
  if (json === '') return undefined;
  const [address, userName] = JSON.parse(json);
  return { address: String(address), userName: userName === null ? undefined : String(userName) };
}

function expiryIn(body: Buffer): number {
  const expirySec = body.readDoubleBE(0);
  if (!(expirySec > 0)) throw new RangeError(`An expiry of ${expirySec} s.`);
  return expirySec;
}

/** @throws Error for bytes that are no subscription */
export function subscriptionIn(body: Buffer): Subscription {
  const options = body[0];
  if (!isSubscriptionOptions(options)) throw new RangeError(`A subscription with options ${options}.`);
  return { options, filter: body.toString('utf8', 1) };
}

function inflightIn(body: Buffer): InflightEntry {
  const { message, options } = queuedIn(body.subarray(2));
  if (qosIn(options) === 0) throw new RangeError('In flight at QoS 0.');
  return new InflightEntry(packetIdIn(body), message, options, 0);
}

function releasedIn(body: Buffer): InflightEntry {
  return new InflightEntry(packetIdIn(body), undefined, 2, 0);
}

/** @throws Error for bytes that are no message */
export function queuedIn(body: Buffer): Queued {
  const idEnd = messageHeadBytes + body.readUInt16BE(0);
  const flags = body[2]!;
  if (idEnd > body.length) throw new RangeError('A message breaks off.');
  const id = body.toString('utf8', messageHeadBytes, idEnd);
  const hasExtras = (flags & extrasBit) !== 0;
  const start = hasExtras ? extrasEnd(body, idEnd) : idEnd;
  if (start === -1) throw new RangeError('A message breaks off.');
  const { publisher, properties } = hasExtras ? readExtras(body, idEnd, start) : noExtras;
  const payload = new Uint8Array(body.subarray(start)); // a copy, because a chunk has many
  const [timeMs, offset] = [body.readDoubleBE(3), body.readDoubleBE(11)];
  const [qos, retain] = [checkedQos(flags >> 2), (flags & retainBit) !== 0];
  const message = new Message(id, payload, timeMs, qos, retain, offset, publisher, properties);
  return { message, options: checkedQos(flags) | ((flags & retainedBit) !== 0 ? retainSet : 0) };
}

function packetIdIn(body: Buffer): number {
  const packetId = body.readUInt16BE(0);
  if (packetId === 0) throw new RangeError('Packet id 0.');
  return packetId;
}

/** @param flags with the QoS in bits 0 and 1 */
function checkedQos(flags: number): Qos {
  const qos = qosIn(flags);
  if ((qos as number) > 2) throw new RangeError(`QoS ${qos}.`);
  return qos;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint16(bytes.length), bytes]);
}

/** @returns the text, and where the rest begins */
function textIn(body: Buffer, at: number): [string, number] {
  const end = at + 2 + body.readUInt16BE(at);
  if (end > body.length) throw new RangeError('A text breaks off.');
  return [body.toString('utf8', at + 2, end), end];
}

function float64(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

function uint16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
