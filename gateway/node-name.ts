import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { Cluster, ClusterNode } from '../router/engine/cluster.js';
import type { Config } from './settings.js';

/** The name of a node: its default among others, and that no two have the same. */

/** A name has 64 characters: `-`, a port or process id of up to 7 digits, and `-1024` of a worker go behind it. */
const hostnameLengthMax = 51;

/**
 * Of a node that was given no name: among others it has one that is its own. Its port is not known before it listens
 * where a free one is asked for: then its process id stands there.
 */
export function unnamedNode({ engine, nodeName, port }: Config): string {
  if (engine === 'embedded') return nodeName;
  const host = hostname()
    .replaceAll(/[\s\0/+#]/g, '-')
    .slice(0, hostnameLengthMax);
  return `${host}-${port === 0 ? process.pid : port}`;
}

/**
 * Says in the log, once for each, that another node has the name of this one: what is told under it in $SYS topics is
 * told by both. They are not refused: a node that is replaced may still be draining while the next one has its name.
 */
export class Namesakes {
  readonly #cluster: Cluster | undefined;
  readonly #log: Logger;
  #peers: readonly ClusterNode[] = [];
  #told = new Set<number>();

  constructor(cluster: Cluster | undefined, log: Logger) {
    this.#cluster = cluster;
    this.#log = log;
  }

  /** In each tick of the sweeper. */
  tick(): void {
    if (this.#cluster === undefined || this.#cluster.peers === this.#peers) return;
    const { self, peers } = this.#cluster;
    this.#peers = peers;
    const namesakes = peers.filter(({ name }) => name === self.name);
    for (const { run } of namesakes) if (!this.#told.has(run)) this.#tell(self.name);
    this.#told = new Set(namesakes.map(({ run }) => run));
  }

  #tell(node: string): void {
    this.#log.error(
      { node },
      'another node of this cluster has the name of this one: give each its own with --node-name, or their $SYS topics are mixed up',
    );
  }
}
