/**
 * A place in the history of one or several ids, as text that a client keeps and gives back: `epoch:offset`, or
 * `epoch:offset,offset,offset` in the order of the ids in the request. Opaque to clients.
 */

export interface Cursor {
  /** Epoch of the history that the offsets belong to. */
  readonly epoch: string;
  /** For each id, the last message that the client has; 0 = none. */
  readonly offsets: readonly number[];
}

/** Where to resume: behind a cursor; without one, from the oldest kept message, the last `n` of each id, or now. */
export type ResumeFrom = Cursor | { readonly since: 'oldest' | 'now' | number };

export type CursorProblem = 'empty' | 'too-long' | 'shape' | 'epoch' | 'offset' | 'count';

/** A sentence with the remedy for each kind of bad cursor. */
export const cursorProblemText: Record<CursorProblem, string> = {
  empty: 'The cursor is empty: leave it out, or give back one that this server gave.',
  'too-long': 'The cursor is longer than any for so many ids: give it back as this server gave it.',
  shape:
    'A cursor is epoch:offset, or epoch:offset,offset for several ids: give it back as this server gave it.',
  epoch: 'The part of a cursor before the colon is 1 to 32 letters, digits, - or _.',
  offset: 'An offset in a cursor is a decimal number without leading zeros, at most 9007199254740991.',
  count: 'A cursor has one offset for each id, in their order: ask for the ids that it was given for.',
};

export type ParsedCursor = { ok: true; value: Cursor } | { ok: false; problem: CursorProblem };

const epochLengthMax = 32;
/** Of 2^53 - 1. */
const digitsMax = 16;
const epochShape = /^[A-Za-z0-9_-]{1,32}$/;
const offsetShape = /^(?:0|[1-9][0-9]{0,15})$/;

/** Longest cursor of so many ids. */
export function cursorLengthMax(idCount: number): number {
  return epochLengthMax + idCount * (digitsMax + 1);
}

export function formatCursor(epoch: string, offsets: readonly number[]): string {
  return `${epoch}:${offsets.join(',')}`;
}

/**
 * Never throws, and reads no more of a text than the longest cursor.
 * @param idCount number of offsets that it must have
 */
export function parseCursor(text: string, idCount: number): ParsedCursor {
  if (text.length === 0) return bad('empty');
  if (text.length > cursorLengthMax(idCount)) return bad('too-long');
  const colon = text.indexOf(':');
  if (colon === -1) return bad('shape');
  const epoch = text.slice(0, colon);
  if (!epochShape.test(epoch)) return bad('epoch');
  const offsets: number[] = [];
  for (const digits of text.slice(colon + 1).split(',')) {
    const offset = offsetShape.test(digits) ? Number(digits) : Number.NaN;
    if (!Number.isSafeInteger(offset)) return bad('offset');
    offsets.push(offset);
  }
  return offsets.length === idCount ? { ok: true, value: { epoch, offsets } } : bad('count');
}

function bad(problem: CursorProblem): ParsedCursor {
  return { ok: false, problem };
}
