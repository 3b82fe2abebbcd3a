/**
 * The run: an open loop in which every message has a deadline that nothing moves. What is late, because this process
 * or the server stalled, is sent at once afterwards, and its latency counts from the deadline. With rate `max` it is
 * a closed loop instead: each connection sends as soon as it has its answer, and there are no deadlines.
 */
import { type Answer, Lane, type LaneOwner } from './lane.js';
import { LatencyHistogram } from './latency.js';
import { MessageText } from './message-text.js';
import { Random } from './random.js';
import { Schedule } from './schedule.js';
import { Waiting } from './waiting.js';

export interface GeneratorOptions {
  url: URL;
  token: string | undefined;
  /** Messages a second of all senders together, or as fast as the API answers. */
  ratePerSec: number | 'max';
  /** Messages of all senders together. */
  messagesTotal: number;
  forMs: number;
  maxId: number;
  idPrefix: string;
  sizeBytes: number;
  stamp: boolean;
  /** Messages in one request at most. */
  batch: number;
  connections: number;
  waitingLimit: number;
  seed: number;
}

/** A message that is sent more than this after its deadline counts as late. */
export const LATE_AFTER_MS = 100;
/** The run ends this long after its last deadline, whatever is still unanswered. */
const DRAIN_MS = 60_000;
const DRAIN_AFTER_STOP_MS = 5000;
const REST_AFTER_ERROR_MS = 100;

export class Generator implements LaneOwner {
  readonly text: MessageText;
  /** From deadline to answer, and from request to answer; `latest` is what came since the caller last reset it. */
  readonly latency = new LatencyHistogram();
  readonly requestTime = new LatencyHistogram();
  readonly latest = new LatencyHistogram();
  readonly errors = new Map<string, number>();
  due = 0;
  sent = 0;
  delivered = 0;
  errorsTotal = 0;
  late = 0;

  readonly #options: GeneratorOptions;
  readonly #schedule: Schedule;
  readonly #waiting: Waiting;
  readonly #lanes: Lane[];
  readonly #random: Random;
  readonly #resting = new Set<NodeJS.Timeout>();
  #startMs = 0;
  #endMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #drainTimer: NodeJS.Timeout | undefined;
  #stopped = false;
  #finish: (() => void) | undefined;

