import type { OnOutcome } from '../engine.js';

/** Copies that nobody answers for, as of an operator's SUBSCRIBE, are remembered for so long, and for so many ids. */
const silentMs = 10_000;
const silentIdsMax = 10_000;

/** Sends that wait for answers: their ids, and what is around them. Past it a count is not waited for. */
const waitingBytesMax = 32 * 1024 * 1024;
const waitingEntryBytes = 250;

/** Number, copies and takers in an answer. */
const entryBytes = 4 + 2 + 4;
const copiesMax = 0xffff;
/** First byte of what comes on a node's own channel. */
export const countsWord = 0x43; // C

interface Waiting {
  readonly id: string;
  /** Until it has been told. */
  onOutcome: OnOutcome | undefined;
  /** Copies that went out; undefined until Redis has answered, Infinity where its answer was lost. */
  copies: number | undefined;
  answered: number;
  delivered: number;
  untilMs: number;
}

/**
 * How many took a message, over all nodes: PUBLISH says how many copies went out, and each node says of each copy that it
 * got how many here took it, all of a turn at once, on the channel of the node that asks. Of one shard.
 */
export class Counts {
  readonly #waitMs: number;
  /** @param run of the node that asked */
  readonly #send: (run: string, answer: Buffer) => void;
  readonly #waiting = new Map<number, Waiting>();
  /** id -> of so many copies only so many were answered. */
  readonly #silent = new Map<string, { copies: number; answered: number; untilMs: number }>();
  /** Answers to other nodes, by their runs. */
  readonly #answers = new Map<string, number[]>();
  #waitingBytes = 0;
  #number = 0;
  #inOrderUpTo = 0;
  #timer: NodeJS.Timeout | undefined;
  timedOut = 0;

  constructor(waitMs: number, send: (run: string, answer: Buffer) => void) {
    this.#waitMs = waitMs;
    this.#send = send;
  }

  /** Before a message is sent. @returns the number that its copies are answered under */
  expect(id: string, onOutcome: OnOutcome): number {
    this.#number = (this.#number + 1) % 0x1_0000_0000;
    const waiting = { id, onOutcome, copies: undefined, answered: 0, delivered: 0, untilMs: 0 };
    this.#waiting.set(this.#number, waiting);
    this.#waitingBytes += id.length + waitingEntryBytes;
    return this.#number;
  }

  /** It was not sent, and its publisher has been told. */
  forget(number: number): void {
    const waiting = this.#waiting.get(number);
    if (waiting !== undefined) this.#drop(number, waiting);
  }

