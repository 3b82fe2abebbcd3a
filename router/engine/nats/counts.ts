import type { OnOutcome } from '../engine.js';
import { Behind, behindNumber, hasMoreNumber } from './behind.js';
import type { Gathering } from './gathering.js';
import type { Link } from './link.js';
import { type Asked, Receipts } from './receipts.js';
import type { Sequence } from './sequence.js';
import { decodeTaken, encodeTaken, Takers } from './takers.js';

/**
 * A question wakes every node, so the more there are the rarer it is: milliseconds between two, for the square of their
 * number. 3 nodes are asked at most 5,000 times a second, 10 nodes 500 times, 54 nodes 17 times.
 */
const askSpacingMsPerPeer2 = 0.02;
/** Questions under way. Past it the next one waits for an answer: nodes that are slow are asked less often. */
const asksMax = 4;
/** Nodes that are behind are asked again after so long. */
const againMs = 10;
/** Between the names of streams in a question; no stream may have it in its name. */
const separator = ' ';

export interface CountsParts {
  readonly link: Pick<Link, 'flush' | 'connected'>;
  readonly cluster: Pick<Gathering, 'self' | 'peers' | 'answerBytesMax' | 'ask' | 'onQuestion' | 'onGone'>;
  /** For the answers of the other nodes. */
  readonly waitMs: number;
  readonly sequenceNamed: (stream: string) => Pick<Sequence, 'isBehind'> | undefined;
}

/**
 * How many took a message over all nodes. A node with takers notes them by the publisher's run; at the end of the
 * publisher's turn it asks all nodes once for all that it sent in that turn, and as NATS keeps the order, each answers
 * when it has handed all of it out:
 *
 *     publisher   send 7, send 8, ask "counts" ─┐        ┌─ 7: 1 + 2, 8: 0 + 1
 *     node        takes 7 (2 takers), 8 (1) ────┴─ [7: 2, 8: 1]
 *
 * A question names the streams that its messages went by. A node that is behind with one of those has not handed all of
 * it out yet: it says so with a pair whose number is negative, -1 for the first stream named, and is asked again within
 * the wait. It does not keep the answer back: what it has noted may be waited for by another question.
 */
export class Counts {
  readonly #parts: CountsParts;
  readonly #takers = new Takers();
  readonly #receipts = new Receipts();
  #askedMs = Number.NEGATIVE_INFINITY;
  #asking = 0;
  #askDue = false;
  #again: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(parts: CountsParts) {
    this.#parts = parts;
    const { cluster } = parts;
    cluster.onQuestion('counts', (body, { run }) => {
      const streams = Buffer.from(body).toString().split(separator);
      return this.#answer(streams, run, cluster.answerBytesMax);
    });
    cluster.onGone(({ run }) => {
      this.#takers.forget(run);
      this.#receipts.noteGone();
    });
  }

  /** Nobody is asked again. */
  stop(): void {
    this.#stopped = true;
  }

  /** So many took on this node what the node of that run has published under that number. */
  note(run: number, number: number, taken: number): void {
    this.#takers.note(run, number, taken);
  }

  /** It has been sent, and it is not known yet whether it is to be asked for. */
  expect(number: number): void {
    this.#receipts.expect(number);
  }

  /** What was expected will not be asked for. */
  forget(number: number): void {
    this.#receipts.forget(number);
  }

  /**
   * At the end of the turn; the more nodes there are to ask, the rarer. @param delivered here, and counted already
   * @param stream that it went by
   */
  ask(number: number, delivered: number, onOutcome: OnOutcome, stream?: string): void {
    this.#receipts.open(number, delivered, onOutcome, stream);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#askDue || this.#asking >= asksMax || this.#receipts.isEmpty) return;
    this.#askDue = true;
    const dueMs = this.#askedMs + this.#parts.cluster.peers.length ** 2 * askSpacingMsPerPeer2;
    const waitMs = Math.ceil(dueMs - performance.now());
    if (waitMs > 0) setTimeout(() => this.#askAll(), waitMs);
    else setImmediate(() => this.#askAll());
  }

  async #askAll(): Promise<void> {
    const { link, cluster, waitMs } = this.#parts;
    this.#askDue = false;
    this.#asking++;
    this.#askedMs = performance.now();
    const asked = this.#receipts.close(this.#askedMs + waitMs);
    const behind = new Behind(asked.streams);
    if (cluster.peers.length === 0) await link.flush(); // what came back by way of a stream is here by then
    cluster.ask(
      'counts',
      Buffer.from(asked.streams.join(separator)),
      waitMs,
      ({ unanswered }) => this.#end(asked, behind, unanswered),
      ({ body, from }) => this.#hear(body, from.run, behind),
    );
  }

  /** Counted as it comes, when its question is over, too: it may be of a send that another one is about. */
  #hear(body: Uint8Array, run: number, behind: Behind): void {
    decodeTaken(body, (number, count) => {
      if (number < 0) behind.note(number, run);
      else this.#receipts.add(number, count);
    });
  }

  #end(asked: Asked, behind: Behind, unanswered: number): void {
    const { link, cluster } = this.#parts;
    const { run } = cluster.self;
    this.#asking--;
    this.#hear(this.#answer(asked.streams, run, Number.POSITIVE_INFINITY), run, behind);
    const mayAskAgain = link.connected && !this.#stopped;
    const outcome = { unanswered, behind, mayAskAgain, nowMs: performance.now() };
    if (this.#receipts.settle(asked, outcome)) this.#again ??= setTimeout(() => this.#askAgain(), againMs);
    this.#schedule();
  }

  #askAgain(): void {
    this.#again = undefined;
    this.#receipts.reopen();
    this.#schedule();
  }

  #answer(streams: readonly string[], run: number, bytesMax: number): Uint8Array {
    const { sequenceNamed } = this.#parts;
    const said = streams.flatMap((stream, index) =>
      sequenceNamed(stream)?.isBehind ? [behindNumber(index), 1] : [],
    );
    const { bytes, hasMore } = this.#takers.tell(run, bytesMax - (said.length + 2) * 8);
    if (hasMore) said.push(hasMoreNumber, 1);
    return said.length === 0 ? bytes : Buffer.concat([encodeTaken(said), bytes]);
  }
}
