import type { Loaded } from '../../history/replicated-history.js';
import { Following } from './following.js';
import type { HistoryStream, StreamState } from './history-stream.js';
import { type Come, IdOrder } from './id-order.js';
import type { Link } from './link.js';
import { Marks } from './marks.js';
import { handOutMissed, missedBetween } from './missed.js';
import type { SequenceEvents } from './sequence-events.js';
import { markToken, messageOfStream } from './stored-message.js';
import { type ReadBudget, StreamReader } from './stream-reader.js';
import { StreamWatch } from './stream-watch.js';
import { subjectOfId } from './subject.js';

/** What may be on its way for longer is not waited for; a twentieth of the age of messages, too. */
const settleMsMax = 2_500;
const settleMsMin = 250;
/** How often it is tried again to catch up. */
const retryMs = 250;
/** So many in vain are told: a server that has just started needs one or two. */
const troubleTries = 4;
/** A mark may overtake what was stored just before it; see IdOrder. */
const stragglersMs = 50;

export interface SequenceParts {
  readonly run: number;
  /** In the cluster, this one included. */
  readonly nodes: () => number;
  /** Of all who read. */
  readonly budget: ReadBudget;
  /** Whether somebody here is for the id itself, and not for a filter that matches it. */
  readonly isExact: (id: string) => boolean;
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
  readonly #watch: StreamWatch;
  createdMs: number;
  readonly #following = new Following();
  /** Of the catching up that is under way. */
  #abort: AbortController | undefined;
  /** The stream was found to have lost its end, in this or an earlier try to catch up. */
  #shorter = false;
  #doubting = false;
  /** Ids of which something came too late to be handed out. */
  readonly #late = new Set<string>();

