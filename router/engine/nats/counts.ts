import type { Tally } from '../engine.js';
import type { Gathering } from './gathering.js';
import type { Link } from './link.js';
import { Receipts, Takers } from './receipts.js';

/**
 * A question wakes every node, so the more there are the rarer it is: milliseconds between two, for the square of their
 * number. 3 nodes are asked at most 5,000 times a second, 10 nodes 500 times, 54 nodes 17 times.
 */
const askSpacingMsPerPeer2 = 0.02;
/** Questions under way. Past it the next one waits for an answer: nodes that are slow are asked less often. */
const asksMax = 4;

/** How many took a message over all nodes: asks the others for what this node has published, and answers them. */
export class Counts {
  readonly #link: Link;
  readonly #cluster: Gathering;
  readonly #waitMs: number;
  readonly #takers = new Takers();
  readonly #receipts = new Receipts();
  #askedMs = Number.NEGATIVE_INFINITY;
  #asking = 0;
  #askDue = false;

  /** @param waitMs for the answers of the other nodes */
  constructor(link: Link, cluster: Gathering, waitMs: number) {
    this.#link = link;
    this.#cluster = cluster;
    this.#waitMs = waitMs;
    cluster.onQuestion('counts', (_body, { run }) => this.#takers.tell(run));
    cluster.onGone(({ run }) => this.#takers.forget(run));
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

  /** At the end of the turn; the more nodes there are to ask, the rarer. @param delivered here, and counted already */
  ask(number: number, delivered: number, onTally: (tally: Tally) => void): void {
    this.#receipts.open(number, delivered, onTally);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#askDue || this.#asking >= asksMax || this.#receipts.isEmpty) return;
    this.#askDue = true;
    const dueMs = this.#askedMs + this.#cluster.peers.length ** 2 * askSpacingMsPerPeer2;
    const waitMs = Math.ceil(dueMs - performance.now());
    if (waitMs > 0) setTimeout(() => this.#askAll(), waitMs);
    else setImmediate(() => this.#askAll());
  }

  /** Asks the others; and what came back to this node by way of a stream is here by then. */
  async #askAll(): Promise<void> {
    const take = this.#receipts.close();
    this.#askDue = false;
    this.#asking++;
    this.#askedMs = performance.now();
    const { run, name, group, role, startedMs } = this.#cluster.self;
    const self = { run, name, group, role, startedMs };
    if (this.#cluster.peers.length === 0) await this.#link.flush();
    this.#cluster.ask('counts', new Uint8Array(0), this.#waitMs, ({ answers, unanswered }) => {
      this.#asking--;
      take({ answers: [...answers, { from: self, body: this.#takers.tell(run) }], unanswered });
      this.#schedule();
    });
  }
}
