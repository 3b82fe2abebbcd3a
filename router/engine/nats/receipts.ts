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
  readonly onTally: (tally: Tally) => void;
}

/** At the publisher: sends of this turn that are to be counted. */
export class Receipts {
  #open = new Map<number, Open>();

  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  open(sequence: number, deliveredHere: number, onTally: (tally: Tally) => void): void {
    this.#open.set(sequence, { delivered: deliveredHere, onTally });
  }

  /** All that is open, to be asked for; what comes after it belongs to the next turn. @returns who takes the answers */
  close(): (answers: Answers) => void {
    const asked = this.#open;
    this.#open = new Map();
    return ({ answers, unanswered }) => {
      for (const { body } of answers) addUp(asked, body);
      for (const { delivered, onTally } of asked.values()) onTally({ delivered, unanswered, carried: true });
    };
  }
}

function addUp(asked: Map<number, Open>, body: Uint8Array): void {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    const open = asked.get(bytes.readDoubleBE(at));
    if (open !== undefined) open.delivered += bytes.readDoubleBE(at + 8);
  }
}
