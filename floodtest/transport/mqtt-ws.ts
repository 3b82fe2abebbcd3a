/**
 * MQTT 3.1.1 over WebSocket: upgrade, CONNECT, SUBSCRIBE, then messages, acknowledged by their QoS. A connection owns a
 * byte or two in each column, and an entry for each QoS 2 message that is not released.
 */

import { FrameReader, type ReaderEvents } from '../../msggen/mqtt/frame-reader.js';
import { FrameWriter } from '../../msggen/mqtt/frame-writer.js';
import {
  CONNACK,
  connectPacket,
  connectRefusal,
  DISCONNECT_PACKET,
  type MqttQos,
  noPublication,
  PINGREQ_PACKET,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  parsePublish,
  readPacketId,
  SUBACK,
  SUBACK_FAILURE,
  UNSUBACK,
} from '../../msggen/mqtt/packets.js';
import { acceptOf, newKey, upgradeRequest } from '../../msggen/mqtt/upgrade.js';
import { type Assignment, assignmentOf, connectionsOf, numberOf, type Share } from '../plan.js';
import { MqttPings } from './mqtt-pings.js';
import { type ResubscriptionEvents, Resubscriptions } from './resubscriptions.js';
import { subscribedQosOf, subscribePacketOf } from './subscription.js';
import type { FloodTransport, TransportEvents } from './transport.js';

/** Most unacknowledged messages of a device: a server may allow 100 of QoS 2. */
const OUTSTANDING_LIMIT = 32;
const PACKET_IDS = 0x1_0000;
const SUBSCRIBE_PACKET_ID = 1;
const PUBACK_HEAD = PUBACK << 4;
const PUBREC_HEAD = PUBREC << 4;
const PUBREL_HEAD = (PUBREL << 4) | 2;
const PUBCOMP_HEAD = PUBCOMP << 4;
const NORMAL_CLOSURE = 1000;

export class MqttWs implements FloodTransport, ReaderEvents, ResubscriptionEvents {
  readonly resubscriptions: Resubscriptions | undefined;
  readonly #events: TransportEvents;
  readonly #share: Share;
  /** One key for all connections: it only guards against caches, and there are none. */
  readonly #key = newKey();
  readonly #reader: FrameReader;
  readonly #writer = new FrameWriter();
  readonly #publication = noPublication();
  readonly #sessionPresent: Uint8Array;
  readonly #open: Uint8Array;
  readonly #pings: MqttPings;
  /** Sent and not acknowledged, by connection; and its last packet id. */
  readonly #outstanding: Uint8Array;
  readonly #packetIds: Uint16Array;
  /** QoS 2 messages that were received and not released: connection * 65,536 + packet id. */
  readonly #unreleased = new Set<number>();

  constructor(events: TransportEvents, share: Share) {
    const connections = connectionsOf(share);
    this.#events = events;
    this.#share = share;
    this.#reader = new FrameReader(connections, acceptOf(this.#key), this);
    this.#sessionPresent = new Uint8Array(connections);
    this.#open = new Uint8Array(connections);
    this.#pings = new MqttPings(connections, share.mqtt.keepAliveSec);
    this.#outstanding = new Uint8Array(connections);
    this.#packetIds = new Uint16Array(connections);
    const { resubscribesPerSec } = share.mqtt;
    if (resubscribesPerSec !== undefined) {
      this.resubscriptions = new Resubscriptions(share, resubscribesPerSec, this);
    }
  }