  constructor(
    stream: HistoryStream,
    { createdMs, lastSequence }: StreamState,
    link: Link,
    { run, budget, nodes, isExact }: SequenceParts,
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
      isExact,
    });
    this.createdMs = createdMs;
    this.#link = link;
    this.#events = events;
    this.#reader = new StreamReader(stream, budget);
    const markSubject = `${stream.subjectPrefix}${markToken}.${run}`;
    this.#marks = new Marks((number) => link.publish(markSubject, Buffer.from(`${number}`)), nodes);
    this.#watch = new StreamWatch(stream, {
      createdMs: () => this.createdMs,
      follows: () => this.#following.isOn && this.#link.carries,
      pass: () => this.#pass(),
      onOther: () => void this.catchUp(),
    });
  }

  start(): void {
    this.#watch.start();
    void this.#pass();
  }

  /** A few times a second. */
  tick(nowMs: number): void {
    if (this.#following.isOn) this.#order.tick(nowMs);
  }

  stop(): void {
    this.#watch.stop();
    this.#abort?.abort();
    this.#marks.failAll();
    this.#following.end();
  }

  /** @param reply where the stream says that it is stored */
  publish(id: string, envelope: Uint8Array, reply: string | undefined): boolean {
    return this.#link.publish(this.stream.subjectPrefix + subjectOfId(id), envelope, reply);
  }

  /** All of an id up to here that this node is sent has been handed out. */
  positionOf(id: string): number {
    return this.#order.positionOf(id);
  }

  /** Whether something has come to this node, or should have, that is not handed out yet. */
  get isBehind(): boolean {
    return !this.#following.isOn || this.#order.waiting > 0;
  }

  /** Came when nothing waited for them any more. */
  get late(): number {
    return this.#order.late;
  }

  markArrived(data: Uint8Array, sequence: number): void {
    if (this.#following.isOn) {
      if (sequence < this.#order.settled) this.doubt();
      else this.#order.pass(sequence);
    }
    this.#marks.arrived(Number(Buffer.from(data).toString()), sequence);
  }

  /** A message of the stream has come. The same comes once for each of id and filters that match, one behind the other. */
  arrived(come: Come): void {
    if (this.#following.isOn) this.#order.take(come);
    else if (!this.#following.keep(come) && this.#link.connected) void this.catchUp();
  }

  /** NATS is lost: what comes next is not what came next. */
  lose(): void {
    this.#following.interrupt();
    this.#abort?.abort();
    this.#marks.failAll();
  }

  /** Something is not as it should be: is it another stream by now? */
  doubt(): void {
    if (!this.#following.isOn || this.#doubting) return;
    this.#doubting = true;
    void this.#watch.compare().finally(() => {
      this.#doubting = false;
      if (this.#following.isOn) this.#tellLate();
    });
  }

  /** NATS is there, and all subscriptions are made. Tries until it has worked, or NATS is lost again. Never rejects. */
  async catchUp(): Promise<void> {
    if (this.#following.hasEnded) return;
    this.#abort?.abort();
    this.#abort = new AbortController();
    this.#following.interrupt();
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
    if (!this.#following.isOn || !this.#link.carries) return;
    const position = await this.#pass();
    if (position !== undefined && this.#following.isOn) this.#order.begin(id, position);
  }

  /** Somebody begins with all ids that a filter matches; resolves as with an id. */
  async beginFilter(): Promise<void> {
    const begun = this.#beginFilter();
    if (this.#following.isOn && this.#link.carries) await begun;
  }

  async #beginFilter(): Promise<void> {
    const position = await this.#pass();
    if (position !== undefined && this.#following.isOn) this.#order.beginFilter(position);
  }

  /** Nobody here is for an id any more: what is sent to it does not come. */
  end(id: string): void {
    this.#order.end(id);
  }

  /** The same of all ids that a filter matches. */
  endFilter(): void {
    this.#order.endFilter();
  }

  /** What is kept of an id behind an offset, up to where this node stands. Undefined = it could not be known until then. */
  async load(id: string, offset: number, untilMs: number): Promise<Loaded | undefined> {
    // Once in any case: in a storm of resumes its turn may come when the time is over.
    while (await this.#following.within(untilMs - performance.now())) {
      const loaded = await this.#loadOnce(id, offset).catch(() => undefined);
      if (loaded !== undefined || performance.now() >= untilMs) return loaded;
      if (this.#following.isOn) await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
    return undefined;
  }

  async #loadOnce(id: string, offset: number): Promise<Loaded | undefined> {
    const { createdMs } = this;
    const { times } = this.#following;
    const position = await this.#settled();
    if (position === undefined || !this.#following.isOn) return undefined;
    // A cursor of what is no more: then all that is left is wanted.
    const behind = offset > position ? 0 : offset;
    const read = await this.#reader.read(id, { offset: behind, position, heard: this.positionOf(id) });
    if (read.createdMs !== this.createdMs) this.doubt();
    if (read.createdMs !== createdMs || this.createdMs !== createdMs) return undefined;
    // It caught up meanwhile, and has forgotten what was out before: what was unheard then has been handed out since.
    if (!this.#following.isOn || this.#following.times !== times) return undefined;
    this.#order.know(id, position, read.unheard, read.unheardFrom);
    const { messages, floor } = read;
    return { messages, floor, position };
  }

  /** @returns a position up to which all has come, stragglers too */
  async #settled(): Promise<number | undefined> {
    const position = await this.#pass();
    if (position === undefined) return undefined;
    await new Promise((resolve) => setTimeout(resolve, stragglersMs));
    return position;
  }

  async #pass(): Promise<number | undefined> {
    const position = await this.#marks.pass();
    const { number } = this.#marks;
    if (position === undefined) void this.#watch.missMark(() => this.#marks.isBack(number));
    return position;
  }

  /** @throws Error where it has to be tried again */
  async #catchUpOnce(signal: AbortSignal): Promise<void> {
    const { createdMs, lastSequence } = await this.stream.ensure();
    const upTo = await this.#marks.pass();
    if (upTo === undefined || signal.aborted) throw new Error('NATS, or the stream, is away');
    const anew = createdMs !== this.createdMs;
    // Its machine lost power before what came last was on the disk; the places of that are given again. Of several
    // servers a new leader may still be catching up with itself, but a mark is behind all that it knew.
    if (upTo <= this.#order.highest) this.#shorter = true;
    if (this.stream.isAlone && lastSequence < this.#order.highest) this.#shorter = true;
    if (anew || this.#shorter) this.#following.dropBehind(upTo); // others are of the old one
    const missed = await missedBetween(this.stream, anew ? 0 : this.#order.settled, upTo, signal);
    if (missed.createdMs !== createdMs || signal.aborted) throw new Error('it changes while it is read');
    if (anew) this.#begin(createdMs);
    const tellAll = anew || this.#shorter || missed.mayLack;
    if (tellAll) this.#late.clear();
    this.#tellLate();
    if (tellAll) this.#events.onGap(this.stream.name, () => true);
    await handOutMissed(this.stream, missed, signal, (come) => this.#order.takeRead(come));
    if (!signal.aborted) this.#follow(upTo);
  }

  #begin(createdMs: number): void {
    this.createdMs = createdMs;
    this.#order.restart(0);
    this.#events.onAnew();
  }

  /** @param upTo all up to there has been read */
  #follow(upTo: number): void {
    this.#abort = undefined;
    this.#shorter = false;
    this.#order.restart(upTo);
    for (const come of this.#following.goOn(upTo)) this.arrived(come);
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
}
