import type { Publication as PublishPacket } from '../../conformance/mqtt-3.1.1/received-packet.js';
import type { Publication } from './publication.js';
import { Subscriptions } from './subscriptions.js';

/** A message at QoS 1 or 2 that has come under a packet id. */
interface LoadedId {
  publication: Publication;
  qos: number;
  /** On which of the session's connections it came last. */
  connection: number;
  /** Rises with each message that is new. */
  position: number;
  /** Our acknowledgement: none, PUBACK or PUBREC; `released` after PUBREL. */
  state: 'new' | 'acknowledged' | 'released';
}

export interface InboxLimits {
  /** The server sends again what stays unacknowledged for long. */
  repeatsWhileConnected: boolean;
  maxInflight: number;
}

/**
 * The receiving side of one session, from its first CONNECT until it is discarded: says what of that which comes must
 * not be, and what is still missing.
 */
export class Inbox {
  readonly subscriptions = new Subscriptions();
  readonly #limits: InboxLimits;
  readonly #held = new Map<number, LoadedId>();
  readonly #copies = new Map<Publication, number>();
  /** Publisher, topic and QoS -> its last message. */
  readonly #lastSeq = new Map<string, number>();
  /** Packet ids that PUBREC has been sent for. */
  readonly #received = new Set<number>();
  #connection = 0;
  #position = 0;
  #repeated = 0;

  constructor(limits: InboxLimits) {
    this.#limits = limits;
  }

  /** A connection has this session from now on. */
  beginConnection(): void {
    this.#connection++;
    this.#repeated = 0;
  }

  /** @returns what is wrong with it */
  publish(packet: PublishPacket, publication: Publication): string | undefined {
    const { topic, qos, retain } = packet;
    if (topic !== publication.topic) return `came with the topic ${topic}`;
    if (retain) return 'came with RETAIN';
    const { lowest, highest } = this.subscriptions.dueAt(publication);
    if (highest < 0) return 'came, and nothing subscribed to matches';
    if (qos < lowest || qos > highest) return `came at QoS ${qos}, not ${lowest} to ${highest}`;
    if (qos === 0) return this.#fresh(packet, publication);
    const held = this.#held.get(packet.id);
    if (held !== undefined && held.publication === publication && packet.dup) return this.#repeat(held, qos);
    if (held !== undefined && !isOver(held))
      return `came under packet id ${packet.id}, which is still in use`;
    if (packet.dup && this.#connection === 1 && !this.#limits.repeatsWhileConnected)
      return 'came with DUP, though it cannot have been sent before';
    const position = ++this.#position;
    this.#held.set(packet.id, { publication, qos, connection: this.#connection, position, state: 'new' });
    return this.#tooMany() ?? this.#fresh(packet, publication);
  }

  /** PUBACK or PUBREC is sent. */
  acknowledge(id: number, qos: number): void {
    const held = this.#held.get(id);
    if (held !== undefined && held.state === 'new') held.state = 'acknowledged';
    if (qos === 2) this.#received.add(id);
  }

  /** @returns what is wrong with it */
  pubrel(id: number): string | undefined {
    if (!this.#received.has(id)) return `PUBREL ${id}, for which no PUBREC was sent`;
    const held = this.#held.get(id);
    if (held?.qos === 2) held.state = 'released';
    return undefined;
  }

  /** Whether all that has come is worked off on both sides, as far as it shows here. */
  get settled(): boolean {
    return [...this.#held.values()].every(isOver);
  }

  /** Sentences about what has come and was not repeated to the end. */
  unsettled(): string[] {
    const open = [...this.#held].filter(([, held]) => !isOver(held));
    return open.map(
      ([id, { publication, qos }]) => `${publication.text} (packet id ${id}, QoS ${qos}) was not repeated`,
    );
  }

  /** Whether it must have come and has not. */
  misses(publication: Publication): boolean {
    if (!publication.acknowledged || this.#copies.has(publication)) return false;
    return this.subscriptions.dueAt(publication).lowest >= 1;
  }

  /** All that was published before is through: packet ids may be used for anything now. */
  settle(now: number): void {
    this.subscriptions.settle(now);
    this.#copies.clear();
    this.#held.clear();
  }

  #tooMany(): string | undefined {
    let open = 0;
    for (const held of this.#held.values()) if (!isOver(held)) open++;
    const { maxInflight } = this.#limits;
    return open > maxInflight
      ? `is number ${open} without an answer, past the window of ${maxInflight}`
      : undefined;
  }

  #repeat(held: LoadedId, qos: number): string | undefined {
    if (qos !== held.qos) return `was repeated at QoS ${qos} instead of ${held.qos}`;
    if (held.state === 'released') return 'was repeated after its PUBREL';
    if (held.connection === this.#connection) {
      return this.#limits.repeatsWhileConnected ? undefined : 'was repeated on one connection';
    }
    if (held.position < this.#repeated) return 'was repeated out of order';
    held.connection = this.#connection;
    this.#repeated = held.position;
    held.state = 'new';
    return undefined;
  }

  #fresh({ qos }: PublishPacket, publication: Publication): string | undefined {
    const copies = (this.#copies.get(publication) ?? 0) + 1;
    this.#copies.set(publication, copies);
    if (copies > publication.copiesMax)
      return `came ${copies} times, though it was published ${publication.copiesMax} times`;
    if (copies > 1) return undefined;
    const flow = `${publication.publisher} ${publication.topic} ${qos}`;
    const last = this.#lastSeq.get(flow) ?? 0;
    if (publication.seq < last && this.#isSecondTry(publication)) return undefined;
    if (publication.seq < last)
      return `came after ${publication.publisher}:${last} of the same topic at QoS ${qos}`;
    this.#lastSeq.set(flow, publication.seq);
    return undefined;
  }

  /** The publisher has sent it again, later, and what came of its first try may not have been for this session. */
  #isSecondTry(publication: Publication): boolean {
    return publication.copiesMax > 1 && this.subscriptions.dueAt(publication).lowest < 1;
  }
}

function isOver({ qos, state }: LoadedId): boolean {
  return qos === 1 ? state === 'acknowledged' : state === 'released';
}
