import type { RefusedAuthentication } from '../../../access/authenticator.js';
import type { Identity } from '../../../access/identity.js';
import { type RefusalReason, refusals } from '../../close-reason.js';
import { type Connections, speaksMqtt31 } from '../../connections.js';
import type { Counters } from '../../counters.js';
import type { Channel } from '../channel.js';
import type { ClientClaims } from '../client-claims.js';
import type { ClientIdOwners } from '../client-id-owners.js';
import type { CloseDetails, Closing } from '../closing.js';
import type { ConnectAuthentication } from '../connect-authentication.js';
import { type ConnectPacket, readConnect, type Will } from '../connect-packet.js';
import type { ConnectedClients } from '../connected-clients.js';
import type { Deadlines } from '../deadlines.js';
import type { Flapping } from '../flapping.js';
import { loggedText } from '../logged-text.js';
import { protocolLevel } from '../packet.js';
import type { PacketReader } from '../packet-reader.js';
import { type ConnackCode, connackCode } from '../reply-packets.js';
import type { Connacks } from './connacks.js';
import type { ConnectAdmission } from './connect-admission.js';

export interface ConnectHandlerParts {
  readonly authentication: ConnectAuthentication;
  readonly admission: ConnectAdmission;
  readonly owners: ClientIdOwners;
  readonly flapping: Flapping;
  readonly claims: ClientClaims;
  readonly clients: ConnectedClients;
  readonly deadlines: Deadlines;
  readonly connacks: Connacks;
  readonly connections: Connections;
  readonly counters: Counters;
}

/** CONNECT: from a bare socket to a session, or the return code that says why not. */
export class ConnectHandler {
  readonly #parts: ConnectHandlerParts;

  constructor(parts: ConnectHandlerParts) {
    this.#parts = parts;
  }

  /**
   * @param flags of the fixed header
   * @returns 'wait' while an authenticator waits for an answer from outside; and then, while everything that its client has
   * sent on the connection before is still handled, or while another node may have the client id: see ClientClaims
   */
  handle(channel: Channel, reader: PacketReader, flags: number): Closing | 'wait' | undefined {
    const { authentication, admission, owners, claims, clients, deadlines, connacks } = this.#parts;
    const packet = readConnect(reader, flags);
    if (packet === 'malformed-packet') return packet;
    if (packet === 'unknown-level') return connacks.refuse(channel, connackCode.unknownLevel); // [MQTT-3.1.2-2]
    const will = admission.willOf(packet);
    if (will !== undefined && 'reason' in will) return will;
    if (!admission.takesClientId(packet)) return connacks.refuse(channel, connackCode.badClientId);
    const decision = authentication.decide(channel, packet);
    if (decision === 'wait') {
      deadlines.suspend(channel);
      return 'wait';
    }
    if (decision.outcome !== 'accepted') {
      const isAttack = decision.outcome === 'refused' && decision.reason === 'too-many-attempts';
      if (isAttack) this.#parts.counters.refused['too-many-attempts']++;
      return connacks.refuse(channel, codeOf(decision, packet), detailsOf(decision, packet));
    }
    if (owners.isAnothers(packet.clientId, decision.identity))
      return connacks.refuse(channel, connackCode.notAuthorized, detailsOf(clientIdTaken, packet));
    const limit = this.#limitOf(packet, decision.identity);
    if (limit !== undefined) return this.#refuseForLimit(channel, packet, limit);
    const refusal = admission.refusalOf(packet, will, decision.identity);
    if (refusal !== undefined) return connacks.refuse(channel, refusal);
    const user = () => owners.claimantOf(packet, decision.identity);
    const waits = packet.clientId !== '' && claims.waits(channel, packet.clientId, packet.clean, user);
    if (waits === 'refused')
      return connacks.refuse(channel, connackCode.notAuthorized, detailsOf(clientIdTaken, packet));
    if (waits) {
      authentication.keep(channel, decision.identity);
      deadlines.release(channel);
      return 'wait';
    }
    authentication.release(channel);
    this.#accept(channel, packet, will, decision.identity);
    clients.publishWills();
    return undefined;
  }

  /** @returns the limit of this server that keeps the client out for now, if one does */
  #limitOf(packet: ConnectPacket, identity: Identity): RefusalReason | undefined {
    const { flapping, admission } = this.#parts;
    if (flapping.holds(packet.clientId, identity)) return 'flapping';
    return admission.isOneTooMany(packet, identity) ? 'too-many-of-user' : undefined;
  }

  #refuseForLimit(channel: Channel, { clientId }: ConnectPacket, reason: RefusalReason): Closing {
    this.#parts.counters.refused[reason]++;
    const details = { clientId: loggedText(clientId), refusal: reason, sentence: refusals[reason].text };
    return this.#parts.connacks.refuse(channel, connackCode.unavailable, details);
  }

  #accept(channel: Channel, packet: ConnectPacket, will: Will | undefined, identity: Identity): void {
    const { clients, deadlines, connacks, connections } = this.#parts;
    const is31 = packet.level === protocolLevel.mqtt31;
    if (is31) connections.flags[channel.slot]! |= speaksMqtt31;
    const present = clients.attach(channel, packet, will, identity);
    deadlines.keepAlive(channel, packet.keepAliveSec);
    connacks.accept(channel, present && !is31); // the first packet [MQTT-3.2.0-1]
    const { session } = channel;
    if (session !== undefined) clients.begin(channel, session, packet, identity); // else writing has ended it
  }
}

function codeOf(decision: RefusedAuthentication, { password }: ConnectPacket): ConnackCode {
  if (decision.outcome === 'unavailable') return connackCode.unavailable;
  switch (decision.reason) {
    case 'no-credentials':
    case 'not-allowed':
      return connackCode.notAuthorized;
    case 'too-many-attempts':
      return connackCode.unavailable;
    case 'bad-credentials':
    case 'expired':
      // Without a password none was wrong.
      return password === undefined ? connackCode.notAuthorized : connackCode.badCredentials;
  }
}

const clientIdTaken = {
  outcome: 'refused',
  reason: 'not-allowed',
  sentence:
    'Another user has this client id: take one of your own, or end the other connection and its session.',
} as const;

/** For the log: CONNACK has no room for a sentence. Without the user name: some clients give their token there. */
function detailsOf(decision: RefusedAuthentication, { clientId }: ConnectPacket): CloseDetails {
  const refusal = decision.outcome === 'refused' ? decision.reason : decision.outcome;
  return { clientId: loggedText(clientId), refusal, sentence: decision.sentence };
}
