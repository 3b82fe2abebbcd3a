/**
 * The run: an open loop in which every message has a fixed deadline. When this process or the server stalls, late
 * messages are sent at once afterwards, and their latency counts from the deadline. With rate `max` the run is a closed
 * loop: each connection sends as soon as it has its answer, and there are no deadlines.
 */
import { Addresses } from './addresses.js';
import type { Lane, LaneOwner } from './lane.js';
import { LatencyHistogram } from './latency.js';
import { MessageText } from './message-text.js';
import { Random } from './random.js';
import { LATE_AFTER_MS, Schedule } from './schedule.js';
import type { Traffic } from './traffic.js';
import { WaitingList } from './waiting-list.js';

export interface GeneratorOptions {
  /** Messages a second of all senders together, or as fast as the server answers. */
  ratePerSec: number | 'max';
  /** Messages of all senders together. */
  messagesTotal: number;
  forMs: number;
  maxId: number;
  /** Template of the ids, with `{n}` for their number. */
  template: string;
  sizeBytes: number;
  stamp: boolean;
  connections: number;
  waitingLimit: number;
  seed: number;
  /** Longest wait for an answer; the run ends this long after its last deadline. */
  answerTimeoutMs: number;
}

/** A connection gives up on its last answer before the run ends: timers of undici are off by up to a second. */
const DRAIN_GRACE_MS = 1500;
const DRAIN_AFTER_STOP_MS = 800;
/** Longest time that a turn takes in due messages, so that answers and signals are handled at any rate. */
const TURN_MS = 5;
const TURN_CHECK = 256;
export const LIST_FULL = 'waiting list full';
export const TOO_MANY_FOR_US = 'more than msggen can take in';

export class Generator implements LaneOwner {
  readonly text: MessageText;
  readonly addresses: Addresses;
  /** From deadline to answer, and from request to answer; `latest` is what came since the caller last reset it. */
  readonly latency = new LatencyHistogram();
  readonly requestTime = new LatencyHistogram();
  readonly latest = new LatencyHistogram();
  readonly errors = new Map<string, number>();
  /** Connections that broke, by reason. */
  readonly connectionsLost = new Map<string, number>();
  due = 0;
  sent = 0;
  delivered = 0;
  errorsTotal = 0;
  late = 0;
  /** Part of the run's time in which this process was busy. */
  busyShare = 0;
  takenId = 0;
  takenNumber = 0;
  takenDueMs = 0;

  readonly #options: GeneratorOptions;
  readonly #schedule: Schedule;
  readonly #waiting: WaitingList;
  readonly #lanes: Lane[];
  readonly #random: Random;
  #startMs = 0;
  #endMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #drainTimer: NodeJS.Timeout | undefined;
  /** Connections that open early wait for the others. */
  #started = false;
  #stopped = false;
  #stoppedMs = 0;
  #finish: (() => void) | undefined;

