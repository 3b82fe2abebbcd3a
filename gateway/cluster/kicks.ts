import type { Cluster } from '../../router/engine/cluster.js';
import type { Router } from '../../router/router.js';
import type { AccessControl } from '../access-control.js';
import type { Connection } from '../connection.js';
import { walkConnections } from '../connection-walk.js';
import type { Connections } from '../connections.js';
import { Poll } from '../http/streams/poll.js';
import { Stream } from '../http/streams/stream.js';
import { Channel } from '../mqtt/channel.js';
import type { SampledLog } from '../sampled-log.js';

/** Names of connections that are to be ended: one that has any of them is. */
export interface KickedNames {
  readonly users: readonly string[];
  /** Client ids of MQTT. */
  readonly clientIds: readonly string[];
  /** Streams, polls and MQTT clients that have exactly this id; those with a filter that matches it stay. */
  readonly ids: readonly string[];
}

export interface Kicked {
  /** Connections ended, on all nodes that have answered. */
  readonly kicked: number;
  /** The nodes that had any of them, by name; absent in a single process. */
  readonly nodes?: readonly { node: string; kicked: number }[];
  /** Nodes that did not answer in time, where there were any: they may have ended some. */
  readonly unanswered?: number;
}

export interface KicksParts {
  readonly router: Router;
  readonly connections: Connections;
  readonly access: AccessControl;
  readonly log: SampledLog;
}

const question = 'kick';

/** Longest time that the other nodes have to walk through their connections. */
const waitMs = 10_000;

/**
 * Ends connections of users, of client ids or of ids, on all nodes, and has these users checked anew when they come back. It
 * keeps nobody out: that is for whoever knows the users. The body of the question has the names as JSON, and that of an answer
 * a number in decimal.
 */
export class Kicks {
  readonly #parts: KicksParts;
  readonly #cluster: Cluster | undefined;

  constructor(parts: KicksParts) {
    this.#parts = parts;
    this.#cluster = parts.router.engine.cluster;
    this.#cluster?.onQuestion(question, async (body) => {
      const names = JSON.parse(Buffer.from(body).toString()) as KickedNames; // nodes of one cluster trust each other
      return Buffer.from(String(await this.#kickHere(names)));
    });
  }

  /** Calls back once, when all nodes have done so, or in 10 s. */
  async kick(names: KickedNames, onKicked: (kicked: Kicked) => void): Promise<void> {
    const cluster = this.#cluster;
    const here = this.#kickHere(names);
    if (cluster === undefined) return onKicked({ kicked: await here });
    cluster.ask(question, Buffer.from(JSON.stringify(names)), waitMs, async ({ answers, unanswered }) => {
      const others = answers.map(({ from, body }) => ({ node: from.name, kicked: numberIn(body) }));
      const all = [{ node: cluster.self.name, kicked: await here }, ...others];
      const nodes = all.filter(({ kicked }) => kicked > 0).sort((a, b) => (a.node < b.node ? -1 : 1));
      const kicked = nodes.reduce((sum, node) => sum + node.kicked, 0);
      onKicked({ kicked, nodes, ...(unanswered === 0 ? {} : { unanswered }) });
    });
  }

  async #kickHere(names: KickedNames): Promise<number> {
    const { connections, access, log } = this.#parts;
    for (const user of names.users) access.revoke(user);
    // A client that is named by its client id or its id alone may be a user without a name.
    if (names.clientIds.length + names.ids.length > 0) access.revoke(undefined);
    access.changes.revokeNames([...names.clientIds, ...names.ids]);
    const users = new Set(names.users);
    const clientIds = new Set(names.clientIds);
    let kicked = 0;
    await walkConnections(connections, (connection) => {
      const { userName } = access.identities.of(connection.slot);
      const isMeant =
        (userName !== undefined && users.has(userName)) ||
        (connection instanceof Channel && clientIds.has(connection.session?.clientId ?? '')) ||
        names.ids.some((id) => this.#hasId(connection, id));
      if (!isMeant) return;
      access.revoke(userName);
      connection.end('kicked');
      kicked++;
    });
    log.warn('kick', { ...names, connections: kicked }, 'connections ended by an operator');
    return kicked;
  }

  #hasId(connection: Connection, id: string): boolean {
    const { router } = this.#parts;
    if (connection instanceof Channel)
      return connection.session !== undefined && router.isLoggedIn(id, connection.session);
    return (connection instanceof Stream || connection instanceof Poll) && router.isLoggedIn(id, connection);
  }
}

function numberIn(body: Uint8Array): number {
  const text = Buffer.from(body).toString();
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}
