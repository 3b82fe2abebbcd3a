/**
 * The devices of one process. Each publishes at the same interval, one after the other, at fixed deadlines. Owns the
 * next deadline and the last seq of each device.
 */
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { MessageText } from '../msggen/message-text.js';
import { LATE_AFTER_MS, Schedule } from '../msggen/schedule.js';
import type { PublishedSeqs } from './counts.js';
import { type DevicesPlan, deviceTopic, qosByShares } from './mqtt-plan.js';
import { assignmentOf, numberOf, type Share } from './plan.js';
import type { MqttWs } from './transport/mqtt-ws.js';

/**
 * Time from the start to the first deadline, when the publisher begins according to its stamps. It is at least a second
 * after the last login, so that a subscriber must receive every message from the first one on.
 */
export const PUBLISH_AFTER_MS = 1000;
/** Longest turn of publishing. Otherwise an overloaded process would never read and report. */
const TURN_MS = 20;

export class Devices {
  published = 0;
  unpublished = 0;
  late = 0;
  /** Part of the time since the first deadline that this process was busy. */
  busyShare = 0;
  readonly #share: Share;
  readonly #plan: DevicesPlan;
  readonly #mqtt: MqttWs;
  /** Connections of the devices of this process. */
  readonly #first: number;
  readonly #count: number;
  #text: MessageText | undefined;
  #schedule: Schedule | undefined;
  #startMs = 0;
  #due = 0;
  #stoppedMs: number | undefined;
  #utilization: EventLoopUtilization | undefined;
  #timer: NodeJS.Timeout | undefined;
  #next: NodeJS.Immediate | undefined;
  readonly #seqs: Uint32Array;

  constructor(share: Share, plan: DevicesPlan, connections: number, mqtt: MqttWs) {
    this.#share = share;
    this.#plan = plan;
    this.#mqtt = mqtt;
    this.#seqs = new Uint32Array(plan.count);
    let first = connections;
    while (first > 0 && assignmentOf(share, numberOf(share, first - 1)).role === 'device') first--;
    this.#first = first;
    this.#count = connections - first;
  }

  get unacknowledged(): number {
    let sum = 0;
    for (let device = 0; device < this.#count; device++) sum += this.#mqtt.outstanding(this.#first + device);
    return sum;
  }

  start(): void {
    if (this.#count === 0 || this.#text !== undefined) return;
    const { ratePerSec, count, sizeBytes } = this.#plan;
    this.#text = new MessageText({ maxId: count, sizeBytes, stamp: true, beginsInMs: PUBLISH_AFTER_MS });
    this.#schedule = new Schedule(
      (ratePerSec * this.#count) / count,
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    );
    this.#startMs = performance.now() + PUBLISH_AFTER_MS;
    this.#timer = setTimeout(() => this.#tick(), PUBLISH_AFTER_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#next);
    this.measure();
    this.#stoppedMs ??= performance.now();
  }

  /** Updates `busyShare` while the devices publish. */
  measure(): void {
    if (this.#utilization === undefined || this.#stoppedMs !== undefined) return;
    this.busyShare = performance.eventLoopUtilization(this.#utilization).utilization;
  }

  /** Messages that are due and not published yet. */
  get overdue(): number {
    if (this.#schedule === undefined) return 0;
    const elapsedMs = (this.#stoppedMs ?? performance.now()) - this.#startMs;
    return Math.max(0, this.#schedule.dueBy(elapsedMs) - this.#due);
  }

  get lastSeqs(): PublishedSeqs[] {
    if (this.#text === undefined) return [];
    return [{ publisher: Number.parseInt(this.#text.publisher!, 16), seqs: this.#seqs }];
  }

  #tick(): void {
    const schedule = this.#schedule!;
    this.#utilization ??= performance.eventLoopUtilization();
    let nowMs = performance.now();
    const turnEndMs = nowMs + TURN_MS;
    const dueBy = schedule.dueBy(nowMs - this.#startMs);
    for (; this.#due < dueBy && nowMs < turnEndMs; this.#due++) {
      const dueMs = this.#startMs + schedule.dueAtMs(this.#due);
      this.#publish(this.#first + (this.#due % this.#count), dueMs, nowMs);
      nowMs = performance.now();
    }
    const sleepMs = schedule.dueAtMs(this.#due) - (performance.now() - this.#startMs);
    if (sleepMs > 0) this.#timer = setTimeout(() => this.#tick(), Math.ceil(sleepMs));
    else this.#next = setImmediate(() => this.#tick());
  }

  #publish(connection: number, dueMs: number, nowMs: number): void {
    if (!this.#mqtt.canPublish(connection)) {
      this.unpublished++;
      return;
    }
    const { number } = assignmentOf(this.#share, numberOf(this.#share, connection));
    const seq = this.#seqs[number]! + 1;
    this.#seqs[number] = seq;
    const topic = deviceTopic(this.#plan, number + 1, seq);
    const qos = qosByShares(this.#share.mqtt.qosShares, number);
    this.#mqtt.publish(connection, topic, this.#text!.text(number + 1, this.#due, dueMs), qos);
    this.published++;
    if (nowMs - dueMs > LATE_AFTER_MS) this.late++;
  }
}
