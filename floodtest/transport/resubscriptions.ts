/**
 * Subscribers of one process that unsubscribe, in turn and at a rate, and subscribe again a second later:
 *
 *     absent --> subscribed --UNSUBSCRIBE--> unsubscribing --UNSUBACK--> unsubscribed
 *                subscribed <----SUBACK----- subscribing <--SUBSCRIBE--- unsubscribed
 *
 * An absent connection may have left while it was unsubscribed: its session keeps that.
 */
import { unsubscribePacket } from '../../msggen/mqtt/packets.js';
import { Schedule } from '../../msggen/schedule.js';
import { nowUs, readStamp, type Stamp } from '../../msggen/stamp.js';
import { assignmentOf, connectionsOf, numberOf, type Share } from '../plan.js';
import { filterOf, subscribePacketOf } from './subscription.js';

/** From UNSUBACK to the next SUBSCRIBE. */
const UNSUBSCRIBED_US = 1_000_000;
/** The first SUBSCRIBE of a connection has packet id 1. Subscribers do not publish, so no other ids are in use. */
const UNSUBSCRIBE_PACKET_ID = 2;
const RESUBSCRIBE_PACKET_ID = 3;

const ABSENT = 0;
const SUBSCRIBED = 1;
const UNSUBSCRIBING = 2;
const UNSUBSCRIBED = 3;
const SUBSCRIBING = 4;
const ABSENT_UNSUBSCRIBED = 5;

export interface ResubscriptionEvents {
  send(connection: number, packet: Buffer): void;
  /** SUBSCRIBE is about to be sent: from now on messages may arrive. */
  resubscribing(connection: number): void;
  resubscribed(connection: number): void;
  /** `answer` did not arrive in time. */
  unanswered(connection: number, answer: 'UNSUBACK' | 'SUBACK'): void;
}

export class Resubscriptions {
  /** UNSUBACKs, and SUBACKs after them. */
  unsubscribed = 0;
  resubscribed = 0;
  /** Messages published after UNSUBACK that arrived before the next SUBSCRIBE. */
  receivedUnsubscribed = 0;
  readonly #share: Share;
  readonly #events: ResubscriptionEvents;
  readonly #states: Uint8Array;
  /** The subscribers of this process have connections in a row. */
  readonly #first: number;
  readonly #count: number;
  readonly #schedule: Schedule;
  readonly #startMs = performance.now();
  /** Times of the next SUBSCRIBE, and deadlines of answers, both in the order of time. */
  readonly #returnsUs = new Map<number, number>();
  readonly #deadlinesMs = new Map<number, number>();
  readonly #stamp: Stamp = { publisher: 0, seq: 0, dueAtUs: 0 };
  #due = 0;
  /** Index of the next connection to unsubscribe, from `#first`. */
  #turn = 0;
  #stopped = false;

