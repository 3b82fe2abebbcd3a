import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { Cluster, ClusterNode } from '../router/engine/cluster.js';
import type { Config } from './settings.js';

/** The default name of a node, and a warning about two nodes with one name. */

/** A name has 64 characters, with room for `-`, a port or process id of up to 7 digits, and `-1024` of a worker. */
const hostnameLengthMax = 51;

/** The name of a node without --node-name. With port 0 the port is not known yet, so the process id replaces it. */
export function unnamedNode({ engine, nodeName, port }: Config): string {
  if (engine === 'embedded') return nodeName;
  const host = hostname()
    .replaceAll(/[\s\0/+#]/g, '-')
    .slice(0, hostnameLengthMax);
  return `${host}-${port === 0 ? process.pid : port}`;
}

/**
 * Logs, once for each, that another node has the name of this one: both then publish under the same $SYS topics. Such
 * nodes are not refused, because a node may still drain while its successor has the same name.
 */
export class DuplicateNodeNames {
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
    const duplicates = peers.filter(({ name }) => name === self.name);
    for (const { run } of duplicates) if (!this.#told.has(run)) this.#tell(self.name);
    this.#told = new Set(duplicates.map(({ run }) => run));
  }

  #tell(node: string): void {
    this.#log.error(
      { node },
      'another node of this cluster has the name of this one: give each its own with --node-name, or their $SYS topics are mixed up',
    );
  }
}
