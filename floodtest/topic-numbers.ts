/**
 * Numbers of the streams that a subscriber to everything distinguishes: one for each device, over all of its topics,
 * and one for each other topic.
 */
import type { DevicesPlan } from './mqtt-plan.js';

/** An account takes 12 bytes for each of them, and for each publisher. */
const TOPICS_LIMIT = 100_000;

export class TopicNumbers {
  /** Numbers are below this. */
  readonly limit: number;
  readonly #topics = new Map<string, number>();
  readonly #devicesTotal: number;
  readonly #deviceTopic: RegExp | undefined;

  constructor(devices: DevicesPlan | undefined) {
    this.#devicesTotal = devices?.count ?? 0;
    this.limit = this.#devicesTotal + TOPICS_LIMIT;
    if (devices !== undefined) {
      const escaped = devices.topic.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      this.#deviceTopic = new RegExp(`^${escaped.replace('\\{n\\}', '(\\d+)').replace('\\{m\\}', '\\d+')}$`);
    }
  }

  /** Undefined when there are too many topics. */
  numberOf(bytes: Buffer, topicStart: number, topicEnd: number): number | undefined {
    const topic = bytes.toString('utf8', topicStart, topicEnd);
    const device = Number(this.#deviceTopic?.exec(topic)?.[1] ?? 0);
    if (device > 0 && device <= this.#devicesTotal) return device - 1;
    const known = this.#topics.get(topic);
    if (known !== undefined || this.#topics.size >= TOPICS_LIMIT) return known;
    const number = this.#devicesTotal + this.#topics.size;
    this.#topics.set(topic, number);
    return number;
  }
}
