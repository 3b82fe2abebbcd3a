import type { Answer, Answers, ClusterNode } from '../cluster.js';

/** Asked, and not yet answered by all. Past it nobody is waited for. */
const pendingMax = 10_000;

interface Ask {
  /** Runs of those who have not answered. */
  readonly waiting: Set<number>;
  /** Have gone without an answer. */
  gone: number;
  readonly answers: Answer[];
  readonly onAnswers: (answers: Answers) => void;
  readonly timer: NodeJS.Timeout;
}

/** Questions to all other nodes, until each has answered, or gone, or the time is over. */
export class Asks {
  readonly #pending = new Map<number, Ask>();
  #number = 0;

  /** @returns the number to ask under; undefined when too many are pending, and then it is over already */
  begin(
    peers: readonly ClusterNode[],
    waitMs: number,
    onAnswers: (answers: Answers) => void,
  ): number | undefined {
    if (this.#pending.size >= pendingMax) {
      onAnswers({ answers: [], unanswered: peers.length });
      return undefined;
    }
    const number = ++this.#number;
    const timer = setTimeout(() => this.#timeOut(number), waitMs);
    const waiting = new Set(peers.map(({ run }) => run));
    this.#pending.set(number, { waiting, gone: 0, answers: [], onAnswers, timer });
    return number;
  }

  answered(number: number, answer: Answer): void {
    const ask = this.#pending.get(number);
    if (ask === undefined || !ask.waiting.delete(answer.from.run)) return;
    ask.answers.push(answer);
    if (ask.waiting.size === 0) this.#end(number, ask);
  }

  /** A node that has gone is not waited for, and counts as one that did not answer. */
  gone(run: number): void {
    for (const [number, ask] of this.#pending) {
      if (!ask.waiting.delete(run)) continue;
      ask.gone++;
      if (ask.waiting.size === 0) this.#end(number, ask);
    }
  }

  /** Nobody can answer any more. */
  endAll(): void {
    for (const [number, ask] of this.#pending) this.#end(number, ask);
  }

  #timeOut(number: number): void {
    const ask = this.#pending.get(number);
    if (ask !== undefined) this.#end(number, ask);
  }

  #end(number: number, { timer, answers, waiting, gone, onAnswers }: Ask): void {
    clearTimeout(timer);
    this.#pending.delete(number);
    onAnswers({ answers, unanswered: waiting.size + gone });
  }
}

/** A question on its way: its name, and what is asked. */
export function named(name: string, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(name.length), Buffer.from(name, 'latin1'), body]);
}

export function nameIn(bytes: Buffer): [name: string, body: Buffer] {
  const end = 1 + (bytes[0] ?? 0);
  return [bytes.toString('latin1', 1, end), bytes.subarray(end)];
}

export function numberBytes(number: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(number % 0x1_0000_0000);
  return bytes;
}
