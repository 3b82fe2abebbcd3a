import { isUtf8 } from 'node:buffer';
import type { Parsed } from './request.js';

/** Line numbers named in one answer; more bad lines are only counted. */
const errorsNamedMax = 100;

/** The bad lines of a body, as its answer names them. */
export interface BadLines {
  /** Bad lines in all. */
  bad: number;
  /** The first hundred of them, by line number from 1. */
  errors: { line: number; error: string }[];
}

/**
 * Reads a body line by line, and names its bad lines. Its lines are not split beforehand: empty ones would weigh ten times
 * the body.
 */
export abstract class BodyLines {
  readonly #body: Buffer;
  #offset = 0;
  /** Number of the line taken last, from 1. */
  line = 0;
  abstract readonly totals: BadLines;
  /** Good lines that the caller has no right to. */
  forbidden = 0;

  constructor(body: Buffer) {
    this.#body = body;
  }

  get bytes(): number {
    return this.#body.length;
  }

  get done(): boolean {
    return this.#offset > this.#body.length;
  }

  /** @returns the next line; undefined if it is empty, or is not UTF-8 and noted as bad */
  take(): string | undefined {
    const newline = this.#body.indexOf(0x0a, this.#offset);
    const end = newline === -1 ? this.#body.length : newline;
    const line = this.#body.subarray(this.#offset, end);
    this.#offset = end + 1;
    this.line++;
    if (!isUtf8(line)) return this.addError('This line is not UTF-8.');
    const text = line.toString('utf8');
    return text.trim() === '' ? undefined : text;
  }

  addForbidden(error: string): void {
    this.forbidden++;
    this.addError(error);
  }

  /** Notes the line taken last as bad. */
  addError(error: string): undefined {
    this.totals.bad++;
    if (this.totals.errors.length < errorsNamedMax) this.totals.errors.push({ line: this.line, error });
  }
}

/** @param shape the fields that the object of a line has at least, for the sentence */
export function objectInLine(text: string, shape: string): Parsed<object> {
  let value: unknown;
  try {
    // Windows programs begin files with a byte order mark, and joined files have it in the middle (RFC 8259 8.1).
    value = JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text);
  } catch {
    return { ok: false, problem: 'This line is not JSON.' };
  }
  if (typeof value === 'object' && value !== null) return { ok: true, value };
  return { ok: false, problem: `A line is an object ${shape}.` };
}
