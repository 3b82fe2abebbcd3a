import type { Answer, QuestionAnswer } from '../cluster.js';
import type { Tally } from '../engine.js';
import type { Gathering } from './gathering.js';
import type { Link } from './link.js';
import { Receipts, Takers } from './receipts.js';
import type { Sequence } from './sequence.js';

/**
 * A question wakes every node, so the more there are the rarer it is: milliseconds between two, for the square of their
 * number. 3 nodes are asked at most 5,000 times a second, 10 nodes 500 times, 54 nodes 17 times.
 */
const askSpacingMsPerPeer2 = 0.02;
/** Between the names of streams in a question; no stream may have it in its name. */
const streamsSeparator = ' ';
/** Questions under way. Past it the next one waits for an answer: nodes that are slow are asked less often. */
const asksMax = 4;

export interface CountsParts {
  readonly link: Link;
  readonly cluster: Gathering;
  /** For the answers of the other nodes. */
  readonly waitMs: number;
  readonly sequenceNamed: (stream: string) => Sequence | undefined;
}

/**
 * How many took a message over all nodes: asks the others for what this node has published, and answers them.
 *
 * A question names the streams that its messages went by. A node that is catching up with one of those has not handed
 * all of it out yet, and answers when it has; within the wait, or else it counts as one that did not answer.
 */
export class Counts {
  readonly #parts: CountsParts;
  readonly #takers = new Takers();
  readonly #receipts = new Receipts();
  #askedMs = Number.NEGATIVE_INFINITY;
  #asking = 0;
  #askDue = false;
  /** That the open ones went by. */
  #streams = new Set<string>();

  constructor(parts: CountsParts) {
    this.#parts = parts;
    parts.cluster.onQuestion('counts', (body, { run }) => this.#answer(Buffer.from(body).toString(), run));
    parts.cluster.onGone(({ run }) => this.#takers.forget(run));
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
  ask(number: number, delivered: number, onTally: (tally: Tally) => void, stream?: string): void {
    if (stream !== undefined) this.#streams.add(stream);
    this.#receipts.open(number, delivered, onTally);
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

  /** Asks the others; and what came back to this node by way of a stream is here by then. */
  async #askAll(): Promise<void> {
    const { link, cluster, waitMs } = this.#parts;
    const take = this.#receipts.close();
    const streams = [...this.#streams].join(streamsSeparator);
    this.#streams.clear();
    this.#askDue = false;
    this.#asking++;
    this.#askedMs = performance.now();
    if (cluster.peers.length === 0) await link.flush();
    const followsHere = this.#follows(streams);
    cluster.ask('counts', Buffer.from(streams), waitMs, async ({ answers, unanswered }) => {
      const own = followsHere === undefined || (await followsHere);
      this.#asking--;
      if (own) take({ answers: [...answers, this.#ownAnswer()], unanswered });
      else take({ answers, unanswered: unanswered + 1 });
      this.#schedule();
    });
  }

  #ownAnswer(): Answer {
    const { run, name, group, role, startedMs } = this.#parts.cluster.self;
    return { from: { run, name, group, role, startedMs }, body: this.#takers.tell(run) };
  }

  #answer(streams: string, run: number): QuestionAnswer {
    const follows = this.#follows(streams);
    if (follows === undefined) return this.#takers.tell(run);
    return follows.then((ended) => (ended ? this.#takers.tell(run) : undefined));
  }

  /** @returns undefined where this node follows them all; else whether it does within the wait */
  #follows(streams: string): Promise<boolean> | undefined {
    const { sequenceNamed, waitMs } = this.#parts;
    const waits: Promise<boolean>[] = [];
    for (const stream of streams.split(streamsSeparator)) {
      const following = sequenceNamed(stream)?.following;
      if (following !== undefined && !following.isOn) waits.push(following.within(waitMs));
    }
    return waits.length === 0 ? undefined : Promise.all(waits).then((all) => all.every(Boolean));
  }
}
