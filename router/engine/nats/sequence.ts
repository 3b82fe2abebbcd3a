import type { Loaded } from '../../history/replicated-history.js';
import { Backlog } from './backlog.js';
import { Doubts } from './doubts.js';
import type { HistoryStream, StreamState } from './history-stream.js';
import { type Come, IdOrder, settleMs } from './id-order.js';
import type { Link } from './link.js';
import { Marks } from './marks.js';
import { handOutMissed, missedBetween } from './missed.js';
import type { SequenceEvents } from './sequence-events.js';
import { markToken, messageOfStream } from './stored-message.js';
import { type ReadBudget, StreamReader } from './stream-reader.js';
import { StreamWatch } from './stream-watch.js';
import { subjectOfId } from './subject.js';
import { Waiters } from './waiters.js';

/** How often it is tried again to catch up. */
const retryMs = 250;
/** So many in vain are told: a server that has just started needs one or two. */
const troubleTries = 4;
/** A mark may overtake what was stored just before it; see IdOrder. */
const stragglersMs = 50;
/** How long who resumes waits for a stream that cannot be read right now, as when NATS elects a leader. */
const loadWaitMs = 5_000;

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
  /** While it catches up. */
  #backlog: Backlog | undefined;
  /** Who waits until it follows again. */
  readonly #waiters = new Waiters();
  /** Of the catching up that is under way. */
  #abort: AbortController | undefined;
  readonly #watch: StreamWatch;
  #clock: NodeJS.Timeout | undefined;
  #stopped = false;
  readonly #doubts = new Doubts();
  /** Ids of which something is missing, until that is told. */
  #lacking = new Set<string>();

  constructor(
    stream: HistoryStream,
    { createdMs, lastSequence }: StreamState,
    link: Link,
    { run, budget }: { run: number; budget: ReadBudget },
    events: SequenceEvents,
  ) {
    this.stream = stream;
    this.#order = new IdOrder(lastSequence, {
      handOut: (come) => this.#handOut(come),
      onMissing: (ids) => this.#lack(ids),
      onStuck: () => this.doubt(),
      onOld: () => this.doubt(),
    });
    this.createdMs = createdMs;
    this.#link = link;
    this.#events = events;
    this.#reader = new StreamReader(stream, budget);
    this.#watch = new StreamWatch(stream, {
      isDue: () => this.#backlog === undefined && link.carries,
      onRest: () => void this.#pass(),
      onLook: (createdMs) => {
        if (createdMs !== this.createdMs && this.#backlog === undefined) void this.catchUp();
      },
      onSilent: () => this.doubt(),
    });
    const markSubject = `${stream.subjectPrefix}${markToken}.${run}`;
    this.#marks = new Marks((number) => link.publish(markSubject, Buffer.from(`${number}`)));
  }

  start(): void {
    this.#watch.start();
    this.#clock = setInterval(() => {
      if (this.#backlog === undefined) this.#order.tick(performance.now());
    }, settleMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#watch.stop();
    clearInterval(this.#clock);
    this.#abort?.abort();
    this.#marks.failAll();
    this.#waiters.endAll();
  }

  /** @param reply where the stream says that it is stored */
  publish(id: string, envelope: Uint8Array, reply: string | undefined): boolean {
    return this.#link.publish(this.stream.subjectPrefix + subjectOfId(id), envelope, reply);
  }

  /** All of an id up to here that this node is sent has been handed out. */
  positionOf(id: string): number {
    return Math.max(this.#order.settled, this.#order.lastOf(id));
  }

  /** From now on this node is sent what is published to the id; undefined: to any number of ids. */
  begin(id: string | undefined): void {
    this.#order.begin(id);
  }

  /** Came when newer ones were out. */
  get late(): number {
    return this.#order.late;
  }

  markArrived(data: Uint8Array, sequence: number): void {
    if (this.#backlog === undefined) {
      if (sequence < this.#order.settled) this.doubt();
      else this.#order.pass(sequence);
    }
    this.#marks.arrived(Number(Buffer.from(data).toString()), sequence);
  }

  /** A message of the stream has come. The same comes once for each of id and filters that match, one behind the other. */
  arrived(come: Come): void {
    if (this.#backlog === undefined) this.#order.take(come);
    else if (!this.#backlog.push(come) && this.#link.connected) void this.catchUp();
  }

  /** NATS is lost: what comes next is not what came next. */
  lose(): void {
    this.#backlog ??= new Backlog();
    this.#abort?.abort();
    this.#marks.failAll();
  }

  /**
   * Something is not as it should be: what came is compared with what the stream has.
   * @returns false where that was done a moment ago
   */
  doubt(): boolean {
    if (this.#backlog !== undefined) return true;
    if (!this.#doubts.begin(performance.now())) return false;
    void this.catchUp();
    return true;
  }

  /** NATS is there, and all subscriptions are made. Tries until it has worked, or NATS is lost again. Never rejects. */
  async catchUp(): Promise<void> {
    if (this.#stopped) return;
    this.#abort?.abort();
    this.#abort = new AbortController();
    this.#backlog ??= new Backlog();
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

  /** Resolves when all that was subscribed to before is in effect; at once where that cannot be known now. */
  async settle(): Promise<void> {
    if (this.#backlog === undefined && this.#link.carries) await this.#settled();
  }

  /** What is kept of an id behind an offset, up to where this node stands. Undefined = it cannot be known now. */
  async load(id: string, offset: number): Promise<Loaded | undefined> {
    const untilMs = performance.now() + loadWaitMs;
    while (await this.#follows(untilMs)) {
      const loaded = await this.#loadOnce(id, offset).catch(() => undefined);
      if (loaded !== undefined) return loaded;
      if (this.#backlog === undefined) await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
    return undefined;
  }

  async #loadOnce(id: string, offset: number): Promise<Loaded | undefined> {
    const { createdMs } = this;
    const position = await this.#settled();
    if (position === undefined || this.#backlog !== undefined) return undefined;
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
    if (this.#backlog === undefined) this.#order.confirm(position);
    return position;
  }

  async #pass(): Promise<number | undefined> {
    const position = await this.#marks.pass();
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
    const answered = await this.stream.state().then(
      () => true,
      () => false,
    );
    if (answered && !this.#marks.isBack(number) && this.#link.carries) this.doubt();
  }

  /** @throws Error where it has to be tried again */
  async #catchUpOnce(signal: AbortSignal): Promise<void> {
    const { createdMs } = await this.stream.ensure();
    const upTo = await this.#marks.pass();
    if (upTo === undefined || signal.aborted) throw new Error('a mark did not come back');
    const anew = createdMs !== this.createdMs;
    if (anew) this.#backlog!.keepUpTo(upTo); // others are of the old one
    const missed = await missedBetween(this.stream, anew ? 0 : this.#order.settled, upTo, signal);
    if (missed.createdMs !== createdMs || signal.aborted) throw new Error('it changes while it is read');
    if (anew) this.#begin(createdMs);
    this.#tellGap(anew || missed.mayLack);
    await handOutMissed(this.stream, missed, signal, (come) => this.#order.takeRead(come));
    if (signal.aborted) return;
    this.#follow(upTo);
  }

  #begin(createdMs: number): void {
    this.createdMs = createdMs;
    this.#order.restart(0);
    this.#events.onAnew();
  }

  /** @param upTo all up to there has been read */
  #follow(upTo: number): void {
    const backlog = this.#backlog;
    this.#backlog = undefined;
    this.#abort = undefined;
    this.#order.restart(upTo);
    for (const come of backlog?.behind(upTo) ?? []) this.arrived(come);
    this.#waiters.endAll();
  }

  #handOut({ id, sequence, data }: Come): void {
    const message = messageOfStream(id, sequence, data);
    if (message !== undefined) this.#events.handOut(message, data);
  }

  /** What is missing is told at once, or, as the stream may have been made anew, when that is known. */
  #lack(ids: ReadonlySet<string>): void {
    for (const id of ids) this.#lacking.add(id);
    if (!this.doubt()) this.#tellGap(false);
  }

  #tellGap(ofAll: boolean): void {
    const lacking = this.#lacking;
    this.#lacking = new Set();
    if (ofAll) this.#events.onGap(this.stream.name, () => true);
    else if (lacking.size > 0) this.#events.onGap(this.stream.name, (id) => lacking.has(id));
  }

  /** @returns whether it follows, maybe after a wait */
  async #follows(untilMs: number): Promise<boolean> {
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0) return false;
    if (this.#backlog !== undefined) await this.#waiters.wait(leftMs);
    return this.#backlog === undefined;
  }
}
