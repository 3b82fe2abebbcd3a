import { isServerTopic } from '../../router/topic.js';
import type { Config } from '../config.js';
import type { Counters } from '../counters.js';
import type { DetailedClosing } from './closing.js';
import type { PublishPacket } from './publish-packet.js';
import type { RateLimits } from './rate-limits.js';
import type { Rewrite } from './rewrite.js';
import { sizeDetails } from './size-details.js';

/** No topic at all [MQTT-3.3.2-2]: as it came, or as a rule has made it. */
const malformed: DetailedClosing = { reason: 'malformed-packet', details: {} };

/** Which messages of clients are taken, and under which topic. A will is a PUBLISH to come, and is held to the same. */
export class PublishAdmission {
  readonly #rewrite: Rewrite;
  readonly #rateLimits: RateLimits;
  readonly #counters: Counters;
  readonly #config: Config;

  constructor(rewrite: Rewrite, rateLimits: RateLimits, counters: Counters, config: Config) {
    this.#rewrite = rewrite;
    this.#rateLimits = rateLimits;
    this.#counters = counters;
    this.#config = config;
  }

  /** PUBLISH. @returns the topic under which it is published, or why its connection must be closed */
  topicOf(slot: number, packet: PublishPacket): string | DetailedClosing {
    this.#counters.mqttPublishesReceived[packet.qos]!++;
    if (!this.#rateLimits.admitsMessage(slot))
      return { reason: 'rate-limited', details: sizeDetails(this.#config, 'mqttRateLimitMessages') };
    return this.topicOfWill(packet);
  }

  /** The same for the will of a CONNECT. */
  topicOfWill({ topic: asked, payload }: Pick<PublishPacket, 'topic' | 'payload'>): string | DetailedClosing {
    const topic = this.#rewrite.publishTopic(asked);
    if (topic === undefined) return this.#refusedTopic(asked);
    // 3.1.1 has no milder answer
    if (payload.length > this.#config.messageBytesMax)
      return {
        reason: 'packet-too-large',
        details: sizeDetails(this.#config, 'messageBytesMax', payload.length),
      };
    return topic;
  }

  /** Its client has published as much at QoS 2 without PUBREL as it may. */
  tooManyAwaitingRel(): DetailedClosing {
    return { reason: 'too-many-awaiting-rel', details: sizeDetails(this.#config, 'mqttMaxAwaitingRel') };
  }

  /** Only the server publishes under this topic: the message is answered, and goes nowhere. */
  ignores(topic: string): boolean {
    if (!isServerTopic(topic)) return false;
    this.#counters.mqttPublishesIgnored++;
    return true;
  }

  #refusedTopic(asked: string): DetailedClosing {
    const config = this.#config;
    const { problem, topic } = this.#rewrite.problemOfTopic(asked);
    switch (problem) {
      case 'too-long':
        return {
          reason: 'topic-too-large',
          details: sizeDetails(config, 'idBytesMax', Buffer.byteLength(topic)),
        };
      case 'too-many-levels': {
        const levels = topic.split('/').length;
        return { reason: 'topic-too-large', details: { levels, ...sizeDetails(config, 'topicLevelsMax') } };
      }
      case 'control-character':
        return {
          reason: 'control-characters',
          details: {
            topic: JSON.stringify(topic.slice(0, 100)),
            ...sizeDetails(config, 'allowControlCharacters'),
          },
        };
      default:
        return malformed;
    }
  }
}
