/**
 * The stamp that opens a message text so that whoever receives it can tell what was lost, doubled or reordered and
 * how long it took: `[m <publisher> <seq> <sentAtUs>]`. Owns the format, both ways.
 *
 * publisher  8 hex digits: the second the publisher began (modulo 65,536) and 4 random digits. The second lets a
 *            receiver that was there before the publisher know that a pair's first message must be seq 1.
 * seq        1, 2, 3 … for each (publisher, id)
 * sentAtUs   microseconds since the Unix epoch
 */
import { randomBytes } from 'node:crypto';

export interface Stamp {
  publisher: number;
  seq: number;
  sentAtUs: number;
}

const SECOND_MODULUS = 0x1_0000;

/** Wall clock in microseconds; steady within a process, because it follows the monotonic clock from the start on. */
export function nowUs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

export function newPublisher(atUs: number): string {
  const second = Math.floor(atUs / 1e6) % SECOND_MODULUS;
  return second.toString(16).padStart(4, '0') + randomBytes(2).toString('hex');
}

/** Whether the publisher began in a later second than `atUs` (seen from `nowUs`). */
export function publisherBeganAfter(publisher: number, atUs: number, currentUs: number): boolean {
  const currentSecond = Math.floor(currentUs / 1e6);
  const secondsSinceItBegan = (currentSecond - (publisher >>> 16)) & (SECOND_MODULUS - 1);
  return secondsSinceItBegan < currentSecond - Math.floor(atUs / 1e6);
}

export function formatStamp(publisher: string, seq: number, sentAtUs: number): string {
  return `[m ${publisher} ${seq} ${sentAtUs}]`;
}

const OPEN = 0x5b; // [
const CLOSE = 0x5d; // ]
const M = 0x6d;
const SPACE = 0x20;

/** Reads the stamp that begins at `at` into `stamp` without making anything new; false when there is none. */
export function readStamp(bytes: Uint8Array, at: number, end: number, stamp: Stamp): boolean {
  if (bytes[at] !== OPEN || bytes[at + 1] !== M || bytes[at + 2] !== SPACE) return false;
  const publisherEnd = at + 11;
  if (publisherEnd >= end || bytes[publisherEnd] !== SPACE) return false;
  let publisher = 0;
  for (let i = at + 3; i < publisherEnd; i++) {
    const digit = hexDigit(bytes[i]!);
    if (digit < 0) return false;
    publisher = (publisher << 4) | digit;
  }
  const seqEnd = endOfDigits(bytes, publisherEnd + 1, end);
  if (bytes[seqEnd] !== SPACE || seqEnd === publisherEnd + 1) return false;
  const timeEnd = endOfDigits(bytes, seqEnd + 1, end);
  if (timeEnd >= end || bytes[timeEnd] !== CLOSE || timeEnd === seqEnd + 1) return false;
  stamp.publisher = publisher >>> 0;
  stamp.seq = decimal(bytes, publisherEnd + 1, seqEnd);
  stamp.sentAtUs = decimal(bytes, seqEnd + 1, timeEnd);
  return stamp.seq > 0;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  if (byte >= 0x61 && byte <= 0x66) return byte - 0x57;
  return -1;
}

function endOfDigits(bytes: Uint8Array, from: number, end: number): number {
  let i = from;
  while (i < end && bytes[i]! >= 0x30 && bytes[i]! <= 0x39) i++;
  return i;
}

function decimal(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) value = value * 10 + (bytes[i]! - 0x30);
  return value;
}
