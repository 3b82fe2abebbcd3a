import type { Answer, Cluster, ClusterNode, NodeRole } from '../../router/engine/cluster.js';
import type { Stats } from '../stats.js';
import { type Numbers, sumOf } from './stats-sum.js';

export interface NodeStats {
  readonly node: string;
  readonly role: NodeRole;
  readonly stats: Numbers;
}

/** The metrics of all nodes, summed, and of each node. */
export interface StatsOfNodes {
  readonly sum: Numbers;
  readonly nodes: readonly NodeStats[];
  /** Nodes that did not answer in time, and are missing in the sums. */
  readonly unanswered: number;
}

const question = 'stats';

/** The metrics of all nodes, or of one group of workers. Asks the other nodes, and answers them. Body: the group; answer: JSON. */
export class ClusterStats {
  readonly #stats: Stats;
  readonly #cluster: Cluster;
  readonly #waitMs: number;

  constructor(stats: Stats, cluster: Cluster, waitMs: number) {
    this.#stats = stats;
    this.#cluster = cluster;
    this.#waitMs = waitMs;
    cluster.onQuestion(question, (body) => {
      const group = Buffer.from(body).toString();
      const asked = group === '' || group === cluster.self.group;
      return asked ? Buffer.from(JSON.stringify(stats.all())) : new Uint8Array(0);
    });
  }

  /** Whether this node is one of several workers. */
  get grouped(): boolean {
    return this.#cluster.self.group !== '';
  }

  /** Reports this node's metrics to Redis, for programs that ask there. */
  report(): void {
    const { self } = this.#cluster;
    this.#cluster.report(JSON.stringify(nodeStats(self, ownNumbers(this.#stats))));
  }

  /** Calls back once. */
  ofAll(onKnown: (stats: StatsOfNodes) => void): void {
    this.#ask('', onKnown);
  }

  /** Metrics of the workers of this node's group. Calls back once. */
  ofGroup(onKnown: (stats: StatsOfNodes) => void): void {
    this.#ask(this.#cluster.self.group, onKnown);
  }

  /** `ofGroup`, to be awaited. */
  groupNow(): Promise<StatsOfNodes> {
    return new Promise((resolve) => this.ofGroup(resolve));
  }

  #ask(group: string, onKnown: (stats: StatsOfNodes) => void): void {
    const { self, peers } = this.#cluster;
    const asked = peers.filter((peer) => group === '' || peer.group === group);
    this.#cluster.ask(question, Buffer.from(group), this.#waitMs, ({ answers }) => {
      const runs = new Set(asked.map(({ run }) => run));
      const others = answers.filter(({ from }) => runs.has(from.run)).flatMap(readAnswer);
      const nodes = [nodeStats(self, ownNumbers(this.#stats)), ...others];
      nodes.sort((a, b) => (a.node < b.node ? -1 : 1));
      const sum = sumOf(nodes.map(({ stats }) => stats));
      onKnown({ sum, nodes, unanswered: asked.length - others.length });
    });
  }
}

function ownNumbers(stats: Stats): Numbers {
  return { ...stats.all() };
}

/** @returns undefined if it cannot be parsed */
function readAnswer({ from, body }: Answer): NodeStats[] {
  try {
    return [nodeStats(from, JSON.parse(Buffer.from(body).toString()))];
  } catch {
    return [];
  }
}

function nodeStats({ name, role }: ClusterNode, stats: Numbers): NodeStats {
  return { node: name, role, stats };
}
