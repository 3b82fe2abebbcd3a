import { Channel } from '../../gateway/mqtt/channel.js';
import type { OperatedNode } from '../../gateway/operated-node.js';
import type { Session } from '../../router/session/session.js';
import type { SessionEntry } from './entries.js';
import { type WalkStep, Walks } from './walks.js';

/** A session matches where it has all values that are given. */
export interface SessionsFilter {
  readonly connected?: boolean | undefined;
  readonly user?: string | undefined;
  /** True: messages wait in the session, or are in flight. */
  readonly waiting?: boolean | undefined;
}

/** Lists the MQTT sessions of this node for operators, and ends them. */
export class SessionList {
  readonly #node: OperatedNode;
  readonly #name: string;
  readonly #walks = new Walks<Session>();

  constructor(node: OperatedNode, name: string) {
    this.#node = node;
    this.#name = name;
  }

  /** @param from the name of the rest of a walk, as `Walks` gives it; undefined = a new walk */
  step(filter: SessionsFilter, from: string | undefined, most: number): WalkStep<SessionEntry> | undefined {
    const { sessions } = this.#node.mqtt;
    return this.#walks.step(
      from,
      () => sessions.all,
      most,
      (session) =>
        sessions.find(session.clientId) === session ? this.#ifMatches(session, filter) : undefined,
    );
  }

  find(clientId: string): SessionEntry | undefined {
    const session = this.#node.mqtt.sessions.find(clientId);
    return session && this.#entryOf(session);
  }

  /** Ends a session, with its connection. Its messages are lost, and counted. @returns the session as it was */
  end(clientId: string): SessionEntry | undefined {
    const { sessions } = this.#node.mqtt;
    const session = sessions.find(clientId);
    if (session === undefined) return undefined;
    const entry = this.#entryOf(session);
    (session.connection as Channel | undefined)?.cut('kicked');
    if (sessions.find(clientId) === session) sessions.discard(session); // it outlives its connection
    return entry;
  }

  #ifMatches(session: Session, { connected, user, waiting }: SessionsFilter): SessionEntry | undefined {
    if (connected !== undefined && connected !== (session.connection !== undefined)) return undefined;
    if (waiting === true && session.idle) return undefined;
    const entry = this.#entryOf(session);
    return user !== undefined && entry.user !== user ? undefined : entry;
  }

  #entryOf(session: Session): SessionEntry {
    const { router } = this.#node.shared;
    const { sessions } = this.#node.mqtt;
    const owner = sessions.ownerOf(session);
    const sinceSec = sessions.away.sinceSec(session);
    const { connection } = session;
    const user = connection instanceof Channel ? this.#userAt(connection.slot) : owner?.userName;
    const address = connection instanceof Channel ? connection.remoteAddress() : owner?.address;
    return {
      node: this.#name,
      clientId: session.clientId,
      connected: session.connection !== undefined,
      persistent: !session.endsWithConnection,
      subscriptions: router.loginsOf(session),
      ...session.pending,
      ...(sinceSec !== undefined && { awaySec: sessions.nowSec - sinceSec }),
      ...(user !== undefined && { user }),
      ...(address !== undefined && { address }),
    };
  }

  #userAt(slot: number): string | undefined {
    return this.#node.shared.access.identities.of(slot).userName;
  }
}
