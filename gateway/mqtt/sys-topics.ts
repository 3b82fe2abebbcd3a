import type { Cluster, ClusterNode } from '../../router/engine/cluster.js';
import { Message } from '../../router/message.js';
import type { Router } from '../../router/router.js';
import type { Config } from '../config.js';

/** To a node that has just come all others tell their numbers, this long after: it is one telling where many come. */
const newcomerMs = 1_000;

/**
 * The numbers of this node under `$SYS/brokers/<node>/…`, retained, so that who subscribes sees the last ones at once,
 * on every node. Those of another node are kept here for as long as it is there.
 */
export class SysTopics {
  readonly #router: Router;
  readonly #prefix: string;
  readonly #intervalMs: number;
  readonly #numbers: () => Record<string, string | number>;
  #nextMs = 0;
  readonly #cluster: Cluster | undefined;
  #peers: readonly ClusterNode[] = [];

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
    this.#cluster = router.engine.cluster;
    this.#cluster?.onGone((node) => this.#forget(node));
  }

  /** Called in each tick of the sweeper. */
  tick(): void {
    const nowMs = performance.now();
    this.#greetNewcomers(nowMs);
    if (this.#intervalMs === 0 || nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + this.#intervalMs;
    for (const [topic, value] of Object.entries(this.#numbers())) {
      const payload = Buffer.from(String(value));
      this.#router.publish(new Message(`${this.#prefix}/${topic}`, payload, Date.now(), 0, true));
    }
  }
  #greetNewcomers(nowMs: number): void {
    const { peers } = this.#cluster ?? { peers: this.#peers };
    if (peers === this.#peers) return;
    const known = new Set(this.#peers.map(({ run }) => run));
    this.#peers = peers;
    if (peers.some(({ run }) => !known.has(run))) this.#nextMs = Math.min(this.#nextMs, nowMs + newcomerMs);
  }

  /** Another one may have its name by now, as after a restart. */
  #forget({ name }: ClusterNode): void {
    const { self, peers } = this.#cluster!;
    if (name === self.name || peers.some((peer) => peer.name === name)) return;
    this.#router.forgetRetained(`$SYS/brokers/${name}/#`);
  }
}
