import type { Identity } from '../../access/identity.js';
import type { Session } from '../../router/session/session.js';
import type { Sessions } from '../../router/session/sessions.js';
import type { CloseReason } from '../close-reason.js';
import type { Identities } from '../identities.js';
import { addressKeyText } from '../peer-address.js';
import type { Channel } from './channel.js';
import { makeClientId } from './client-id.js';
import { type ClientIdOwners, userNameOf } from './client-id-owners.js';
import { type ConnectPacket, termsOf, type Will } from './connect-packet.js';
import type { AutoSubscriptions } from './handlers/auto-subscriptions.js';
import type { Presence } from './presence.js';
import type { RetainedReplays } from './retained-replays.js';
import type { SubscriptionReview } from './subscription-review.js';
import type { Wills } from './wills.js';

export interface ConnectedClientsParts {
  readonly sessions: Sessions;
  readonly identities: Identities;
  readonly owners: ClientIdOwners;
  readonly wills: Wills;
  readonly presence: Presence;
  readonly replays: RetainedReplays;
  readonly subscriptionReview: SubscriptionReview;
  readonly autoSubscriptions: AutoSubscriptions;
}

/** Attaches a connection to the session of its client when CONNECT is accepted, and detaches it when it ends. */
export class ConnectedClients {
  readonly #parts: ConnectedClientsParts;

  constructor(parts: ConnectedClientsParts) {
    this.#parts = parts;
  }

  /**
   * Ends the connection that had the client id [MQTT-3.1.4-2]. A session does not go on where nobody knows whether it is
   * the same user's.
   * @returns whether there was a session that goes on
   */
  attach(channel: Channel, packet: ConnectPacket, will: Will | undefined, identity: Identity): boolean {
    const { sessions, identities, owners, wills, presence } = this.#parts;
    const { clean, keepAliveSec } = packet;
    const userName = userNameOf(identity, packet);
    const clientId = packet.clientId === '' ? makeClientId() : packet.clientId; // [MQTT-3.1.3-6]
    const owner = () => ({ address: addressKeyText(channel.socket), userName });
    const asked = termsOf(packet);
    const terms = owners.mayGoOn(identity) ? asked : { ...asked, startClean: true };
    const { session, present } = sessions.open(clientId, terms, channel, owner);
    channel.session = session;
    identities.set(channel.slot, identity);
    if (will !== undefined) wills.set(channel.slot, will, clientId);
    presence.connected(clientId, { clean, keepAliveSec });
    return present;
  }

  /** Call once CONNACK is written. */
  begin(channel: Channel, session: Session, packet: ConnectPacket, identity: Identity): void {
    const { subscriptionReview, autoSubscriptions } = this.#parts;
    const userName = userNameOf(identity, packet);
    subscriptionReview.reviewFilters(channel, session, () => []);
    autoSubscriptions.begin(channel, session, userName);
    subscriptionReview.reviewMessages(channel, session, () =>
      autoSubscriptions.operatorsOf(session.clientId, userName),
    );
    session.resume();
  }

  /** The rights of its user have changed while it is connected. */
  review(channel: Channel, session: Session): void {
    const { subscriptionReview, autoSubscriptions, identities, wills } = this.#parts;
    const { userName } = identities.of(channel.slot);
    const operators = () => autoSubscriptions.operatorsOf(session.clientId, userName);
    subscriptionReview.reviewFilters(channel, session, operators);
    subscriptionReview.reviewMessages(channel, session, operators);
    const topic = wills.topicOf(channel.slot);
    if (topic !== undefined && !subscriptionReview.mayPublish(channel, topic)) wills.delete(channel.slot);
  }

  /**
   * The will of a client that was taken over goes out before anything that the next one has sent right behind its CONNECT,
   * as it may (3.1.4). Not while anything is delivered or flushed.
   */
  publishWills(): void {
    this.#parts.wills.drain();
  }

  /** The connection is gone: its will is due, unless its client has said DISCONNECT. */
  detach(channel: Channel, reason: CloseReason): void {
    const { session, slot } = channel;
    if (session === undefined) return;
    const { sessions, wills, presence, replays } = this.#parts;
    wills.publish(slot);
    channel.session = undefined;
    sessions.detach(session);
    replays.release(slot, session);
    presence.disconnected(session.clientId, reason);
  }
}
