import { Message } from '../../router/message.js';
import type { CloseReason } from '../close-reason.js';
import type { Config } from '../config.js';
import { withoutTokens } from '../without-tokens.js';
import type { DeferredPublications } from './deferred-publications.js';

/**
 * Tells who comes and goes, in messages of its own, where --mqtt-presence is on. Whoever may subscribe reads them, so
 * they say nothing that is a client's own affair, such as its address.
 */
export class Presence {
  readonly #deferred: DeferredPublications;
  readonly #config: Pick<Config, 'mqttPresence'>;
  readonly #prefix: string;
  readonly #topicBytesMax: number;

  constructor(
    deferred: DeferredPublications,
    config: Pick<Config, 'mqttPresence' | 'nodeName' | 'idBytesMax'>,
  ) {
    this.#deferred = deferred;
    this.#config = config;
    this.#prefix = `$SYS/brokers/${config.nodeName}/clients`;
    this.#topicBytesMax = config.idBytesMax;
  }

  connected(clientId: string, facts: { clean: boolean; keepAliveSec: number }): void {
    if (this.#config.mqttPresence) this.#say(clientId, 'connected', facts);
  }

  disconnected(clientId: string, reason: CloseReason): void {
    if (this.#config.mqttPresence) this.#say(clientId, 'disconnected', { reason });
  }

  /** A client id that makes no topic of this server is not told of: nobody could subscribe to it by name. */
  #say(ownId: string, what: string, facts: Record<string, unknown>): void {
    const clientId = withoutTokens(ownId);
    const time = Date.now();
    // A client id may hold any character; one level of a topic may not.
    const topic = `${this.#prefix}/${clientId.replace(/[%/+#\p{Cc}\p{Noncharacter_Code_Point}]/gu, encodeURIComponent)}/${what}`;
    if (Buffer.byteLength(topic) > this.#topicBytesMax) return;
    const payload = Buffer.from(JSON.stringify({ clientId, ...facts, time }));
    this.#deferred.add(new Message(topic, payload, time));
  }
}
