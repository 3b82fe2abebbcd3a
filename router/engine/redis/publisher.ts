import type { Message } from '../../message.js';
import { isCarried, type Wants } from '../engine.js';
import type { Counts } from './counts.js';
import { outcomeTexts, type ShardError } from './errors.js';
import { PublishCallWriter, placeBytes } from './message-format.js';
import { type Batch, bytesOf, known, type Waiting, WaitingQueue } from './publish-queue.js';
import type { Begun, Shard } from './shard.js';

/** Of one call: Redis does nothing else meanwhile. */
const batchMessagesMax = 64;
const batchBytesMax = 64 * 1024;
/**
 * So many messages have to wait for one more call, by how many are under way: the more there are, the larger is the next. 64
 * messages share what a call costs, and a message that comes alone does not wait for others.
 */
const waitingMin = [1, 1, 16, batchMessagesMax];
/** Past it as much waits as is under way at most, some 1,200 small messages: 50 ms where Redis takes 25,000 a second. */
const behindBytes = waitingMin.length * batchBytesMax;
/** Redis stands still where no call has been answered for so long: it is not waited for. */
const answerMsMax = 500;
/** Bits of which `begin` says whether they ran. */
const bitsMax = 16;
/** In the place of copies; see publish.lua. */
const notKept = -1;
const brokenOff = -2;
/** A message that is not in Redis by then will not be. */
const waitMsMax = 5_000;

export interface PublisherParts {
  readonly shard: Shard;
  readonly counts: Counts;
  /** Of messages that are not known to be in Redis. */
  readonly pendingBytesMax: number;
}

/**
 * Publishes to a shard, in order: all messages that came in while the last calls were under way go in the next one.
 *
 * Each message is told what has become of it. `no` is said only where it never will be sent: a call says until when it may
 * run, and on which connection, and what a broken connection had under way is asked for on the next one.
 */
