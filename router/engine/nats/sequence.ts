import type { Loaded } from '../../history/replicated-history.js';
import type { Message } from '../../message.js';
import type { HistoryStream, StreamState } from './history-stream.js';
import { type Come, IdOrder } from './id-order.js';
import type { Link } from './link.js';
import { Marks } from './marks.js';
import { idOfStored, missedBetween } from './missed.js';
import { markToken, messageOfStream } from './stored-message.js';
import { type ReadBudget, StreamReader } from './stream-reader.js';
import { subjectOfId } from './subject.js';

/** At most so often a mark is kept, and the stream looked after; and twenty times in the age of its messages. */
const restMsMax = 10_000;
const restMsMin = 250;
/** What may be on its way for longer is not waited for; a twentieth of the age of messages, too. */
const settleMsMax = 2_500;
const settleMsMin = 250;
/**
 * Subjects that kept marks take turns in, each of which holds as many as an id has messages. They stand for the
 * messages of quiet ids: without them, an id that has 1,000 messages a second would soon be alone in the stream, and
 * nobody could say that nothing else is gone.
 */
const keptSubjects = 32;
/** So many looks in a row that nobody answered, and it is taken for away; a busy server misses one. */
const silentLooksMax = 3;
/** How often it is tried again to catch up. */
const retryMs = 250;
/** So many in vain are told: a server that has just started needs one or two. */
const troubleTries = 4;
/** Come while what was missed is read. Past it they are let go, and read from the stream, too. */
const queuedMax = 200_000;
/** What was missed is handed out so many a turn. */
const handedOutPerTurn = 500;
/** A mark may overtake what was stored just before it; see IdOrder. */
const stragglersMs = 50;
/** How long who resumes waits for a stream that cannot be read right now, as when NATS elects a leader. */
const loadWaitMs = 5_000;

export interface SequenceEvents {
  /** In the order of the stream, each once. */
  handOut(message: Message, data: Uint8Array): void;
  /** Something may have been missed for good, of the ids that `concerns` says. */
  onGap(stream: string, concerns: (id: string) => boolean): void;
  /** The stream was made anew, and with it the epoch. */
  onAnew(): void;
  /** The stream cannot be read or written right now; told once, until it can. */
  onTrouble(stream: string, reason: string): void;
}

/**
 * One stream as this node hears it: where it stands, each message once and in order, and no gap after NATS was away.
 *
 *     following ──(NATS is lost, and back; or there is a doubt)──> catching up: what was missed is read from the
 *         ^                                                        stream, what comes meanwhile waits
 *         └────────────────────────────────────────────────────────┘
 */
