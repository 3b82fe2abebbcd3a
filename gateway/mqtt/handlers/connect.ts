import { type Connections, speaksMqtt31 } from '../../connections.js';
import type { Channel } from '../channel.js';
import type { ClientClaims } from '../client-claims.js';
import type { Closing } from '../closing.js';
import { type ConnectPacket, readConnect, type Will } from '../connect-packet.js';
import type { ConnectedClients } from '../connected-clients.js';
import type { Deadlines } from '../deadlines.js';
import { protocolLevel } from '../packet.js';
import type { PacketReader } from '../packet-reader.js';
import { connackCode } from '../reply-packets.js';
import type { Connacks } from './connacks.js';
import type { ConnectAdmission } from './connect-admission.js';

export interface ConnectHandlerParts {
  readonly admission: ConnectAdmission;
  readonly claims: ClientClaims;
  readonly clients: ConnectedClients;
  readonly deadlines: Deadlines;
  readonly connacks: Connacks;
  readonly connections: Connections;
}

/** CONNECT: from a bare socket to a session, or the return code that says why not. */
export class ConnectHandler {
  readonly #parts: ConnectHandlerParts;

  constructor(parts: ConnectHandlerParts) {
    this.#parts = parts;
  }

  /**
   * @param flags of the fixed header
   * @returns 'wait' while everything that its client has sent on the connection before is still handled, or while another
   * node may have the client id: see ClientClaims
   */
  handle(channel: Channel, reader: PacketReader, flags: number): Closing | 'wait' | undefined {
    const { admission, claims, clients, deadlines, connacks } = this.#parts;
    const packet = readConnect(reader, flags);
    if (packet === 'malformed-packet') return packet;
    if (packet === 'unknown-level') return connacks.refuse(channel, connackCode.unknownLevel); // [MQTT-3.1.2-2]
    const will = admission.willOf(packet);
    if (will !== undefined && 'reason' in will) return will;
    const refusal = admission.refusalOf(packet, will);
    if (refusal !== undefined) return connacks.refuse(channel, refusal);
    if (packet.clientId !== '' && claims.waits(channel, packet.clientId, packet.clean)) {
      deadlines.pause(channel);
      return 'wait';
    }
    this.#accept(channel, packet, will);
    clients.publishWills();
    return undefined;
  }

  #accept(channel: Channel, packet: ConnectPacket, will: Will | undefined): void {
    const { clients, deadlines, connacks, connections } = this.#parts;
    const is31 = packet.level === protocolLevel.mqtt31;
    if (is31) connections.flags[channel.slot]! |= speaksMqtt31;
    const present = clients.attach(channel, packet, will);
    deadlines.keepAlive(channel, packet.keepAliveSec);
    connacks.accept(channel, present && !is31); // the first packet [MQTT-3.2.0-1]
    const { session } = channel;
    if (session !== undefined) clients.begin(channel, session, packet.userName); // else writing has ended it
  }
}
