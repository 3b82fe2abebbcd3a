import type { Connection } from '../../gateway/connection.js';
import type { Connections } from '../../gateway/connections.js';

/**
 * Names for open connections. A slot is used again, so a name also has a fingerprint of the connection: what it has
 * subscribed to, its client id and its address. Nothing is stored for it.
 *
 *     k3f2-1a.9x0c1p     run of the node, slot, fingerprint
 */
export class ConnectionKeys {
  readonly #connections: Connections;
  readonly #run: string;

  /** @param run the number of this run of the node */
  constructor(connections: Connections, run: number) {
    this.#connections = connections;
    this.#run = run.toString(36);
  }

  keyOf(connection: Connection): string {
    return `${this.#run}-${connection.slot.toString(36)}.${fingerprintOf(connection)}`;
  }

  /** @returns undefined where the key is of another node, or its connection has gone */
  find(key: string): Connection | undefined {
    const [run, slot, fingerprint] = key.split(/[-.]/);
    if (run !== this.#run || slot === undefined) return undefined;
    const connection = this.#connections.slots[Number.parseInt(slot, 36)];
    return connection !== undefined && fingerprintOf(connection) === fingerprint ? connection : undefined;
  }
}

/** A hash (FNV-1a, 32 bits) of owner and address, so a client that comes back to its slot has the same. */
function fingerprintOf(connection: Connection): string {
  const text = `${connection.transportName} ${connection.remoteAddress()} ${JSON.stringify(connection.describe())}`;
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(36);
}