  constructor(options: GeneratorOptions) {
    this.#options = options;
    this.text = new MessageText(options);
    this.#schedule = new Schedule(
      options.ratePerSec === 'max' ? Number.POSITIVE_INFINITY : options.ratePerSec,
      options.messagesTotal,
      options.forMs,
    );
    this.#random = new Random(options.seed);
    const connections = Math.min(options.connections, options.maxId);
    this.#waiting = new Waiting(connections, options.waitingLimit);
    this.#lanes = Array.from(
      { length: connections },
      (_, index) => new Lane(index, this, options.url, options.token, options.batch),
    );
  }

  get elapsedMs(): number {
    return (this.#endMs || performance.now()) - this.#startMs;
  }

  /** Due, but neither answered nor failed. */
  get unanswered(): number {
    return this.due - this.sent - this.errorsTotal;
  }

  async run(): Promise<void> {
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    this.#startMs = performance.now();
    if (this.#options.ratePerSec === 'max') this.#startClosedLoop();
    else this.#tick();
    await finished;
    this.#endMs = performance.now();
    clearTimeout(this.#timer);
    clearTimeout(this.#drainTimer);
    for (const timer of this.#resting) clearTimeout(timer);
    await Promise.all(this.#lanes.map((lane) => lane.close()));
  }

  /** Ends the run: nothing new is sent, what is on the wire may still be answered. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#drainTimer);
    this.#drainTimer = setTimeout(() => this.#finish?.(), DRAIN_AFTER_STOP_MS);
    this.#finishWhenIdle();
  }

  answered(lane: Lane, answer: Answer): void {
    if (this.#endMs > 0) return;
    if (answer.status >= 200 && answer.status < 300) this.#countSent(lane, answer);
    else this.#countError(answer.errorCode || `HTTP ${answer.status}`, lane.messages);
    lane.busy = false;
    lane.messages = 0;
    if (answer.status === 0 || answer.status >= 500) this.#rest(lane);
    else this.#serve(lane);
    this.#finishWhenIdle();
  }

  #startClosedLoop(): void {
    if (Number.isFinite(this.#options.forMs)) {
      this.#timer = setTimeout(() => this.#endClosedLoop(), this.#options.forMs);
    }
    for (const lane of this.#lanes) this.#serve(lane);
  }

  #endClosedLoop(): void {
    this.#stopped = true;
    this.#drainTimer = setTimeout(() => this.#finish?.(), DRAIN_MS);
    this.#finishWhenIdle();
  }

  /** Takes in everything that is due by now, then sleeps until the next deadline (timers tick in whole ms). */
  #tick(): void {
    const elapsedMs = performance.now() - this.#startMs;
    const dueBy = this.#schedule.dueBy(elapsedMs);
    for (; this.due < dueBy; this.due++) {
      const id = 1 + this.#random.below(this.#options.maxId);
      if (!this.#waiting.add(id % this.#lanes.length, id, this.due)) this.#countError('waiting list full', 1);
    }
    for (const lane of this.#lanes) if (!lane.busy) this.#serve(lane);
    if (this.due < this.#schedule.messagesTotal) {
      const sleepMs = Math.min(this.#schedule.dueAtMs(this.due) - elapsedMs, 0x7fff_ffff);
      this.#timer = setTimeout(() => this.#tick(), Math.max(1, Math.ceil(sleepMs)));
    } else {
      this.#drainTimer = setTimeout(() => this.#finish?.(), DRAIN_MS);
      this.#finishWhenIdle();
    }
  }

  /** Puts the next request of a free lane on the wire, if it has messages. */
  #serve(lane: Lane): void {
    if (this.#stopped) return;
    const nowMs = performance.now() - this.#startMs;
    const { batch } = this.#options;
    let path = '/send';
    let body = '';
    while (lane.messages < batch && this.#take(lane)) {
      const { takenId, takenNumber } = this.#waiting;
      const dueMs = this.#options.ratePerSec === 'max' ? nowMs : this.#schedule.dueAtMs(takenNumber);
      if (nowMs - dueMs > LATE_AFTER_MS) this.late++;
      lane.dueMs[lane.messages++] = dueMs;
      if (batch > 1) {
        body += this.text.line(takenId, takenNumber);
      } else {
        path = this.text.path(takenId);
        body = this.text.text(takenId, takenNumber);
      }
    }
    if (lane.messages === 0) return;
    lane.sentMs = nowMs;
    lane.post(path, body);
  }

  #take(lane: Lane): boolean {
    if (this.#options.ratePerSec !== 'max') return this.#waiting.take(lane.index);
    if (this.due >= this.#options.messagesTotal) return false;
    this.#waiting.takenId = this.#idOf(lane);
    this.#waiting.takenNumber = this.due++;
    return true;
  }

  /** A random id among those whose lane this is. */
  #idOf(lane: Lane): number {
    const lanes = this.#lanes.length;
    const first = lane.index === 0 ? lanes : lane.index;
    return first + lanes * this.#random.below(Math.floor((this.#options.maxId - first) / lanes) + 1);
  }

  /** After an error a lane waits a little, so that a server that is down is not asked in a busy loop. */
  #rest(lane: Lane): void {
    lane.busy = true;
    const timer = setTimeout(() => {
      this.#resting.delete(timer);
      lane.busy = false;
      this.#serve(lane);
      this.#finishWhenIdle();
    }, REST_AFTER_ERROR_MS);
    this.#resting.add(timer);
  }

  #countSent(lane: Lane, answer: Answer): void {
    const nowMs = performance.now() - this.#startMs;
    for (let i = 0; i < lane.messages; i++) {
      const latencyUs = (nowMs - lane.dueMs[i]!) * 1000;
      this.latency.record(latencyUs);
      this.latest.record(latencyUs);
      this.requestTime.record((nowMs - lane.sentMs) * 1000);
    }
    this.sent += lane.messages - answer.refused;
    this.delivered += answer.delivered;
    if (answer.refused > 0) this.#countError('refused line of a batch', answer.refused);
  }

  #countError(kind: string, messages: number): void {
    this.errors.set(kind, (this.errors.get(kind) ?? 0) + messages);
    this.errorsTotal += messages;
  }

  #finishWhenIdle(): void {
    const allDue =
      this.#stopped || this.due >= Math.min(this.#schedule.messagesTotal, this.#options.messagesTotal);
    if (!allDue || (!this.#stopped && this.#waiting.length > 0)) return;
    if (this.#lanes.every((lane) => !lane.busy || lane.messages === 0)) this.#finish?.();
  }
}
