import type { Connection } from '../../gateway/connection.js';
import { Channel } from '../../gateway/mqtt/channel.js';
import type { OperatedNode } from '../../gateway/operated-node.js';
import { Subscriber } from '../../router/subscriber.js';
import { qosIn } from '../../router/subscription-options.js';
import type { ConnectionKeys } from './connection-keys.js';
import type { ClientDetail, ClientEntry } from './entries.js';

/** An entry shows so many ids, of so many characters together: a page of entries goes through Redis, with some 100 KB. */
const idsShown = 20;
const idsLengthShown = 1_024;
const subscriptionsShown = 1_000;

/**
 * One step of a list looks at so many slots. It takes 5 ms where an address is asked for, which costs a call of uWS for
 * each. A long walk has many steps, each in a turn of its own.
 */
const slotsPerStep = 5_000;

/** A connection matches where it has all values that are given. */
export interface ClientsFilter {
  readonly transport?: string | undefined;
  readonly address?: string | undefined;
  readonly user?: string | undefined;
  readonly clientId?: string | undefined;
  /** An id or filter that the connection is logged in with. */
  readonly id?: string | undefined;
  readonly slow?: boolean | undefined;
}

export interface ClientsStep {
  readonly clients: ClientEntry[];
  /** The slot to go on with; undefined at the end. */
  readonly next: number | undefined;
}

/** Lists the connections of this node for operators. */
export class ConnectionList {
  readonly #node: OperatedNode;
  readonly #name: string;
  readonly #keys: ConnectionKeys;

  constructor(node: OperatedNode, name: string, keys: ConnectionKeys) {
    this.#node = node;
    this.#name = name;
    this.#keys = keys;
  }

  /** @param from the slot to begin with @param most the number of entries at most */
  step(filter: ClientsFilter, from: number, most: number): ClientsStep {
    const { connections } = this.#node.shared;
    if (filter.clientId !== undefined) return { clients: this.#ofClientId(filter), next: undefined };
    const clients: ClientEntry[] = [];
    const end = Math.min(connections.used, from + slotsPerStep);
    let slot = from;
    for (; slot < end && clients.length < most; slot++) {
      const connection = connections.slots[slot];
      if (connection !== undefined && this.#matches(connection, filter))
        clients.push(this.#entryOf(connection));
    }
    return { clients, next: slot < connections.used ? slot : undefined };
  }

  /** @param name the name of a connection, or an MQTT client id */
  find(name: string): Connection | undefined {
    const { sessions } = this.#node.mqtt;
    return this.#keys.find(name) ?? (sessions.find(name)?.connection as Channel | undefined);
  }

  detailOf(connection: Connection): ClientDetail {
    const { shared, mqtt } = this.#node;
    const { slot } = connection;
    const backlog = shared.slowConsumers.backlogOf(slot);
    const subscriber = subscriberOf(connection);
    const subscriptions = subscriber === undefined ? [] : shared.router.subscriptionsOf(subscriber);
    const detail: ClientDetail = {
      ...this.#entryOf(connection),
      superuser: shared.access.identities.of(slot).isSuperuser,
      subscriptions: subscriptions
        .slice(0, subscriptionsShown)
        .map(({ filter, options }) => ({ filter, qos: qosIn(options) })),
      ...(backlog && { stalledSec: Math.round(backlog.idleMs / 1000) }),
    };
    if (!(connection instanceof Channel) || connection.session === undefined) return detail;
    const { session } = connection;
    return {
      ...detail,
      keepAliveSec: mqtt.keepAliveSecOf(slot),
      session: { persistent: !session.endsWithConnection, ...session.pending },
    };
  }

  /** @returns the connections with the most pending bytes @param most the number of entries at most */
  slowest(most: number): ClientEntry[] {
    const { slowConsumers, connections } = this.#node.shared;
    const ranked = [...slowConsumers.all].sort(([, a], [, b]) => b.bytes - a.bytes).slice(0, most);
    return ranked.flatMap(([slot]) => {
      const connection = connections.slots[slot];
      return connection === undefined ? [] : [this.#entryOf(connection)];
    });
  }

  #ofClientId(filter: ClientsFilter): ClientEntry[] {
    const connection = this.#node.mqtt.sessions.find(filter.clientId!)?.connection as Channel | undefined;
    return connection !== undefined && this.#matches(connection, filter) ? [this.#entryOf(connection)] : [];
  }

  #matches(connection: Connection, { transport, address, user, id, slow }: ClientsFilter): boolean {
    const { shared } = this.#node;
    if (transport !== undefined && connection.transportName !== transport) return false;
    if (slow === true && shared.slowConsumers.backlogOf(connection.slot) === undefined) return false;
    if (user !== undefined && this.#userOf(connection) !== user) return false;
    if (id !== undefined) {
      const subscriber = subscriberOf(connection);
      if (subscriber === undefined || !shared.router.isLoggedIn(id, subscriber)) return false;
    }
    return address === undefined || connection.remoteAddress() === address;
  }

  #entryOf(connection: Connection): ClientEntry {
    const { router, slowConsumers } = this.#node.shared;
    const backlog = slowConsumers.backlogOf(connection.slot);
    const subscriber = subscriberOf(connection);
    const user = this.#userOf(connection);
    const clientId = connection instanceof Channel ? connection.session?.clientId : undefined;
    return {
      node: this.#name,
      connection: this.#keys.keyOf(connection),
      transport: connection.transportName,
      address: connection.remoteAddress(),
      ...(clientId !== undefined && { clientId }),
      ids: subscriber === undefined ? [] : firstIdsOf(subscriber),
      idsCount: subscriber === undefined ? 0 : router.loginsOf(subscriber),
      ...(user !== undefined && { user }),
      pendingBytes: backlog?.bytes ?? 0,
      pendingMessages: backlog?.messages ?? 0,
    };
  }

  #userOf({ slot }: Connection): string | undefined {
    return this.#node.shared.access.identities.of(slot).userName;
  }
}

/** @returns the session of an MQTT connection; an HTTP stream or poll itself */
function subscriberOf(connection: Connection): Subscriber | undefined {
  if (connection instanceof Channel) return connection.session;
  return connection instanceof Subscriber ? connection : undefined;
}

function firstIdsOf({ logins }: Subscriber): string[] {
  if (logins === undefined) return [];
  if (typeof logins === 'string') return [logins];
  const first: string[] = [];
  let length = 0;
  for (const id of logins) {
    length += id.length;
    if (first.length === idsShown || (length > idsLengthShown && first.length > 0)) break;
    first.push(id);
  }
  return first;
}
