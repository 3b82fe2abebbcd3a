import { Message } from '../../router/message.js';
import type { Router } from '../../router/router.js';
import type { CloseReason } from '../close-reason.js';
import type { Config } from '../config.js';

/** Tells who comes and goes, in messages of its own, where --mqtt-presence is on. */
export class Presence {
  readonly #router: Router;
  readonly #on: boolean;
  readonly #prefix: string;

  constructor(router: Router, config: Pick<Config, 'mqttPresence' | 'nodeName'>) {
    this.#router = router;
    this.#on = config.mqttPresence;
    this.#prefix = `$SYS/brokers/${config.nodeName}/clients`;
  }

  connected(clientId: string, facts: { address: string; clean: boolean; keepAliveSec: number }): void {
    if (this.#on) this.#say(clientId, 'connected', facts);
  }

  disconnected(clientId: string, reason: CloseReason): void {
    if (this.#on) this.#say(clientId, 'disconnected', { reason });
  }

  #say(clientId: string, what: string, facts: Record<string, unknown>): void {
    const timeMs = Date.now();
    // A client id may hold any character; one level of a topic may not.
    const topic = `${this.#prefix}/${clientId.replace(/[%/+#]/g, encodeURIComponent)}/${what}`;
    const payload = Buffer.from(JSON.stringify({ clientId, ...facts, time: timeMs }));
    // In a turn of its own: a connection may be cut in the middle of somebody's delivery.
    setImmediate(() => this.#router.publish(new Message(topic, payload, timeMs)));
  }
}
