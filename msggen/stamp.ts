/**
 * The stamp at the beginning of a message text: `[m <publisher> <seq> <dueAtUs>]`. From stamps a receiver finds losses,
 * duplicates, a wrong order, and latency. Encodes and decodes the format.
 *
 * publisher  12 hex digits: the second in which the publisher began (since 1970, 32 bits) and 4 random digits. A receiver
 *            that was there before that second knows that the pair's first message must have seq 1.
 * seq        1, 2, 3 … for each (publisher, id)
 * dueAtUs    the deadline of the message, microseconds since the Unix epoch. A message that a stall delays has waited since
 *            its deadline. A latency from the time of sending would leave the stall out (coordinated omission).
 *
 * Version 0.1.0 had 8 digits for the publisher, whose second wrapped after 65,536, and the time of the sending. Such a
 * message counts as one without a stamp.
 */
import { randomBytes } from 'node:crypto';

export interface Stamp {
  publisher: number;
  seq: number;
  dueAtUs: number;
}

const PUBLISHER_DIGITS = 12;
const RANDOM_MODULUS = 0x1_0000;

/** Wall clock in microseconds. Steady within a process, because it follows the monotonic clock from the start. */
export function nowUs(): number {
  return wallUs(performance.now());
}

/** @param atMs on the clock of performance.now() */
export function wallUs(atMs: number): number {
  return Math.round((performance.timeOrigin + atMs) * 1000);
}

export function newPublisher(atUs: number): string {
  const second = Math.floor(atUs / 1e6);
  return second.toString(16).padStart(PUBLISHER_DIGITS - 4, '0') + randomBytes(2).toString('hex');
}

/**
 * Whether the publisher began in a later second than `atUs`.
 * @param aheadUs how far the publisher's clock is known to be ahead of the one that `atUs` was read from
 */
export function publisherBeganAfter(publisher: number, atUs: number, aheadUs = 0): boolean {
  const beganUs = Math.floor(publisher / RANDOM_MODULUS) * 1e6 - aheadUs;
  return Math.floor(beganUs / 1e6) > Math.floor(atUs / 1e6);
}

export function formatStamp(publisher: string, seq: number, dueAtUs: number): string {
  return `[m ${publisher} ${seq} ${dueAtUs}]`;
}

const OPEN = 0x5b; // [
const CLOSE = 0x5d; // ]
const M = 0x6d;
const SPACE = 0x20;

/** Reads the stamp at `at` into `stamp`, without an allocation. @returns false when there is none */
export function readStamp(bytes: Uint8Array, at: number, end: number, stamp: Stamp): boolean {
  if (bytes[at] !== OPEN || bytes[at + 1] !== M || bytes[at + 2] !== SPACE) return false;
  const publisherEnd = at + 3 + PUBLISHER_DIGITS;
  if (publisherEnd >= end || bytes[publisherEnd] !== SPACE) return false;
  let publisher = 0;
  for (let i = at + 3; i < publisherEnd; i++) {
    const digit = hexDigit(bytes[i]!);
    if (digit < 0) return false;
    publisher = publisher * 16 + digit; // more than the 32 bits of a shift
  }
  const seqEnd = endOfDigits(bytes, publisherEnd + 1, end);
  if (bytes[seqEnd] !== SPACE || seqEnd === publisherEnd + 1) return false;
  const timeEnd = endOfDigits(bytes, seqEnd + 1, end);
  if (timeEnd >= end || bytes[timeEnd] !== CLOSE || timeEnd === seqEnd + 1) return false;
  stamp.publisher = publisher;
  stamp.seq = decimal(bytes, publisherEnd + 1, seqEnd);
  stamp.dueAtUs = decimal(bytes, seqEnd + 1, timeEnd);
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
