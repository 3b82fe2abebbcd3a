import {
  type Delivery,
  type DeliveryOptions,
  type InflightEntry,
  keptTerms,
  type Message,
  type Qos,
  type Router,
  Message as RouterMessage,
  retainSet,
  type Session,
  type SessionConnection,
  type Sessions,
} from '../../router/index.js';
import type { SeededRandom } from '../seeded-random.js';
import { textOf } from './inbox.js';

type Packet =
  | { type: 'publish'; packetId: number; topic: string; text: string; qos: Qos; dup: boolean }
  | { type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'; packetId: number };

/**
 * An MQTT client with a session of its own, and the wire between it and the broker: two queues of packets that are
 * worked off one by one, in either order, and lose what is in them when the connection drops. Plays by the standard as
 * a receiver and as a sender, and notes every breach that it sees as `problem`.
 */
export class SimulatedClient {
  readonly clientId: string;
  problem: string | undefined;
  /** Messages at QoS 1 and 2 that were handed to the application, doubled ones at QoS 1 included. */
  readonly received: { topic: string; text: string; qos: Qos; dup: boolean }[] = [];
  readonly #router: Router;
  #sessions: Sessions;
  readonly #random: SeededRandom;
  readonly #maxInflight: number;
  #session: Session | undefined;
  #toClient: Packet[] = [];
  #toBroker: Packet[] = [];
  /** As a receiver: QoS 2 packet ids that it has and has had no PUBREL for. Outlives connections. */
  readonly #held = new Set<number>();
  /** As a sender: what it has not got the last acknowledgement for, in order. Outlives connections. */
  readonly #outgoing = new Map<number, { topic: string; text: string; qos: 1 | 2; released: boolean }>();
  #lastPacketId = 0;
  /** Messages of the broker without a final acknowledgement, by packet id. */
  readonly #inflight = new Map<number, InflightEntry>();
  /** Its session is on its way between two nodes: it cannot connect. */
  moving = false;

  constructor(clientId: string, router: Router, sessions: Sessions, random: SeededRandom) {
    this.clientId = clientId;
    this.#router = router;
    this.#sessions = sessions;
    this.#random = random;
    this.#maxInflight = sessions.limits.maxInflight;
  }

  get connected(): boolean {
    return this.#session !== undefined;
  }

  /** Nothing is on the wire in either direction. */
  get quiet(): boolean {
    return this.#toClient.length + this.#toBroker.length + this.#outgoing.size === 0;
  }

  /** Where its session is. */
  get sessions(): Sessions {
    return this.#sessions;
  }

  /** From now on it connects to another node, which has its session. Entries are other objects there. */
  goTo(sessions: Sessions, inflight: readonly InflightEntry[]): void {
    this.#sessions = sessions;
    for (const entry of inflight)
      if (this.#inflight.has(entry.packetId)) this.#inflight.set(entry.packetId, entry);
  }

  connect(): Session {
    this.#toClient = [];
    this.#toBroker = [];
    const { session } = this.#sessions.open(this.clientId, keptTerms, this.#connection());
    this.#session = session;
    session.resume();
    // As a sender it repeats what it has no answer for, in order [MQTT-4.4.0-1].
    for (const [packetId, { topic, text, qos, released }] of this.#outgoing) {
      this.#toBroker.push(
        released ? { type: 'pubrel', packetId } : { type: 'publish', packetId, topic, text, qos, dup: true },
      );
    }
    return session;
  }

  drop(): void {
    const session = this.#session;
    this.#session = undefined;
    if (session !== undefined) this.#sessions.detach(session);
    this.#toClient = [];
    this.#toBroker = [];
  }

  /** The application publishes; while it is away, or has much on its way already, it does not. */
  publish(topic: string, text: string, qos: 1 | 2): boolean {
    if (!this.connected || this.#outgoing.size >= 20) return false;
    const packetId = this.#nextPacketId();
    this.#outgoing.set(packetId, { topic, text, qos, released: false });
    this.#toBroker.push({ type: 'publish', packetId, topic, text, qos, dup: false });
    return true;
  }

  /** One packet arrives, at the one side or the other. */
  step(): void {
    const up = this.#random.chance(0.5) ? this.#toBroker.length > 0 : this.#toClient.length === 0;
    if (up) this.#atBroker(this.#toBroker.shift());
    else this.#atClient(this.#toClient.shift());
  }

  #atClient(packet: Packet | undefined): void {
    if (packet === undefined) return;
    const { packetId } = packet;
    switch (packet.type) {
      case 'publish':
        return this.#receive(packet);
      case 'puback':
        if (this.#outgoing.get(packetId)?.qos === 1) this.#outgoing.delete(packetId);
        return;
      case 'pubrec': {
        const outgoing = this.#outgoing.get(packetId);
        if (outgoing !== undefined) outgoing.released = true;
        this.#toBroker.push({ type: 'pubrel', packetId });
        return;
      }
      case 'pubrel':
        this.#held.delete(packetId);
        this.#toBroker.push({ type: 'pubcomp', packetId });
        return;
      case 'pubcomp':
        if (this.#outgoing.get(packetId)?.released) this.#outgoing.delete(packetId);
    }
  }

  #receive({ packetId, topic, text, qos, dup }: Packet & { type: 'publish' }): void {
    if (qos === 2) {
      if (!this.#held.has(packetId)) this.received.push({ topic, text, qos, dup });
      this.#held.add(packetId);
      this.#toBroker.push({ type: 'pubrec', packetId });
      return;
    }
    this.received.push({ topic, text, qos, dup });
    if (qos === 1) this.#toBroker.push({ type: 'puback', packetId });
  }

  #atBroker(packet: Packet | undefined): void {
    const session = this.#session;
    if (packet === undefined || session === undefined) return;
    const { packetId } = packet;
    switch (packet.type) {
      case 'publish':
        return this.#take(session, packet);
      case 'puback':
        // Before the call: it may lead to the next message under this very packet id.
        if (this.#inflight.get(packetId)?.qos === 1) this.#inflight.delete(packetId);
        session.acknowledge(packetId);
        return;
      case 'pubrec':
        if (session.received(packetId)) this.#toClient.push({ type: 'pubrel', packetId });
        return;
      case 'pubrel':
        session.release(packetId);
        this.#toClient.push({ type: 'pubcomp', packetId });
        return;
      case 'pubcomp':
        if (this.#inflight.get(packetId)?.message === undefined) this.#inflight.delete(packetId);
        session.completed(packetId);
    }
  }

  #take(session: Session, { packetId, topic, text, qos }: Packet & { type: 'publish' }): void {
    const isNew = qos === 1 || session.noteIncoming(packetId) === 'new';
    if (isNew) this.#router.publish(new RouterMessage(topic, Buffer.from(text), 0, qos));
    if (this.connected) this.#toClient.push({ type: qos === 1 ? 'puback' : 'pubrec', packetId });
  }

  #connection(): SessionConnection {
    const connection: SessionConnection = {
      congested: false,
      sendQos0: (message, options) => this.#sendQos0(connection, message, options),
      sendInflight: (entry) => this.#sendInflight(connection, entry),
      sendPubrel: (packetId) => {
        this.#check(connection, packetId);
        this.#toClient.push({ type: 'pubrel', packetId });
        this.#maybeCut();
      },
      takenOver: () => this.drop(),
    };
    return connection;
  }

  #sendQos0(connection: SessionConnection, message: Message, options: DeliveryOptions): Delivery {
    this.#check(connection, 1);
    if ((options & retainSet) !== 0) this.problem = 'retained, though nobody has asked for that';
    this.#toClient.push({
      type: 'publish',
      packetId: 0,
      topic: message.id,
      text: textOf(message),
      qos: 0,
      dup: false,
    });
    return 'sent';
  }

  #sendInflight(connection: SessionConnection, entry: InflightEntry): void {
    const { packetId, qos, dup } = entry;
    const message = entry.message!;
    this.#check(connection, packetId);
    const before = this.#inflight.get(packetId);
    if (before !== undefined && before !== entry) this.problem = `packet id ${packetId} is in use`;
    if ((before !== undefined) !== dup) this.problem = `packet ${packetId}: DUP is ${dup}`;
    this.#inflight.set(packetId, entry);
    if (this.#inflight.size > this.#maxInflight) this.problem = `${this.#inflight.size} in flight`;
    this.#toClient.push({ type: 'publish', packetId, topic: message.id, text: textOf(message), qos, dup });
    this.#maybeCut();
  }

  #check(connection: SessionConnection, packetId: number): void {
    if (packetId < 1 || packetId > 65_535) this.problem = `packet id ${packetId}`;
    const attached = this.#sessions.find(this.clientId)?.connection;
    if (attached !== connection) this.problem = 'written to a connection that has gone';
  }

  /** A slow consumer is cut by what is written to it, in the middle of whatever the session is doing. */
  #maybeCut(): void {
    if (this.#random.chance(0.01)) this.drop();
  }

  #nextPacketId(): number {
    do this.#lastPacketId = (this.#lastPacketId % 65_535) + 1;
    while (this.#outgoing.has(this.#lastPacketId));
    return this.#lastPacketId;
  }
}