  opening(connection: number): string {
    const { host, mqttPath } = this.#placeOf(connection).gateway;
    return upgradeRequest(host, mqttPath, this.#key);
  }

  receive(connection: number, bytes: Buffer, end: number): void {
    this.#reader.receive(connection, bytes, end);
    this.#flush(connection);
  }

  forget(connection: number): void {
    this.#reader.forget(connection);
    this.#pings.end(connection);
    this.resubscriptions?.left(connection);
    this.#open[connection] = 0;
    this.#outstanding[connection] = 0;
  }

  /** Sends due pings, ends connections without an answer to the last one, and resubscribes. */
  sweep(): void {
    this.#pings.sweep(this.#ping, this.#unansweredPing);
    this.resubscriptions?.sweep();
  }

  /** Whether `publish` would take a message. */
  canPublish(connection: number): boolean {
    return this.#open[connection] === 1 && this.#outstanding[connection]! < OUTSTANDING_LIMIT;
  }

  outstanding(connection: number): number {
    return this.#outstanding[connection]!;
  }

  publish(connection: number, topic: string, text: string, qos: MqttQos): void {
    let packetId = 0;
    if (qos > 0) {
      packetId = (this.#packetIds[connection]! % (PACKET_IDS - 1)) + 1;
      this.#packetIds[connection] = packetId;
      this.#outstanding[connection] = this.#outstanding[connection]! + 1;
    }
    this.#writer.publish(topic, text, qos, packetId, false);
    this.#flush(connection);
  }

  /** Sends DISCONNECT and nothing after it [MQTT-3.14.4-2]; the server closes the socket. */
  disconnect(connection: number): void {
    this.#reader.stop(connection);
    this.#pings.end(connection);
    this.resubscriptions?.left(connection);
    this.#open[connection] = 0;
    this.#writer.packet(DISCONNECT_PACKET);
    this.#writer.close(NORMAL_CLOSURE);
    this.#flush(connection);
  }

  upgraded(connection: number): void {
    const { cleanSession, keepAliveSec, clientIdPrefix, username, password } = this.#share.mqtt;
    const { role, number } = this.#placeOf(connection);
    const clientId = `${clientIdPrefix}${role === 'subscriber' ? '' : `${role}-`}${number + 1}`;
    const named = (template: string | undefined) =>
      template?.replaceAll('{role}', role).replaceAll('{n}', String(number + 1));
    this.#writer.packet(
      connectPacket({
        clientId,
        cleanSession,
        keepAliveSec,
        username: named(username),
        password: named(password),
      }),
    );
  }

  refused(connection: number, reason: string): void {
    this.#events.refused(connection, reason);
  }

  ended(connection: number, reason: string): void {
    this.#events.ended(connection, reason);
  }

  pinged(_connection: number, payload: Buffer): void {
    this.#writer.pong(payload);
  }

  packet(connection: number, head: number, bytes: Buffer, start: number, end: number): void {
    const type = head >> 4;
    if (type === PUBLISH) {
      this.#published(connection, head, bytes, start, end);
    } else if (type === PINGRESP) {
      this.#pings.answered(connection);
    } else if (end - start < 2) {
      this.#violated(connection, `packet type ${type} of ${end - start} bytes`);
    } else if (type === CONNACK) {
      this.#connected(connection, bytes[start]! & 1, bytes[start + 1]!);
    } else if (type === SUBACK) {
      this.#subscribed(connection, bytes[end - 1]!);
    } else if (type === UNSUBACK) {
      const packetId = readPacketId(bytes, start);
      if (this.resubscriptions?.unsubscribeAcknowledged(connection, packetId) !== true) {
        this.#violated(connection, `UNSUBACK of packet id ${packetId}`);
      }
    } else if (type >= PUBACK && type <= PUBCOMP) {
      this.#acknowledged(connection, type, readPacketId(bytes, start));
    } else {
      this.#violated(connection, `packet type ${type}`);
    }
  }

  send(connection: number, packet: Buffer): void {
    this.#writer.packet(packet);
    this.#flush(connection);
  }

  resubscribing(connection: number): void {
    this.#events.resubscribing(connection);
  }

  resubscribed(connection: number): void {
    this.#events.resubscribed(connection);
  }

  unanswered(connection: number, answer: string): void {
    this.#reader.stop(connection);
    this.#events.ended(connection, `no ${answer}`);
  }

  readonly #ping = (connection: number): void => this.send(connection, PINGREQ_PACKET);

  readonly #unansweredPing = (connection: number): void => this.unanswered(connection, 'PINGRESP');

  #connected(connection: number, sessionPresent: number, returnCode: number): void {
    if (returnCode !== 0) {
      this.#reader.stop(connection);
      this.#events.refused(connection, connectRefusal(returnCode));
      return;
    }
    this.#sessionPresent[connection] = sessionPresent;
    if (sessionPresent === 0) this.#forgetUnreleased(connection);
    const place = this.#placeOf(connection);
    if (place.role === 'device') this.#loggedIn(connection);
    else this.#writer.packet(subscribePacketOf(this.#share, place, SUBSCRIBE_PACKET_ID));
  }