  constructor(share: Share, ratePerSec: number, events: ResubscriptionEvents) {
    const connections = connectionsOf(share);
    const roleOf = (connection: number) => assignmentOf(share, numberOf(share, connection)).role;
    let first = 0;
    while (first < connections && roleOf(first) === 'everything') first++;
    let end = first;
    while (end < connections && roleOf(end) === 'subscriber') end++;
    const everything = share.mqtt.everything === undefined ? 0 : share.gateways.length;
    const subscribers = share.connections - everything - (share.mqtt.devices?.count ?? 0);
    this.#share = share;
    this.#events = events;
    this.#states = new Uint8Array(connections);
    this.#first = first;
    this.#count = end - first;
    const rateHere = (ratePerSec * this.#count) / subscribers;
    this.#schedule = new Schedule(rateHere, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
  }

  /** Sends what is due. If no connection can unsubscribe, its turn is skipped. */
  sweep(): void {
    const nowMs = performance.now();
    for (const [connection, atMs] of this.#deadlinesMs) {
      if (atMs > nowMs) break;
      this.#deadlinesMs.delete(connection);
      const answer = this.#states[connection] === SUBSCRIBING ? 'SUBACK' : 'UNSUBACK';
      this.#events.unanswered(connection, answer);
    }
    for (const [connection, atUs] of this.#returnsUs) {
      if (atUs > nowUs()) break;
      this.#returnsUs.delete(connection);
      this.#subscribe(connection);
    }
    const due = this.#count === 0 || this.#stopped ? 0 : this.#schedule.dueBy(nowMs - this.#startMs);
    for (let begun = this.#due; begun < due && this.#unsubscribeNext(); begun++);
    this.#due = due;
  }

  /** Stops unsubscribing. Connections that have unsubscribed subscribe again. */
  stop(): void {
    this.#stopped = true;
  }

  /** @returns true if the connection left while it was subscribed, or is new */
  loggedIn(connection: number): boolean {
    const missesNothing = this.#states[connection] !== ABSENT_UNSUBSCRIBED;
    this.#states[connection] = SUBSCRIBED;
    return missesNothing;
  }

  /** The connection has disconnected, or its socket is gone. */
  left(connection: number): void {
    const wasWhole = this.#states[connection]! <= SUBSCRIBED;
    this.#states[connection] = wasWhole ? ABSENT : ABSENT_UNSUBSCRIBED;
    this.#returnsUs.delete(connection);
    this.#deadlinesMs.delete(connection);
  }

  /** UNSUBACK. @returns whether it was expected */
  unsubscribeAcknowledged(connection: number, packetId: number): boolean {
    if (this.#states[connection] !== UNSUBSCRIBING || packetId !== UNSUBSCRIBE_PACKET_ID) return false;
    this.#states[connection] = UNSUBSCRIBED;
    this.#deadlinesMs.delete(connection);
    this.#returnsUs.set(connection, nowUs() + UNSUBSCRIBED_US);
    this.unsubscribed++;
    return true;
  }

  /** SUBACK to a connection that is logged in. */
  subscribeAcknowledged(connection: number): void {
    if (this.#states[connection] !== SUBSCRIBING) return;
    this.#states[connection] = SUBSCRIBED;
    this.#deadlinesMs.delete(connection);
    this.resubscribed++;
    this.#events.resubscribed(connection);
  }

  /**
   * Whether a PUBLISH with this text must not arrive now. A message that was sent before may be sent again
   * [MQTT-3.10.4-3]. So may a message that the server had buffered (3.10.4): one that was due before UNSUBACK.
   */
  refuses(connection: number, dup: boolean, bytes: Buffer, start: number, end: number): boolean {
    if (this.#states[connection] !== UNSUBSCRIBED || dup) return false;
    const acknowledgedUs = this.#returnsUs.get(connection)! - UNSUBSCRIBED_US;
    if (readStamp(bytes, start, end, this.#stamp) && this.#stamp.dueAtUs <= acknowledgedUs) return false;
    this.receivedUnsubscribed++;
    return true;
  }

  /** Between UNSUBSCRIBE and the next SUBACK, when it is unknown which messages the connection must receive. */
  isAway(connection: number): boolean {
    const state = this.#states[connection]!;
    return state >= UNSUBSCRIBING && state <= SUBSCRIBING;
  }

  #unsubscribeNext(): boolean {
    for (let tried = 0; tried < this.#count; tried++) {
      const connection = this.#first + this.#turn;
      this.#turn = (this.#turn + 1) % this.#count;
      if (this.#states[connection] !== SUBSCRIBED) continue;
      this.#states[connection] = UNSUBSCRIBING;
      this.#awaitAnswer(connection);
      const filter = filterOf(this.#share, this.#placeOf(connection));
      this.#events.send(connection, unsubscribePacket(UNSUBSCRIBE_PACKET_ID, filter));
      return true;
    }
    return false;
  }

  #subscribe(connection: number): void {
    this.#states[connection] = SUBSCRIBING;
    this.#awaitAnswer(connection);
    this.#events.resubscribing(connection);
    const place = this.#placeOf(connection);
    this.#events.send(connection, subscribePacketOf(this.#share, place, RESUBSCRIBE_PACKET_ID));
  }

  #awaitAnswer(connection: number): void {
    this.#deadlinesMs.set(connection, performance.now() + this.#share.answerTimeoutMs);
  }

  #placeOf(connection: number) {
    return assignmentOf(this.#share, numberOf(this.#share, connection));
  }
}
