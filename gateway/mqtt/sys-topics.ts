import { Message } from '../../router/message.js';
import type { Router } from '../../router/router.js';
import type { Config } from '../config.js';

/** The numbers of this node under `$SYS/brokers/<node>/…`, retained, so that who subscribes sees the last ones at once. */
export class SysTopics {
  readonly #router: Router;
  readonly #prefix: string;
  readonly #intervalMs: number;
  readonly #numbers: () => Record<string, string | number>;
  #nextMs = 0;

  /** @param numbers topic below the prefix -> value, asked for each time */
  constructor(
    router: Router,
    config: Pick<Config, 'mqttSysInterval' | 'nodeName'>,
    numbers: () => Record<string, string | number>,
  ) {
    this.#router = router;
    this.#prefix = `$SYS/brokers/${config.nodeName}`;
    this.#intervalMs = config.mqttSysInterval * 1000;
    this.#numbers = numbers;
  }

  /** Called in each tick of the sweeper. */
  tick(): void {
    const nowMs = performance.now();
    if (this.#intervalMs === 0 || nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + this.#intervalMs;
    for (const [topic, value] of Object.entries(this.#numbers())) {
      const payload = Buffer.from(String(value));
      this.#router.publish(new Message(`${this.#prefix}/${topic}`, payload, Date.now(), 0, true));
    }
  }
}