  constructor(options: GeneratorOptions, laneOf: (index: number, owner: LaneOwner) => Lane) {
    this.#options = options;
    this.text = new MessageText(options);
    this.addresses = new Addresses(options.template);
    this.#schedule = new Schedule(
      options.ratePerSec === 'max' ? Number.POSITIVE_INFINITY : options.ratePerSec,
      options.messagesTotal,
      options.forMs,
    );
    this.#random = new Random(options.seed);
    const connections = Math.min(options.connections, options.maxId);
    this.#waiting = new WaitingList(connections, options.waitingLimit);
    this.#lanes = Array.from({ length: connections }, (_, index) => laneOf(index, this));
  }

  get nowMs(): number {
    return performance.now() - this.#startMs;
  }

  get elapsedMs(): number {
    return (this.#endMs || performance.now()) - this.#startMs;
  }

  get over(): boolean {
    return this.#endMs > 0;
  }

  /** Traffic of all lanes. */
  get traffic(): Traffic {
    let sentBytes = 0;
    let receivedBytes = 0;
    for (const { traffic } of this.#lanes) {
      sentBytes += traffic.sentBytes;
      receivedBytes += traffic.receivedBytes;
    }
    return { sentBytes, receivedBytes };
  }

  /** Due, but neither answered nor failed. */
  get unanswered(): number {
    return this.due - this.sent - this.errorsTotal;
  }

  /** Opens the connections. Throws an Error with a short reason when one cannot be opened. */
  async open(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.open()));
  }

  async run(): Promise<void> {
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    this.#startMs = performance.now();
    const utilization = performance.eventLoopUtilization();
    this.#started = true;
    if (this.#options.ratePerSec === 'max') this.#startClosedLoop();
    else this.#tick();
    await finished;
    this.#endMs = performance.now();
    clearTimeout(this.#timer);
    clearTimeout(this.#drainTimer);
    this.busyShare = performance.eventLoopUtilization(utilization).utilization;
    this.#recordUnanswered();
    await this.close();
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()));
  }

  /** Ends the run: sends nothing new; messages on the wire may still be answered. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stoppedMs = this.nowMs;
    clearTimeout(this.#timer);
    clearTimeout(this.#drainTimer);
    this.#drainTimer = setTimeout(() => this.#finish?.(), DRAIN_AFTER_STOP_MS);
    this.settled();
  }

  take(lane: number): boolean {
    if (this.#stopped || !this.#started) return false;
    if (this.#options.ratePerSec === 'max') return this.#takeNew(lane);
    if (!this.#waiting.take(lane)) return false;
    this.takenId = this.#waiting.takenId;
    this.takenNumber = this.#waiting.takenNumber;
    this.takenDueMs = this.#schedule.dueAtMs(this.takenNumber);
    if (this.nowMs - this.takenDueMs > LATE_AFTER_MS) this.late++;
    return true;
  }

  takenText(): string {
    return this.text.text(this.takenId, this.takenNumber, this.#startMs + this.takenDueMs);
  }

  countSent(dueMs: number, sentMs: number): void {
    const { nowMs } = this;
    this.sent++;
    this.#recordLatency((nowMs - dueMs) * 1000);
    this.requestTime.record((nowMs - sentMs) * 1000);
  }

  countWritten(dueMs: number): void {
    this.sent++;
    if (this.#options.ratePerSec !== 'max') this.#recordLatency((this.nowMs - dueMs) * 1000);
  }

  countDelivered(connections: number): void {
    this.delivered += connections;
  }

  countError(kind: string, messages: number): void {
    this.errors.set(kind, (this.errors.get(kind) ?? 0) + messages);
    this.errorsTotal += messages;
  }

  countUnanswered(kind: string, dueMs: number, sentMs: number): void {
    this.countError(kind, 1);
    this.#recordLatency((this.nowMs - dueMs) * 1000);
    this.requestTime.record((this.nowMs - sentMs) * 1000);
  }

  countLost(reason: string): void {
    this.connectionsLost.set(reason, (this.connectionsLost.get(reason) ?? 0) + 1);
  }

  /** Ends the run if nothing is left to send or to wait for. */
  settled(): void {
    if (!this.#started) return;
    const allDue =
      this.#stopped || this.due >= Math.min(this.#schedule.messagesTotal, this.#options.messagesTotal);
    if (!allDue || (!this.#stopped && this.#waiting.length > 0)) return;
    for (const lane of this.#lanes) lane.conclude();
    if (this.#lanes.every(({ unanswered }) => unanswered === 0)) this.#finish?.();
  }

  #startClosedLoop(): void {
    if (Number.isFinite(this.#options.forMs)) {
      this.#timer = setTimeout(() => this.#endClosedLoop(), this.#options.forMs);
    }
    for (const lane of this.#lanes) lane.serve();
    this.settled();
  }

  #endClosedLoop(): void {
    this.#stopped = true;
    this.#drainTimer = setTimeout(() => this.#finish?.(), this.#options.answerTimeoutMs + DRAIN_GRACE_MS);
    this.settled();
  }

  /** Takes in the due messages, then sleeps until the next deadline (timers tick in whole ms). */
  #tick(): void {
    if (this.#stopped) return;
    const { nowMs } = this;
    const dueBy = this.#schedule.dueBy(nowMs);
    this.#skipBeyond(dueBy);
    const untilMs = nowMs + TURN_MS;
    while (this.due < dueBy && (this.due % TURN_CHECK !== 0 || this.nowMs < untilMs)) {
      const id = 1 + this.#random.below(this.#options.maxId);
      if (!this.#waiting.add(id % this.#lanes.length, id, this.due)) this.countError(LIST_FULL, 1);
      this.due++;
    }
    for (const lane of this.#lanes) lane.serve();
    if (this.due < dueBy) {
      setImmediate(() => this.#tick());
    } else if (this.due < this.#schedule.messagesTotal) {
      const sleepMs = Math.min(this.#schedule.dueAtMs(this.due) - nowMs, 0x7fff_ffff);
      this.#timer = setTimeout(() => this.#tick(), Math.max(1, Math.ceil(sleepMs)));
    } else {
      this.#drainTimer = setTimeout(() => this.#finish?.(), this.#options.answerTimeoutMs + DRAIN_GRACE_MS);
      this.settled();
    }
  }

  /** Counts messages that have no room to wait, without taking them in one by one. */
  #skipBeyond(dueBy: number): void {
    const beyond = dueBy - this.due - this.#waiting.limit;
    if (beyond <= 0) return;
    this.due += beyond;
    this.countError(TOO_MANY_FOR_US, beyond);
  }

  /** Records the time that unanswered messages have waited until now. */
  #recordUnanswered(): void {
    const endMs = this.elapsedMs;
    for (const lane of this.#lanes) {
      lane.eachUnanswered((dueMs, sentMs) => {
        this.#recordLatency((endMs - dueMs) * 1000);
        this.requestTime.record((endMs - sentMs) * 1000);
      });
    }
    const waitedUntilMs = this.#stopped ? this.#stoppedMs : endMs;
    this.#waiting.each((number) => {
      this.#recordLatency(Math.max(0, waitedUntilMs - this.#schedule.dueAtMs(number)) * 1000);
    });
  }

  #takeNew(lane: number): boolean {
    if (this.due >= this.#options.messagesTotal) return false;
    this.takenId = this.#idOf(lane);
    this.takenNumber = this.due++;
    this.takenDueMs = this.nowMs;
    return true;
  }

  /** A random id among those of this lane. */
  #idOf(lane: number): number {
    const lanes = this.#lanes.length;
    const first = lane === 0 ? lanes : lane;
    return first + lanes * this.#random.below(Math.floor((this.#options.maxId - first) / lanes) + 1);
  }

  #recordLatency(us: number): void {
    this.latency.record(us);
    this.latest.record(us);
  }
}
