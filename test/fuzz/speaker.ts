import * as bytes from '../conformance/mqtt-3.1.1/packet-bytes.js';
import type { SeededRandom } from '../seeded-random.js';
import { randomBytes } from './framing.js';

/** One right packet, and the answer that it must get; undefined where none is due. */
export interface Spoken {
  packet: Buffer;
  reply?: string;
}

/** Few, so that connections meet and what is retained stays little. */
const topicGroups = 64;
const sharedClientIds = 20;

const payloadSizes = [0, 1, 5, 5, 20, 20, 20, 60, 120, 200, 1000];

/** A client that knows MQTT: makes right packets, and says what must be answered. */
export class Speaker {
  readonly #random: SeededRandom;
  readonly #topic: string;
  readonly #number: number;
  /** QoS 2 packet ids that are still to be released. */
  #unreleased: number[] = [];
  /** Messages of the server at QoS 1 and 2, and their acknowledgements. */
  readonly owed: Spoken[] = [];

  constructor(random: SeededRandom, connectionNumber: number) {
    this.#random = random;
    this.#number = connectionNumber;
    this.#topic = `f/${random.below(topicGroups)}`;
  }

  connect(): Spoken {
    const random = this.#random;
    const clean = random.chance(0.85);
    const old = random.chance(0.1);
    const clientId = this.#clientId(clean && !old); // MQTT 3.1 knows no empty ones
    const packet = bytes.connect({
      clientId,
      clean,
      keepAliveSec: random.pick([0, 0, 60, 300, 65_535]),
      ...(old && { protocolName: 'MQIsdp', protocolLevel: 3 }),
      ...(random.chance(0.2) && {
        will: {
          topic: this.#anyTopic(),
          payload: this.#payload(),
          qos: random.below(3),
          retain: random.chance(0.1),
        },
      }),
      ...(random.chance(0.2) && {
        userName: 'user',
        ...(random.chance(0.5) && { password: randomBytes(random, random.below(40)) }),
      }),
    });
    return { packet, reply: 'CONNACK 0' };
  }

  /** Any packet that a client may send once it is connected, but DISCONNECT. */
  next(): Spoken {
    const random = this.#random;
    const kind = random.below(100);
    if (kind < 45) return this.#publish();
    if (kind < 58) return this.#subscribe();
    if (kind < 66) return this.#unsubscribe();
    if (kind < 74) return { packet: bytes.pingreq(), reply: 'PINGRESP' };
    if (kind < 88) return this.#release();
    // Of nothing: an id that the server has not come to. One that is in use may be of a message at QoS 2, and would be wrong.
    return this.owed.shift() ?? { packet: bytes.puback(50_000 + random.below(10_000)) };
  }

  conversation(packets: number): Spoken[] {
    return Array.from({ length: packets }, () => this.next());
  }

  #clientId(mayBeEmpty: boolean): string {
    const random = this.#random;
    if (random.chance(0.05)) return `shared${random.below(sharedClientIds)}`;
    return mayBeEmpty && random.chance(0.2) ? '' : `f${this.#number}`;
  }

  #publish(): Spoken {
    const random = this.#random;
    const qos = random.below(3);
    const id = this.#packetId();
    const packet = bytes.publish(this.#anyTopic(), this.#payload(), {
      qos,
      retain: random.chance(0.04),
      ...(qos > 0 && { id, dup: random.chance(0.1) }),
    });
    if (qos === 0) return { packet };
    if (qos === 2) this.#unreleased.push(id);
    return { packet, reply: `${qos === 1 ? 'PUBACK' : 'PUBREC'} ${id}` };
  }

  #release(): Spoken {
    const id = this.#unreleased.shift() ?? this.#packetId();
    return { packet: bytes.pubrel(id), reply: `PUBCOMP ${id}` };
  }

  #subscribe(): Spoken {
    const random = this.#random;
    const id = this.#packetId();
    const filters = Array.from({ length: 1 + random.below(3) }, (): [string, number] => [
      this.#filter(),
      random.below(3),
    ]);
    return { packet: bytes.subscribe(id, ...filters), reply: `SUBACK ${id} ${filters.length}` };
  }

  #unsubscribe(): Spoken {
    const id = this.#packetId();
    return { packet: bytes.unsubscribe(id, this.#filter()), reply: `UNSUBACK ${id}` };
  }

  #anyTopic(): string {
    const random = this.#random;
    if (random.chance(0.02)) return `f/${random.below(topicGroups)}/${'é☄/'.repeat(1 + random.below(20))}`;
    return random.chance(0.05) ? `$f/${random.below(4)}` : `${this.#topic}/${random.below(3)}`;
  }

  #filter(): string {
    const random = this.#random;
    if (random.chance(0.001)) return random.pick(['#', '+/#', '+/+/+']);
    return random.pick([
      `${this.#topic}/0`,
      `${this.#topic}/1`,
      `${this.#topic}/+`,
      `${this.#topic}/#`,
      `+/${this.#topic.slice(2)}/2`,
      `$f/${random.below(4)}`,
      `nobody/${random.below(50)}/+/here`,
    ]);
  }

  #payload(): Buffer {
    const random = this.#random;
    if (random.chance(0.001)) return randomBytes(random, random.below(65_000));
    return randomBytes(random, random.pick(payloadSizes));
  }

  #packetId(): number {
    return 1 + (this.#random.chance(0.5) ? this.#random.below(20) : this.#random.below(0xffff));
  }
}
