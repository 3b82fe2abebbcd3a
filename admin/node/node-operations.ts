import type { Logger } from 'pino';
import type { OperatedNode } from '../../gateway/operated-node.js';
import type { ReloadOutcome } from '../../gateway/reload/config-reload.js';
import { ConnectionKeys } from './connection-keys.js';
import { type ClientsFilter, type ClientsStep, ConnectionList } from './connection-list.js';
import type { ClientDetail, ClientEntry, NodeStatus, SessionEntry } from './entries.js';
import type { Question } from './questions.js';
import { Reloads } from './reloads.js';
import { SessionList, type SessionsFilter } from './session-list.js';
import type { WalkStep } from './walks.js';

/** The details and the reply of each question. */
export interface Operations {
  readonly status: { details: undefined; reply: NodeStatus };
  readonly clients: { details: ClientsPageDetails; reply: ClientsStep };
  readonly client: { details: { name: string }; reply: { client: ClientDetail } };
  readonly kick: { details: { name: string }; reply: { ended: ClientEntry } };
  readonly slow: { details: { most: number }; reply: { clients: ClientEntry[] } };
  readonly sessions: { details: SessionsPageDetails; reply: WalkStep<SessionEntry> | { forgotten: true } };
  readonly session: { details: { clientId: string }; reply: { session: SessionEntry } };
  readonly 'end-session': { details: { clientId: string }; reply: { session: SessionEntry } };
  readonly 'log-level': { details: { level: string }; reply: { level: string } };
  /** Begins a reload; `reloaded` asks for its outcome. */
  readonly reload: { details: undefined; reply: { number: number } };
  readonly reloaded: { details: { number: number }; reply: { outcome: ReloadOutcome | undefined } };
  readonly drain: { details: { drainSec: number }; reply: { draining: boolean } };
  readonly undrain: { details: undefined; reply: { undrained: boolean } };
}

export interface ClientsPageDetails {
  readonly filter: ClientsFilter;
  /** The slot to go on with, by node; a node that is missing begins with its first one. */
  readonly from: Readonly<Record<string, number>>;
  /** Each node lists at most so many entries. */
  readonly most: number;
}

export interface SessionsPageDetails {
  readonly filter: SessionsFilter;
  readonly from: Readonly<Record<string, string>>;
  readonly most: number;
}

/** Answers the questions of operators to this node, and carries out their orders, each within one turn of the loop. */
export class NodeOperations {
  readonly #node: OperatedNode;
  readonly #name: string;
  readonly #log: Logger;
  readonly #clients: ConnectionList;
  readonly #sessions: SessionList;
  readonly #reloads: Reloads;

  constructor(node: OperatedNode, log: Logger) {
    const { self } = node.shared.router.engine.cluster ?? {};
    this.#node = node;
    this.#log = log;
    this.#name = self?.name ?? node.shared.config.nodeName;
    const keys = new ConnectionKeys(node.shared.connections, self?.run ?? process.pid);
    this.#clients = new ConnectionList(node, this.#name, keys);
    this.#sessions = new SessionList(node, this.#name);
    this.#reloads = new Reloads(node);
  }

  /** The name of this node. */
  get name(): string {
    return this.#name;
  }

  readonly answer = ({ about, details }: Question): unknown => {
    const answers = this.#answers as Record<string, (details: never) => unknown>;
    return Object.hasOwn(answers, about) ? answers[about]!(details as never) : undefined;
  };

  readonly #answers: {
    [About in keyof Operations]: (
      details: Operations[About]['details'],
    ) => Operations[About]['reply'] | undefined;
  } = {
    status: () => this.#status(),
    clients: ({ filter, from, most }) => this.#clients.step(filter, from[this.#name] ?? 0, most),
    client: ({ name }) => {
      const found = this.#clients.find(name);
      return found && { client: this.#clients.detailOf(found) };
    },
    kick: ({ name }) => this.#kick(name),
    slow: ({ most }) => ({ clients: this.#clients.slowest(most) }),
    sessions: ({ filter, from, most }) =>
      this.#sessions.step(filter, from[this.#name], most) ?? { forgotten: true },
    session: ({ clientId }) => {
      const session = this.#sessions.find(clientId);
      return session && { session };
    },
    'end-session': ({ clientId }) => {
      const session = this.#sessions.end(clientId);
      if (session !== undefined) this.#log.warn({ clientId }, 'an operator has ended a session');
      return session && { session };
    },
    'log-level': ({ level }) => {
      this.#log.level = level;
      return { level };
    },
    reload: () => this.#reloads.begin(),
    reloaded: ({ number }) => this.#reloads.outcomeOf(number),
    drain: ({ drainSec }) => this.#drain(drainSec),
    undrain: () => this.#undrain(),
  };

  #kick(name: string): { ended: ClientEntry } | undefined {
    const found = this.#clients.find(name);
    if (found === undefined) return undefined;
    const { superuser: _superuser, subscriptions: _subscriptions, ...ended } = this.#clients.detailOf(found);
    this.#log.warn(
      { ...found.describe(), address: found.remoteAddress() },
      'an operator has ended a connection',
    );
    found.end('kicked');
    return { ended };
  }

  #drain(drainSec: number): { draining: boolean } {
    const draining = this.#node.takesClients();
    if (draining) {
      this.#log.warn(
        { drainSec, connections: this.#node.shared.connections.open },
        'an operator drains this node',
      );
      void this.#node.drain(drainSec);
    }
    return { draining };
  }

  #undrain(): { undrained: boolean } {
    const undrained = this.#node.isDraining();
    if (undrained)
      this.#node.undrain().then(
        () => this.#log.warn('an operator takes this node in again'),
        (error) => this.#log.error({ err: error }, 'this node cannot listen again'),
      );
    return { undrained };
  }

  #status(): NodeStatus {
    const { shared, role, stats, whyNotReady, warning, listeners } = this.#node;
    this.#node.watch();
    // biome-ignore lint/suspicious/noExplicitAny: the shape of /stats is in gateway/metrics.ts
    const numbers = stats.all() as any;
    const reason = whyNotReady() ?? warning();
    return {
      node: this.#name,
      role,
      version: numbers.version,
      uptimeSec: numbers.uptimeSec,
      ready: whyNotReady() === undefined,
      ...(reason !== undefined && { reason }),
      connections: shared.connections.open,
      connectionsByTransport: { ...shared.counters.open },
      capacity: shared.connections.capacity,
      sessions: numbers.mqtt.sessions.sessions,
      ids: numbers.router.ids,
      logins: numbers.router.logins,
      published: numbers.router.published,
      written: numbers.messages.written,
      lost: numbers.messages.lost + this.#node.mqtt.sessions.droppedTotal,
      slowConsumers: shared.slowConsumers.count,
      pendingBytes: shared.slowConsumers.pendingBytes,
      rssBytes: numbers.memory.rssBytes,
      eventLoopP99Ms: numbers.eventLoop.p99Ms,
      logLevel: this.#log.level,
      listeners: [...listeners()],
    };
  }
}