export class Publisher {
  readonly #parts: PublisherParts;
  readonly #writer: PublishCallWriter;
  readonly #queue = new WaitingQueue();
  #underWay: Batch[] = [];
  /** Under way when their connection broke. */
  #doubtful: Batch[] = [];
  #scheduled = false;
  /** Of the connection that is known to have begun. */
  #generation = 0;
  #number = 0;
  #pendingBytes = 0;
  #last: Waiting | undefined;
  #stopped = false;
  #tickedMs = 0;
  /** When a call was answered last, or nothing waited. */
  #answeredMs = 0;
  forwarded = 0;
  batches = 0;
  refused = 0;
  unknown = 0;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
    const { shard } = parts;
    const { library, run } = shard.parts;
    this.#writer = new PublishCallWriter(`${library.prefix}publish`, run);
    shard.onBegun = (begun) => this.#goOn(begun);
    shard.pendingBytes = () => this.#pendingBytes;
  }

  /** @param rule of its history, as the function takes it */
  publish(message: Message, rule: string, wants?: Wants): void {
    const { shard, counts, pendingBytesMax } = this.#parts;
    const bytes = bytesOf(message);
    if (this.#stopped || !shard.carries) return this.#refuse(wants, outcomeTexts.away(shard.parts.name));
    if (this.#pendingBytes + bytes > pendingBytesMax)
      return this.#refuse(wants, outcomeTexts.full(shard.parts.name, pendingBytesMax));
    this.#pendingBytes += bytes;
    this.#last = {
      message,
      rule,
      key: wants?.idempotencyKey ?? '',
      untilMs: performance.now() + waitMsMax,
      number: wants?.count === true ? counts.expect(message.id, wants.onOutcome) : 0,
      wants,
      over: false,
    };
    this.#queue.push(this.#last);
    if (this.#scheduled || !this.#mayCall) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  get #mayCall(): boolean {
    return this.#queue.length >= (waitingMin[this.#underWay.length] ?? Infinity);
  }

  /** Redis is away: what it was not asked for yet, it will not be. */
  refuseWaiting(): void {
    const reason = outcomeTexts.away(this.#parts.shard.parts.name);
    for (const batch of this.#doubtful) if (batch.didNothing) this.#noToAll(batch, reason);
    for (const each of this.#queue.take(this.#queue.length)) this.#no(each, reason);
  }

  /** Those whose time is over. */
  tick(nowMs: number): void {
    const { shard } = this.#parts;
    this.#tickedMs = nowMs;
    if (this.idle) this.#answeredMs = nowMs;
    const tooLate = shard.usable ? outcomeTexts.behind : outcomeTexts.away;
    while (this.#queue.length > 0 && this.#queue.at(0).untilMs <= nowMs)
      this.#no(this.#queue.take(1)[0]!, tooLate(shard.parts.name));
    for (const { messages, didNothing } of [...this.#doubtful, ...this.#underWay])
      for (const each of messages.filter(({ over, untilMs }) => !over && untilMs <= nowMs))
        if (didNothing) this.#no(each, tooLate(shard.parts.name));
        else this.#unknown(each);
  }

  /** See Engine. */
  get isBehind(): boolean {
    return this.#pendingBytes > behindBytes && this.#tickedMs - this.#answeredMs < answerMsMax;
  }

  /** Nothing is on its way. */
  get idle(): boolean {
    return this.#pendingBytes === 0;
  }

  /** Calls back when all that was published before is with Redis, or never will be, or nobody knows. */
  whenAnswered(then: () => void): void {
    const last = this.#last;
    if (last === undefined || last.over) return then();
    last.onOver ??= [];
    last.onOver.push(then);
  }

  stop(): void {
    this.#stopped = true;
    this.refuseWaiting();
    for (const batch of [...this.#doubtful, ...this.#underWay])
      for (const each of batch.messages) this.#unknown(each);
  }

  #send(): void {
    const { shard } = this.#parts;
    // On a new connection, what the last one had under way goes first.
    const isOpen = shard.open && shard.generation === this.#generation && !this.#stopped;
    while (isOpen && this.#mayCall) {
      const batch = { number: ++this.#number, messages: this.#take() };
      this.#underWay.push(batch);
      this.batches++;
      const notAfterMs = shard.clock.at(batch.messages[0]!.untilMs);
      const call = this.#writer.write(shard.generation, batch.number, notAfterMs, batch.messages);
      shard.send(call).then(
        (reply) => this.#sent(batch, reply as Buffer | (number | Buffer)[]),
        (error) => this.#failed(batch, error as ShardError),
      );
    }
  }

  #take(): Waiting[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && count < batchMessagesMax) {
      bytes += bytesOf(this.#queue.at(count).message);
      if (count > 0 && bytes > batchBytesMax) break;
      count++;
    }
    return this.#queue.take(count);
  }

  /** @param reply the last place, for each message how many copies went out, and why one did not or broke off: as bytes where each did */
  #sent(batch: Batch, reply: Buffer | readonly (number | Buffer)[]): void {
    const { shard } = this.#parts;
    this.#end(batch);
    this.#answeredMs = performance.now();
    const before = Buffer.isBuffer(reply) ? placeBytes : 1;
    for (let i = 0; i < batch.messages.length; i++) {
      const each = batch.messages[i]!;
      const said = reply[before + i]!;
      if (said === notKept) this.#no(each, outcomeTexts.notKept(shard.parts.name));
      else if (said === brokenOff) this.#unknown(each, false, outcomeTexts.brokenOff);
      else if (typeof said === 'number') this.#yes(each, said);
      else this.#repeated(each, Number(said.toString().split(' ')[1]));
    }
    const why = reply[before + batch.messages.length];
    if (why !== undefined) shard.check.note('publish', why.toString());
    this.#send();
  }

  #failed(batch: Batch, error: ShardError): void {
    this.#end(batch);
    const { shard } = this.#parts;
    if (error.kind === 'away') this.#doubtful.push(batch);
    else if (error.kind === 'refused') this.#refuseAll(batch, error);
    else if (error.kind === 'late')
      this.#noToAll(batch, outcomeTexts.behind(shard.parts.name)); // later ones may have run
    else {
      this.#doubtful.push({ ...batch, didNothing: true });
      shard.renew(error.message);
    }
    this.#send();
  }

  /** Redis has said so, and why: full memory, a missing right. */
  #refuseAll(batch: Batch, { message }: ShardError): void {
    const { parts, check } = this.#parts.shard;
    this.#noToAll(batch, outcomeTexts.refused(parts.name, message));
    check.note('publish', message);
  }

  #noToAll({ messages }: Batch, reason: string): void {
    for (const each of messages) this.#no(each, reason);
  }

  /** A connection has begun. */
  #goOn({ last, bits, troubled, sameRun }: Begun): void {
    const { shard } = this.#parts;
    this.#generation = shard.generation;
    const again: Waiting[] = [];
    // Calls that were written to a socket that had gone are given back before those that were under way on it.
    this.#doubtful.sort((one, other) => one.number - other.number);
    for (const { number, messages, didNothing } of this.#doubtful) {
      const back = last - number;
      const ran = back >= 0 && back < bitsMax && Math.floor(bits / 2 ** back) % 2 === 1;
      const fates = troubled.get(number) ?? '';
      for (const [n, each] of messages.entries())
        if (didNothing || (sameRun && !ran)) again.push(each);
        else if (!sameRun) this.#unknown(each, false);
        else if (fates[n] === '?') this.#unknown(each, false, outcomeTexts.brokenOff);
        else if (fates[n] === '-') this.#no(each, outcomeTexts.notKept(shard.parts.name));
        else this.#yes(each, Infinity);
    }
    this.#doubtful = [];
    // They did nothing, and never will: the same messages in front of the others, as long as their time lasts.
    for (const each of again) if (each.over) known(each, 'no');
    this.#queue.putBack(again.filter(({ over }) => !over));
    this.tick(performance.now());
    this.#send();
  }

  #end(batch: Batch): void {
    const at = this.#underWay.indexOf(batch);
    if (at !== -1) this.#underWay.splice(at, 1);
  }

  #yes(each: Waiting, copies: number): void {
    this.forwarded++;
    if (!this.#finish(each)) return known(each, 'yes');
    if (each.number > 0) this.#parts.counts.sent(each.number, copies);
    else each.wants?.onOutcome(isCarried);
  }

  /** Its key was there. */
  #repeated(each: Waiting, copies: number): void {
    if (!this.#finish(each)) return known(each, 'yes');
    if (each.number > 0) this.#parts.counts.forget(each.number);
    each.wants?.onOutcome({ delivered: 0, unanswered: copies, carried: 'yes', repeated: true });
  }

  #no(each: Waiting, reason: string): void {
    if (!this.#finish(each)) return known(each, 'no');
    if (each.number > 0) this.#parts.counts.forget(each.number);
    this.#refuse(each.wants, reason);
  }

  /** @param mayBeKnown when the next connection begins */
  #unknown(each: Waiting, mayBeKnown = true, text = outcomeTexts.unknown): void {
    if (!this.#finish(each)) return known(each, 'unknown');
    this.unknown++;
    if (each.number > 0) this.#parts.counts.forget(each.number);
    each.wants?.onOutcome({
      delivered: 0,
      unanswered: 0,
      carried: 'unknown',
      reason: text(this.#parts.shard.parts.name),
      ...(mayBeKnown && { whenKnown: (then) => Object.assign(each, { onKnown: then }) }),
    });
  }

  #finish(each: Waiting): boolean {
    if (each.over) return false;
    each.over = true;
    this.#pendingBytes -= bytesOf(each.message);
    if (each.onOver !== undefined) for (const then of each.onOver) setImmediate(then);
    return true;
  }

  #refuse(wants: Wants | undefined, reason: string): void {
    this.refused++;
    wants?.onOutcome({ delivered: 0, unanswered: 0, carried: 'no', reason });
  }
}
