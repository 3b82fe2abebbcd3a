import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { isUtf8 } from 'node:buffer';
import { Message } from '../../router/message.js';
import type { Router } from '../../router/router.js';
import type { Config } from '../config.js';
import { answerJson, type Headers } from './answer.js';
import type { ApiGuard } from './api-guard.js';
import type { Bodies } from './body.js';
import { checkId } from './request.js';

/** Node decodes what it can and skips the rest, which would be another message than was meant. */
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Line numbers named in one answer; more bad lines are only counted. */
const errorsNamedMax = 100;

/** After this many deliveries a batch lets the others have a turn of the loop (and its own bytes go out). */
const deliveriesPerTurnMax = 20_000;
/** And after this many lines, delivered to anybody or not. */
const linesPerTurnMax = 5_000;

export interface BatchTotals {
  /** Good lines, each one message. */
  messages: number;
  delivered: number;
  /** Bad lines in all. */
  bad: number;
  /** The first hundred of them, by line number from 1. */
  errors: { line: number; error: string }[];
}

/**
 * `POST /send` with NDJSON lines `{"id","data"}`, for throughput: bad lines are named by number while the good
 * ones are delivered, in order. Empty lines are skipped.
 */
export class SendBatchEndpoint {
  readonly #router: Router;
  readonly #config: Config;
  readonly #guard: ApiGuard;
  readonly #bodies: Bodies;

  constructor(router: Router, config: Config, guard: ApiGuard, bodies: Bodies) {
    this.#router = router;
    this.#config = config;
    this.#guard = guard;
    this.#bodies = bodies;
  }

  readonly handle = (response: HttpResponse, request: HttpRequest): void => {
    const cors = this.#guard.admit(response, request);
    if (cors === undefined) return;
    this.#bodies.read(response, cors, this.#config.batchBytesMax, (body) => {
      const batch = new Batch(linesOf(body));
      this.#work(batch, response, cors);
    });
  };

  #work(batch: Batch, response: HttpResponse, cors: Headers): void {
    let aborted = false;
    let first = true;
    const turn = () => {
      const done = this.#publishSome(batch);
      if (!done) {
        // What was accepted is sent even if the publisher has gone; only nobody hears the totals then.
        if (first)
          response.onAborted(() => {
            aborted = true;
          });
        first = false;
        setImmediate(turn);
        return;
      }
      if (aborted) return;
      const say = () => answerJson(response, '200 OK', batch.totals, cors);
      if (first) say();
      else response.cork(say);
    };
    turn();
  }

  /** @returns true when all lines are done */
  #publishSome(batch: Batch): boolean {
    const deliveredMax = batch.totals.delivered + deliveriesPerTurnMax;
    const lineMax = batch.next + linesPerTurnMax;
    while (batch.next < batch.lines.length) {
      if (batch.totals.delivered >= deliveredMax || batch.next >= lineMax) return false;
      const line = batch.lines[batch.next++];
      if (line?.trim() !== '') this.#publishLine(batch, line);
    }
    return true;
  }

  #publishLine(batch: Batch, line: string | undefined): void {
    const message = line === undefined ? 'This line is not UTF-8.' : this.#parse(line);
    if (typeof message === 'string') {
      batch.addError(message);
      return;
    }
    batch.totals.messages++;
    batch.totals.delivered += this.#router.publish(message);
  }

  /** @returns the message, or what is wrong with the line */
  #parse(line: string): Message | string {
    let value: { id?: unknown; data?: unknown; encoding?: unknown } | null;
    try {
      value = JSON.parse(line);
    } catch {
      return 'This line is not JSON.';
    }
    if (typeof value !== 'object' || value === null) return 'A line is an object {"id","data"}.';
    if (typeof value.id !== 'string' || typeof value.data !== 'string') return '"id" and "data" are strings.';
    if (value.encoding !== undefined && value.encoding !== 'base64')
      return '"encoding" is "base64" or absent.';
    const id = checkId(value.id, this.#config.idBytesMax);
    if (!id.ok) return id.problem;
    if (value.encoding === 'base64' && !base64.test(value.data)) return '"data" is not base64.';
    const payload = Buffer.from(value.data, value.encoding ?? 'utf8');
    if (payload.length > this.#config.messageBytesMax) {
      return `The message is larger than ${this.#config.messageBytesMax} bytes.`;
    }
    return new Message(id.value, payload, Date.now());
  }
}

class Batch {
  /** undefined where a line is not UTF-8. */
  readonly lines: (string | undefined)[];
  /** Index of the line that comes next; so, once taken, its number from 1. */
  next = 0;
  readonly totals: BatchTotals = { messages: 0, delivered: 0, bad: 0, errors: [] };

  constructor(lines: (string | undefined)[]) {
    this.lines = lines;
  }

  addError(error: string): void {
    this.totals.bad++;
    if (this.totals.errors.length < errorsNamedMax) this.totals.errors.push({ line: this.next, error });
  }
}

/** Decoded at once where all of it is UTF-8, which is nearly always and much faster than line by line. */
function linesOf(body: Buffer): (string | undefined)[] {
  if (isUtf8(body)) return body.toString('utf8').split('\n');
  const lines: (string | undefined)[] = [];
  for (let start = 0; start <= body.length; ) {
    const newline = body.indexOf(0x0a, start);
    const end = newline === -1 ? body.length : newline;
    const line = body.subarray(start, end);
    lines.push(isUtf8(line) ? line.toString('utf8') : undefined);
    start = end + 1;
  }
  return lines;
}
