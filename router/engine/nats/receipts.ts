import type { Answers } from '../cluster.js';
import type { Tally } from '../engine.js';

/**
 * How many took a message, over all nodes. A node with takers notes them by the publisher's run; at the end of the
 * publisher's turn it asks all nodes once for all that it sent in that turn, and as NATS keeps the order, each answers
 * when it has handed all of it out:
 *
 *     publisher   send 7, send 8, ask "counts" ─┐        ┌─ 7: 1 + 2, 8: 0 + 1
 *     node        takes 7 (2 takers), 8 (1) ────┴─ [7: 2, 8: 1]
 */

/** Of sends that nobody has asked about yet, for each publisher: it asks within a turn of its loop. */
const notedMax = 100_000;

/** At the node that hands out: takers that their publisher has not asked for yet. */
export class Takers {
  readonly #noted = new Map<number, number[]>();

  note(run: number, sequence: number, count: number): void {
    if (count === 0) return;
    const noted = this.#noted.get(run);
    if (noted === undefined) this.#noted.set(run, [sequence, count]);
    else if (noted.length < notedMax * 2) noted.push(sequence, count);
  }

  /** All that is noted for a publisher, as sequence and count of 8 bytes each. */
  tell(run: number): Uint8Array {
    const noted = this.#noted.get(run) ?? [];
    this.#noted.delete(run);
    const bytes = Buffer.allocUnsafe(noted.length * 8);
    for (const [i, number] of noted.entries()) bytes.writeDoubleBE(number, i * 8);
    return bytes;
  }

  forget(run: number): void {
    this.#noted.delete(run);
  }
}

interface Open {
  delivered: number;
  /** Absent until it is asked for. */
  onTally: ((tally: Tally) => void) | undefined;
}

/**
 * At the publisher: sends that are to be counted. A node tells of all that it has handed out when it is asked, and that
 * may be more than the question is about, where a message has come to it by way of a stream before the publisher heard
 * that it is stored; so a count is taken for every send that is still waited for:
 *
 *     expect 7, expect 8 ── 7 is stored: open 7, ask ── [7: 2, 8: 1] ── 8 is stored: open 8, ask ── [] ── 8: 1
 */
export class Receipts {
  /** Expected, open or asked for. As many as acknowledgements are waited for, and the sends of one turn. */
  readonly #waited = new Map<number, Open>();
  #open: number[] = [];

  /** None is to be asked for. */
  get isEmpty(): boolean {
    return this.#open.length === 0;
  }

  /** It has been sent, and it is not known yet whether it is to be asked for. */
  expect(sequence: number): void {
    this.#waited.set(sequence, { delivered: 0, onTally: undefined });
  }

  /** What was expected will not be asked for. */
  forget(sequence: number): void {
    this.#waited.delete(sequence);
  }

  open(sequence: number, deliveredHere: number, onTally: (tally: Tally) => void): void {
    const delivered = deliveredHere + (this.#waited.get(sequence)?.delivered ?? 0);
    this.#waited.set(sequence, { delivered, onTally });
    this.#open.push(sequence);
  }

  /** All that is open, to be asked for; what comes after it belongs to the next turn. @returns who takes the answers */
  close(): (answers: Answers) => void {
    const asked = this.#open;
    this.#open = [];
    return ({ answers, unanswered }) => {
      for (const { body } of answers) this.#addUp(body);
      for (const sequence of asked) {
        const open = this.#waited.get(sequence)!;
        this.#waited.delete(sequence);
        open.onTally!({ delivered: open.delivered, unanswered, carried: true });
      }
    };
  }

  #addUp(body: Uint8Array): void {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
    for (let at = 0; at + 16 <= bytes.length; at += 16) {
      const waited = this.#waited.get(bytes.readDoubleBE(at));
      if (waited !== undefined) waited.delivered += bytes.readDoubleBE(at + 8);
    }
  }
}