export class Sequence {
  readonly stream: HistoryStream;
  readonly #link: Link;
  readonly #events: SequenceEvents;
  readonly #marks: Marks;
  readonly #reader: StreamReader;
  readonly #order: IdOrder;
  createdMs: number;
  /** What has come while it catches up. */
  #queue: Come[] | undefined;
  /** Who waits until it follows again. */
  #waiting: (() => void)[] = [];
  /** Of the catching up that is under way. */
  #abort: AbortController | undefined;
  #rest: NodeJS.Timeout | undefined;
  #comparing = false;
  #keptMarks = 0;
  #silentLooks = 0;
  /** Ids of which something came too late to be handed out. */
  readonly #late = new Set<string>();
  constructor(
    stream: HistoryStream,
    { createdMs, lastSequence }: StreamState,
    link: Link,
    { run, budget }: { run: number; budget: ReadBudget },
    events: SequenceEvents,
  ) {
    this.stream = stream;
    const settleMs = Math.min(settleMsMax, Math.max(settleMsMin, stream.rule.ageSec * 50));
    this.#order = new IdOrder(lastSequence, settleMs, {
      handOut: (come) => this.#handOut(come),
      onMissing: (id) => this.#events.onGap(stream.name, (other) => other === id),
      onLate: (id) => {
        this.#late.add(id);
        this.doubt();
      },
    });
    this.createdMs = createdMs;
    this.#link = link;
    this.#events = events;
    this.#reader = new StreamReader(stream, budget);
    this.#marks = new Marks((number, kept) => {
      const turn = kept ? this.#keptMarks++ % keptSubjects : 'q';
      return link.publish(`${stream.subjectPrefix}${markToken}.${run}.${turn}`, Buffer.from(`${number}`));
    });
  }

  start(): void {
    const { ageSec } = this.stream.rule;
    const restMs = Math.min(restMsMax, Math.max(restMsMin, (ageSec * 1000) / 20));
    this.#rest = setInterval(() => this.#look(), restMs);
    this.#marks.pass(true);
  }

  /** A few times a second. */
  tick(nowMs: number): void {
    if (this.#queue === undefined) this.#order.tick(nowMs);
  }

  stop(): void {
    clearInterval(this.#rest);
    this.#abort?.abort();
    this.#marks.failAll();
    this.#endWaiting();
  }

  /** @param reply where the stream says that it is stored */
  publish(id: string, envelope: Uint8Array, reply: string | undefined): boolean {
    return this.#link.publish(this.stream.subjectPrefix + subjectOfId(id), envelope, reply);
  }

  /** All of an id up to here that this node is sent has been handed out. */
  positionOf(id: string): number {
    return this.#order.positionOf(id);
  }

  /** Came when nothing waited for them any more. */
  get late(): number {
    return this.#order.late;
  }

  markArrived(data: Uint8Array, sequence: number): void {
    if (this.#queue === undefined) {
      if (sequence < this.#order.settled) this.doubt();
      else this.#order.pass(sequence);
    }
    this.#marks.arrived(Number(Buffer.from(data).toString()), sequence);
  }

  /** A message of the stream has come. The same comes once for each of id and filters that match, one behind the other. */
  arrived(come: Come): void {
    if (this.#queue !== undefined) this.#enqueue(come);
    else this.#order.take(come);
  }

  /** NATS is lost: what comes next is not what came next. */
  lose(): void {
    this.#queue ??= [];
    this.#abort?.abort();
    this.#marks.failAll();
  }

  /** Something is not as it should be: is it another stream by now? */
  doubt(): void {
    if (this.#queue !== undefined || this.#comparing) return;
    this.#comparing = true;
    void this.#compare().finally(() => {
      this.#comparing = false;
      if (this.#queue === undefined) this.#tellLate();
    });
  }

  /** NATS is there, and all subscriptions are made. Tries until it has worked, or NATS is lost again. Never rejects. */
  async catchUp(): Promise<void> {
    this.#abort?.abort();
    this.#abort = new AbortController();
    this.#queue ??= [];
    const { signal } = this.#abort;
    for (let tries = 1; !signal.aborted; tries++) {
      try {
        await this.#catchUpOnce(signal);
        return;
      } catch (error) {
        if (tries === troubleTries) this.#events.onTrouble(this.stream.name, (error as Error).message);
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  /**
   * Somebody begins with an id: resolves when the subscription is in effect; at once where that cannot be known now. What
   * was stored before, and comes after all, is handed out.
   */
  async begin(id: string): Promise<void> {
    if (this.#queue !== undefined || !this.#link.carries) return;
    const position = await this.#pass();
    if (position !== undefined && this.#queue === undefined) this.#order.begin(id, position);
  }

  /** Somebody begins with all ids that a filter matches. */
  async beginFilter(): Promise<void> {
    const position = await this.#pass();
    if (position !== undefined && this.#queue === undefined) this.#order.beginFilter(position);
  }

  /** What is kept of an id behind an offset, up to where this node stands. Undefined = it cannot be known now. */
  async load(id: string, offset: number): Promise<Loaded | undefined> {
    const untilMs = performance.now() + loadWaitMs;
    while (await this.#follows(untilMs)) {
      const loaded = await this.#loadOnce(id, offset).catch(() => undefined);
      if (loaded !== undefined) return loaded;
      if (this.#queue === undefined) await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
    return undefined;
  }

  async #loadOnce(id: string, offset: number): Promise<Loaded | undefined> {
    const { createdMs } = this;
    const position = await this.#settled();
    if (position === undefined || this.#queue !== undefined) return undefined;
    const read = await this.#reader.read(id, offset, position);
    if (read.createdMs !== this.createdMs) this.doubt();
    if (read.createdMs !== createdMs || this.createdMs !== createdMs) return undefined;
    this.#order.know(id, position);
    return { ...read, position };
  }

  /** @returns a position up to which all has come, stragglers too */
  async #settled(): Promise<number | undefined> {
    const position = await this.#pass();
    if (position === undefined) return undefined;
    await new Promise((resolve) => setTimeout(resolve, stragglersMs));
    return position;
  }

  async #pass(kept = false): Promise<number | undefined> {
    const position = await this.#marks.pass(kept);
    if (position === undefined) void this.#missMark();
    return position;
  }

  /**
   * A mark is not back in time: all is slow, or the stream is not as it should be. Where the stream answers sooner than
   * the mark is back, it is the stream. To doubt where all is slow would make it slower: 27 nodes on two full cores, each
   * catching up again and again, fell behind for longer than messages are kept.
   */
  async #missMark(): Promise<void> {
    const { number } = this.#marks;
    const state = await this.stream.find().catch(() => undefined);
    if (state === undefined || this.#marks.isBack(number)) return;
    if (this.#queue === undefined && this.#link.carries) void this.catchUp();
  }

  /** A stream that was deleted, or does not answer, is noticed, though nothing is published. */
  async #look(): Promise<void> {
    if (this.#queue !== undefined || !this.#link.carries) return;
    await this.#pass(true);
    await this.#compare();
  }

  async #compare(): Promise<void> {
    const state = await this.stream.find().catch(() => 'silent' as const);
    this.#silentLooks = state === 'silent' ? this.#silentLooks + 1 : 0;
    if (state === 'silent' ? this.#silentLooks < silentLooksMax : state?.createdMs === this.createdMs) return;
    if (this.#queue === undefined && this.#link.carries) void this.catchUp();
  }

  /** @throws Error where it has to be tried again */
  async #catchUpOnce(signal: AbortSignal): Promise<void> {
    const { createdMs } = await this.stream.ensure();
    const upTo = await this.#passWhileCatchingUp(signal, true);
    const anew = createdMs !== this.createdMs;
    if (anew) this.#queue = this.#queue!.filter(({ sequence }) => sequence <= upTo); // others are of the old one
    const missed = await missedBetween(this.stream, anew ? 0 : this.#order.settled, upTo, signal);
    // What has made room in the stream for what was read meanwhile is in the queue then.
    await this.#passWhileCatchingUp(signal, false);
    if (missed.createdMs !== createdMs) throw new Error('It was made anew meanwhile');
    for (const { id } of this.#queue!) missed.count(id);
    if (anew) this.#begin(createdMs);
    if (anew || missed.mayLackAll) this.#late.clear();
    this.#tellLate();
    if (anew || missed.mayLackAll) this.#events.onGap(this.stream.name, () => true);
    else if (missed.crowded.size > 0) this.#events.onGap(this.stream.name, (id) => missed.crowded.has(id));
    for (const [n, { subject, sequence, data }] of missed.messages.entries()) {
      if (n % handedOutPerTurn === handedOutPerTurn - 1) await new Promise(setImmediate);
      if (signal.aborted) return;
      const id = idOfStored(this.stream, subject);
      if (id !== undefined) this.#order.takeRead({ id, sequence, last: 0, data });
    }
    this.#follow(upTo);
  }

  async #passWhileCatchingUp(signal: AbortSignal, kept: boolean): Promise<number> {
    const position = await this.#marks.pass(kept);
    if (position === undefined || signal.aborted) throw new Error('NATS, or the stream, is away');
    return position;
  }

  #begin(createdMs: number): void {
    this.createdMs = createdMs;
    this.#order.restart(0);
    this.#events.onAnew();
  }

  /** @param upTo all up to there has been read */
  #follow(upTo: number): void {
    const queue = this.#queue ?? [];
    this.#queue = undefined;
    this.#abort = undefined;
    this.#order.restart(upTo);
    for (const come of queue.sort((a, b) => a.sequence - b.sequence))
      if (come.sequence > upTo) this.arrived(come);
    this.#endWaiting();
  }

  #handOut({ id, sequence, data }: Come): void {
    const message = messageOfStream(id, sequence, data);
    if (message !== undefined) this.#events.handOut(message, data);
  }

  /** Of a stream that was made anew all are told, and these need not be. */
  #tellLate(): void {
    const late = new Set(this.#late);
    this.#late.clear();
    if (late.size > 0) this.#events.onGap(this.stream.name, (id) => late.has(id));
  }

  /** @returns whether it follows, maybe after a wait */
  async #follows(untilMs: number): Promise<boolean> {
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0) return false;
    if (this.#queue === undefined) return true;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, leftMs);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    return this.#queue === undefined;
  }

  #endWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }

  #enqueue(come: Come): void {
    this.#queue!.push({ ...come, data: Uint8Array.from(come.data) });
    if (this.#queue!.length <= queuedMax) return;
    this.#queue = [];
    if (this.#link.connected) void this.catchUp();
  }
}
