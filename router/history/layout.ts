import { cellDataBytes } from './cells.js';

/**
 * The layout of the cells of a ring (the history of one id) and of an entry (one message in it). Numbers of the
 * first kind count fields of 8 bytes, all others fields of 4; see Cells.
 */

export const ring = {
  /** Double: the offset that was given last. */
  last: 0,
  /** The oldest and the newest entry, and how many there are: one chain of cells, from the oldest to the newest. */
  oldest: 2,
  newest: 3,
  count: 4,
  /** Neighbours in the order of the last publication, among the ids of one rule. */
  older: 5,
  newer: 6,
  /** Where the next entry is appended: finding it from `newest` takes several cache misses. */
  lastCell: 7,
  hash: 8,
  nextInBucket: 9,
  /** The index of the rule times `ruleUnit`; units of UTF-16 times 2; 1 where each of them has two bytes. */
  ruleAndLength: 10,
  /** The stamp of the oldest entry, or an earlier one. While it is young enough, the entry need not be read. */
  oldestStamp: 11,
} as const;

/** Of ring.ruleAndLength: a rule is 0 to 999, an id at most 65,535 bytes. */
export const ruleUnit = 2 ** 20;

/** The first byte of the id; 16 of them fit the first cell. */
export const idAt = 48;

export const entry = {
  /** Doubles: the place among the messages of all ids, and Message.timeMs. */
  sequence: 0,
  timeMs: 1,
  /** Tenths of a second on the history's clock. */
  stamp: 4,
  /** Of extras and payload, bytes. */
  length: 5,
  /** Unused in the oldest entry. */
  older: 6,
  /**
   * The QoS, and 4 where the message was retained; above these 3 bits the bytes of its extras, see message-extras.ts.
   */
  flags: 7,
} as const;

/** Of entry.flags. */
export const extrasShift = 3;

/** The first byte of extras and payload; 32 of them fit the first cell, 96 two. */
export const payloadAt = 32;

/** Bytes of an entry. */
export function cellsOf(contentBytes: number): number {
  return Math.ceil((payloadAt + contentBytes) / cellDataBytes);
}
