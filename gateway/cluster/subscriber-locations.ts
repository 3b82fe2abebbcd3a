import type { Cluster } from '../../router/engine/cluster.js';
import type { Router } from '../../router/router.js';
import type { Config } from '../config.js';
import { checkId } from '../http/request.js';

/** The subscribers that would get a message to an id. */
export interface Found {
  readonly id: string;
  readonly subscribers: number;
  /** The nodes that have any of them, by name; absent in a single process. */
  readonly nodes?: readonly { node: string; subscribers: number }[];
  /** Nodes that did not answer in time, where there were any. */
  readonly unanswered?: number;
}

const question = 'ids';

/** Finds subscribers of an id on all nodes: asks the others, and answers them. Body: the id; answer: a number in decimal. */
export class SubscriberLocations {
  readonly #router: Router;
  readonly #cluster: Cluster | undefined;
  readonly #waitMs: number;

  constructor(router: Router, config: Config) {
    this.#router = router;
    this.#cluster = router.engine.cluster;
    this.#waitMs = config.countWaitMs;
    this.#cluster?.onQuestion(question, (body) => {
      const id = checkId(Buffer.from(body).toString(), config);
      return Buffer.from(String(id.ok ? router.count(id.value) : 0));
    });
  }

  /** Calls back once, before this returns where there is no other node. @param id a valid one */
  find(id: string, onFound: (found: Found) => void): void {
    const cluster = this.#cluster;
    if (cluster === undefined) return onFound({ id, subscribers: this.#router.count(id) });
    cluster.ask(question, Buffer.from(id), this.#waitMs, ({ answers, unanswered }) => {
      const others = answers.map(({ from, body }) => ({ node: from.name, subscribers: numberIn(body) }));
      const all = [{ node: cluster.self.name, subscribers: this.#router.count(id) }, ...others];
      const nodes = all.filter(({ subscribers }) => subscribers > 0);
      nodes.sort((a, b) => (a.node < b.node ? -1 : 1));
      const subscribers = nodes.reduce((sum, node) => sum + node.subscribers, 0);
      onFound({ id, subscribers, nodes, ...(unanswered === 0 ? {} : { unanswered }) });
    });
  }
}

function numberIn(body: Uint8Array): number {
  const text = Buffer.from(body).toString();
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}
