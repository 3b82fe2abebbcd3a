import { isServerTopic } from '../../router/topic.js';
import type { Config } from '../config.js';
import type { Counters } from '../counters.js';
import type { Identities } from '../identities.js';
import type { PublishRates } from '../publish-rates.js';
import type { SampledLog } from '../sampled-log.js';
import type { Channel } from './channel.js';
import type { DetailedClosing } from './closing.js';
import { loggedText } from './logged-text.js';
import type { Permissions } from './permissions.js';
import type { PublishPacket } from './publish-packet.js';
import type { RateLimits } from './rate-limits.js';
import type { Rewrite } from './rewrite.js';
import { idSizeDetails, sizeDetails } from './size-details.js';

/** No topic at all [MQTT-3.3.2-2]: as it came, or as a rule has made it. */
const malformed: DetailedClosing = { reason: 'malformed-packet', details: {} };

export interface PublishAdmissionParts {
  readonly rewrite: Rewrite;
  readonly rateLimits: RateLimits;
  readonly publishRates: PublishRates;
  readonly identities: Identities;
  readonly permissions: Permissions;
  readonly counters: Counters;
  readonly log: SampledLog;
  readonly config: Config;
}

/** Which messages of clients are taken, and under which topic. A will is a PUBLISH to come, and is held to the same. */
export class PublishAdmission {
  readonly #parts: PublishAdmissionParts;
  readonly #config: Config;

  constructor(parts: PublishAdmissionParts) {
    this.#parts = parts;
    this.#config = parts.config;
  }

  /**
   * PUBLISH.
   * @returns the topic under which it is published, or why its connection must be closed; undefined: it is answered, and goes
   * nowhere
   */
  topicOf(channel: Channel, packet: PublishPacket): string | DetailedClosing | undefined {
    const { counters, rateLimits, permissions } = this.#parts;
    counters.mqttPublishesReceived[packet.qos]!++;
    if (!rateLimits.admitsMessage(channel.slot))
      return { reason: 'rate-limited', details: sizeDetails(this.#config, 'mqttRateLimitMessages') };
    const tooFast = this.#parts.publishRates.limited ? this.#tooFast(channel) : undefined;
    if (tooFast !== undefined) return tooFast;
    const topic = this.rewrittenTopicOf(packet);
    if (typeof topic !== 'string') return topic;
    if (isServerTopic(topic)) {
      counters.mqttPublishesIgnored++; // only the server publishes there
      return undefined;
    }
    return permissions.allows(channel, 'publish', topic) ? topic : this.#denied(channel, topic);
  }

  /**
   * The topic of a PUBLISH or a will after rewriting, or why its connection must be closed; without the permission of its
   * user.
   */
  rewrittenTopicOf({
    topic: asked,
    payload,
  }: Pick<PublishPacket, 'topic' | 'payload'>): string | DetailedClosing {
    const topic = this.#parts.rewrite.publishTopic(asked);
    if (topic === undefined) return this.#refusedTopic(asked);
    // 3.1.1 has no milder answer
    if (payload.length > this.#config.messageBytesMax)
      return {
        reason: 'packet-too-large',
        details: sizeDetails(this.#config, 'messageBytesMax', payload.length),
      };
    return topic;
  }

  /** Its user, or its address, has published as much as it may. */
  #tooFast({ slot, socket }: Channel): DetailedClosing | undefined {
    const { publishRates, identities } = this.#parts;
    const budget = publishRates.budgetOf(identities.of(slot), socket, slot)!;
    const refusal = budget.refusal();
    if (refusal !== undefined)
      return { reason: 'rate-limited', details: sizeDetails(this.#config, refusal.setting) };
    budget.take();
    return undefined;
  }

  /** Its client has published as much at QoS 2 without PUBREL as it may. */
  tooManyAwaitingRel(): DetailedClosing {
    return { reason: 'too-many-awaiting-rel', details: sizeDetails(this.#config, 'mqttMaxAwaitingRel') };
  }

  /** 3.1.1 has no way to say no to a PUBLISH but to close. */
  #denied(channel: Channel, topic: string): DetailedClosing | undefined {
    const { counters, log } = this.#parts;
    counters.mqttPublishesDenied++;
    const details = {
      topic: loggedText(topic),
      ...sizeDetails(this.#config, 'mqttAclDenyAction'),
    };
    if (this.#config.mqttAclDenyAction === 'disconnect') return { reason: 'not-allowed', details };
    log.warn(
      'publish-denied',
      { ...channel.describeWithAddress(), ...details },
      'message not published: its client may not publish to this topic. At QoS 1 and 2 the message is acknowledged',
    );
    return undefined;
  }

  #refusedTopic(asked: string): DetailedClosing {
    const config = this.#config;
    const { problem, topic } = this.#parts.rewrite.problemOfTopic(asked);
    switch (problem) {
      case 'too-long':
      case 'too-many-levels':
        return { reason: 'topic-too-large', details: idSizeDetails(config, problem, topic) };
      case 'control-character':
        return {
          reason: 'control-characters',
          details: {
            topic: JSON.stringify(loggedText(topic)),
            ...sizeDetails(config, 'allowControlCharacters'),
          },
        };
      default:
        return malformed;
    }
  }
}