  #subscribed(connection: number, granted: number): void {
    const isLoggedIn = this.#open[connection] === 1;
    if (granted < SUBACK_FAILURE) {
      if (isLoggedIn) this.resubscriptions?.subscribeAcknowledged(connection);
      else this.#loggedIn(connection);
    } else {
      this.#reader.stop(connection);
      if (isLoggedIn) this.#events.ended(connection, 'SUBACK 0x80');
      else this.#events.refused(connection, 'SUBACK 0x80');
    }
  }

  #loggedIn(connection: number): void {
    if (this.#open[connection] === 1) return;
    this.#open[connection] = 1;
    const missesNothing = this.resubscriptions?.loggedIn(connection) ?? true;
    this.#pings.begin(connection);
    const place = this.#placeOf(connection);
    const queues = place.role === 'device' || subscribedQosOf(this.#share, place) > 0;
    this.#events.loggedIn(connection, queues && missesNothing && this.#sessionPresent[connection] === 1);
  }

  #published(connection: number, head: number, bytes: Buffer, start: number, end: number): void {
    const publication = this.#publication;
    if (!parsePublish(head, bytes, start, end, publication)) {
      this.#violated(connection, 'a malformed PUBLISH');
      return;
    }
    const { qos, packetId } = publication;
    if (qos === 1) {
      this.#writer.acknowledge(PUBACK_HEAD, packetId);
    } else if (qos === 2) {
      this.#writer.acknowledge(PUBREC_HEAD, packetId);
      // Only a message that was not released may be sent again: another packet id means another message.
      const unreleased = connection * PACKET_IDS + packetId;
      publication.dup &&= this.#unreleased.has(unreleased);
      this.#unreleased.add(unreleased);
    }
    const { dup, payloadStart } = publication;
    if (this.resubscriptions?.refuses(connection, dup, bytes, payloadStart, end)) return;
    this.#events.message(connection, bytes, payloadStart, end, publication);
  }

  #acknowledged(connection: number, type: number, packetId: number): void {
    if (type === PUBREL) {
      this.#unreleased.delete(connection * PACKET_IDS + packetId);
      this.#writer.acknowledge(PUBCOMP_HEAD, packetId);
    } else if (type === PUBREC) {
      this.#writer.acknowledge(PUBREL_HEAD, packetId);
    } else if (this.#outstanding[connection]! > 0) {
      this.#outstanding[connection] = this.#outstanding[connection]! - 1;
    }
  }

  #violated(connection: number, what: string): void {
    this.#reader.stop(connection);
    this.#events.ended(connection, `protocol error: ${what}`);
  }

  #flush(connection: number): void {
    if (this.#writer.length > 0) this.#events.write(connection, this.#writer.take());
  }

  #forgetUnreleased(connection: number): void {
    if (this.#unreleased.size === 0) return;
    for (const unreleased of this.#unreleased) {
      if (Math.floor(unreleased / PACKET_IDS) === connection) this.#unreleased.delete(unreleased);
    }
  }

  #placeOf(connection: number): Assignment {
    return assignmentOf(this.#share, numberOf(this.#share, connection));
  }
}