  /** It was sent. @param copies Infinity = nobody knows */
  sent(number: number, copies: number): void {
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return;
    waiting.copies = copies;
    if (this.#settle(number, waiting)) return;
    waiting.untilMs = performance.now() + this.#waitMs;
    this.#putInOrder(number, waiting);
    // Of how many copies the count would be is not known: it is of those that have been answered.
    if (copies === Infinity || this.#waitingBytes > waitingBytesMax) this.#giveUp(number, waiting);
    else this.#timer ??= setTimeout(() => this.#sweep(), this.#waitMs);
  }

  /** A copy was handed out here. @param run of the node that counts @param taken by so many; 0 for the second copy of it */
  took(run: string, number: number, taken: number): void {
    const answers = this.#answers.get(run);
    if (answers !== undefined) {
      const at = answers.length - 3;
      if (answers[at] === number && answers[at + 1]! < copiesMax) {
        answers[at + 1]!++;
        answers[at + 2]! += taken;
      } else answers.push(number, 1, taken);
      return;
    }
    if (this.#answers.size === 0) setImmediate(() => this.#sendAnswers());
    this.#answers.set(run, [number, 1, taken]);
  }

  /** A copy of one of this node's own was handed out. */
  note(number: number, copies: number, taken: number): void {
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return;
    waiting.answered += copies;
    waiting.delivered += taken;
    if (waiting.copies !== undefined) this.#settle(number, waiting);
  }

  /** @param answer of another node, with its first byte */
  hear(answer: Buffer): void {
    for (let at = 1; at + entryBytes <= answer.length; at += entryBytes)
      this.note(answer.readUInt32BE(at), answer.readUInt16BE(at + 4), answer.readUInt32BE(at + 6));
  }

  stop(): void {
    clearTimeout(this.#timer);
    for (const { onOutcome, delivered } of this.#waiting.values())
      onOutcome?.({ delivered, unanswered: 1, carried: 'yes' });
    this.#waiting.clear();
    this.#waitingBytes = 0;
  }

  /** As they were sent: nearly always that is the order of their numbers, in which they are there already. */
  #putInOrder(number: number, waiting: Waiting): void {
    if (number > this.#inOrderUpTo) {
      this.#inOrderUpTo = number;
      return;
    }
    this.#waiting.delete(number);
    this.#waiting.set(number, waiting);
    this.#inOrderUpTo = this.#number; // those that are not sent yet are to go behind it
  }

  /** A copy that is not waited for is heard all the same, until the time is over. @returns whether it is done with */
  #settle(number: number, waiting: Waiting): boolean {
    const { copies = 0, answered, id } = waiting;
    if (answered >= copies) {
      this.#drop(number, waiting);
      if (this.#silent.size > 0) this.#silent.delete(id);
      this.#tell(waiting, 0);
      return true;
    }
    if (this.#silent.size > 0 && this.#isAllOf(id, copies, answered)) {
      this.#tell(waiting, copies - answered);
    }
    return false;
  }

  #tell(waiting: Waiting, unanswered: number): void {
    const { onOutcome, delivered } = waiting;
    waiting.onOutcome = undefined;
    onOutcome?.({ delivered, unanswered, carried: 'yes' });
  }

  /** The rest of as many copies was not answered a while ago, either. */
  #isAllOf(id: string, copies: number, answered: number): boolean {
    const silent = this.#silent.get(id);
    if (silent === undefined || silent.copies !== copies || answered < silent.answered) return false;
    return silent.untilMs > performance.now();
  }

  /** The time of the oldest is over. */
  #sweep(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    for (const [number, waiting] of this.#waiting) {
      const { id, copies, answered, untilMs } = waiting;
      if (copies === undefined) continue; // it is not known to be in Redis yet
      if (untilMs > nowMs) {
        this.#timer = setTimeout(() => this.#sweep(), untilMs - nowMs);
        return;
      }
      this.#noteSilent(id, copies, answered, nowMs);
      this.#giveUp(number, waiting);
    }
  }

  #giveUp(number: number, waiting: Waiting): void {
    const { copies, answered } = waiting;
    this.#drop(number, waiting);
    if (waiting.onOutcome !== undefined) this.timedOut++;
    this.#tell(waiting, copies === undefined || copies === Infinity ? 1 : copies - answered);
  }

  #drop(number: number, { id }: Waiting): void {
    this.#waiting.delete(number);
    this.#waitingBytes -= id.length + waitingEntryBytes;
  }

  #noteSilent(id: string, copies: number, answered: number, nowMs: number): void {
    this.#silent.delete(id);
    if (this.#silent.size >= silentIdsMax) this.#silent.delete(this.#silent.keys().next().value!);
    this.#silent.set(id, { copies, answered, untilMs: nowMs + silentMs });
  }

  #sendAnswers(): void {
    for (const [run, answers] of this.#answers) {
      const bytes = Buffer.allocUnsafe(1 + (answers.length / 3) * entryBytes);
      bytes[0] = countsWord;
      for (let i = 0, at = 1; i < answers.length; i += 3, at += entryBytes) {
        bytes.writeUInt32BE(answers[i]!, at);
        bytes.writeUInt16BE(answers[i + 1]!, at + 4);
        bytes.writeUInt32BE(answers[i + 2]!, at + 6);
      }
      this.#send(run, bytes);
    }
    this.#answers.clear();
  }
}
