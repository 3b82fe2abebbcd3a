import * as bytes from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { Publication as PublishPacket, Received } from '../../conformance/mqtt-3.1.1/received-packet.js';
import { Inbox } from './inbox.js';
import { Outbox } from './outbox.js';
import { RawClient } from './raw-client.js';
import type { SubscriptionChange } from './subscriptions.js';
import { filters, type World } from './world.js';

/** Lines of what a client has done last, for the report of a fault. */
const traceLines = 30;

/** Packets for the server, in order. */
type Owed = { type: 'PUBACK' | 'PUBREC' | 'PUBCOMP'; id: number };

/** One client id: its session as a client that keeps to the standard has it, whatever becomes of its connections. */
export class ModelClient {
  readonly clientId: string;
  state: 'away' | 'connecting' | 'connected' = 'away';
  /** Says its acknowledgements at once, now and then, or not until it is asked to be calm. */
  manner: 'prompt' | 'slow' | 'mute' = 'prompt';
  inbox: Inbox;
  readonly outbox = new Outbox();
  readonly #world: World;
  readonly #trace: string[] = [];
  #raw: RawClient | undefined;
  /** The server must know a session of ours that outlives its connection. */
  #kept = false;
  #clean = false;
  readonly #owed: Owed[] = [];
  readonly #asked = new Map<number, { change: SubscriptionChange; type: 'SUBACK' | 'UNSUBACK' }>();
  #lastAsked = 2000;
  #pings = 0;

  constructor(clientId: string, world: World) {
    this.clientId = clientId;
    this.#world = world;
    this.inbox = new Inbox(world.limits);
  }

  /** With a session here or not; the connection it has loses it. */
  connect(clean: boolean): void {
    const world = this.#world;
    world.counts.connects++;
    if (this.#raw !== undefined) world.counts.takeovers++;
    this.#forget();
    this.#clean = clean;
    this.state = 'connecting';
    this.#note(`CONNECT clean=${clean}`);
    const raw = new RawClient(world.port, world.random, {
      onPacket: (packet) => this.#read(packet),
      onClosed: (why) => {
        if (this.#raw === raw) this.#fault(`the server closed the connection: ${why}`);
      },
    });
    this.#raw = raw;
    raw.send(bytes.connect({ clientId: this.clientId, clean }));
  }

  drop(way: 'reset' | 'end'): void {
    this.#world.counts.drops++;
    this.#note(`drop by ${way}`);
    this.#raw?.drop(way);
    this.#away();
  }

  disconnect(): void {
    this.#note('DISCONNECT');
    this.#raw?.send(bytes.disconnect());
    this.#raw?.drop('end');
    this.#away();
  }

  publish(): void {
    const publication = this.#world.publication(this.clientId);
    this.#send(this.outbox.publish(publication));
    this.#note(`PUBLISH ${publication.text} ${publication.topic} QoS ${publication.qos}`);
  }

  /** @param granted -1 unsubscribes */
  subscribe(filter: string, granted: number): void {
    const id = ++this.#lastAsked;
    const change = this.inbox.subscriptions.add(filter, granted, this.#world.now());
    this.#asked.set(id, { change, type: granted < 0 ? 'UNSUBACK' : 'SUBACK' });
    this.#note(granted < 0 ? `UNSUBSCRIBE ${filter}` : `SUBSCRIBE ${filter} QoS ${granted}`);
    this.#send(granted < 0 ? bytes.unsubscribe(id, filter) : bytes.subscribe(id, [filter, granted]));
  }

  subscribeToAny(): void {
    const { random } = this.#world;
    this.subscribe(random.pick(filters), random.chance(0.3) ? -1 : random.below(3));
  }

  /** Says up to so many of the acknowledgements that are due, in their order [MQTT-4.6.0-2 to -4]. */
  acknowledge(count: number): void {
    for (const { type, id } of this.#owed.splice(0, count)) {
      this.#note(`${type} ${id}`);
      if (type === 'PUBACK') this.#send(bytes.puback(id));
      else this.#send(type === 'PUBREC' ? bytes.pubrec(id) : bytes.pubcomp(id));
      if (type !== 'PUBCOMP') this.inbox.acknowledge(id, type === 'PUBACK' ? 1 : 2);
    }
    for (let left = count; left > 0; left--) {
      const pubrel = this.outbox.release();
      if (pubrel === undefined) return;
      this.#send(pubrel);
    }
  }

  ping(): void {
    this.#pings++;
    this.#send(bytes.pingreq());
  }

  /** Everything it has asked for has been answered, and it owes nothing. */
  get quiet(): boolean {
    const idle = this.outbox.size === 0 && this.#owed.length === 0;
    return this.state === 'connected' && idle && this.#asked.size === 0 && this.#pings === 0;
  }

  fault(text: string): void {
    this.#fault(text);
  }

  #read(packet: Received): void {
    switch (packet.type) {
      case 'CONNACK':
        return this.#connected(packet.sessionPresent, packet.returnCode);
      case 'PUBLISH':
        return this.#receive(packet);
      case 'PUBREL':
        this.#note(`<- PUBREL ${packet.id}`);
        this.#check(this.inbox.pubrel(packet.id));
        return this.#owe({ type: 'PUBCOMP', id: packet.id });
      case 'PINGRESP':
        this.#pings--;
        return;
      case 'SUBACK':
        return this.#answered(packet.id, 'SUBACK', packet.returnCodes.join());
      case 'UNSUBACK':
        return this.#answered(packet.id, 'UNSUBACK', '-1');
      default:
        this.#note(`<- ${packet.type} ${packet.id}`);
        this.#check(this.outbox.answer(packet.type, packet.id, this.#world.now()));
        if (this.manner === 'prompt') this.acknowledge(1);
    }
  }

  #connected(present: boolean, returnCode: number): void {
    this.#note(`<- CONNACK ${returnCode}, session present ${present}`);
    const expected = this.#kept && !this.#clean;
    if (returnCode !== 0 || present !== expected)
      this.#fault(`CONNACK ${returnCode}, session present ${present}`);
    const now = this.#world.now();
    if (!expected) {
      this.outbox.discard(now);
      this.inbox = new Inbox(this.#world.limits);
    }
    this.outbox.settle(now);
    this.#kept = !this.#clean;
    this.state = 'connected';
    this.inbox.beginConnection();
    const repeated = this.outbox.repeat();
    this.#world.counts.repeated += repeated.length;
    if (repeated.length > 0) this.#send(...repeated);
  }

  #receive(packet: PublishPacket): void {
    this.#world.counts.received++;
    const { payload, topic, qos, dup, id } = packet;
    this.#note(`<- PUBLISH ${payload} ${topic} QoS ${qos}${dup ? ' DUP' : ''} packet id ${id}`);
    const publication = this.#world.publications.get(payload);
    if (publication === undefined) this.#fault(`${payload} came, which is nobody's or through since long`);
    else this.#check(this.inbox.publish(packet, publication), payload);
    if (qos > 0) this.#owe({ type: qos === 1 ? 'PUBACK' : 'PUBREC', id });
  }

  #owe(owed: Owed): void {
    this.#owed.push(owed);
    if (this.manner === 'prompt') this.acknowledge(this.#owed.length);
  }

  #answered(id: number, type: string, granted: string): void {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    this.#note(`<- ${type} ${granted}`);
    if (asked === undefined || asked.type !== type || String(asked.change.granted) !== granted)
      this.#fault(`${type} ${id} ${granted}, which nobody asked for`);
    else asked.change.ackedAt = this.#world.now();
  }

  /** The connection is nobody's from now on. */
  #forget(): void {
    const raw = this.#raw;
    this.#raw = undefined;
    if (raw !== undefined) raw.deaf = true;
    this.#owed.length = 0;
    this.#asked.clear();
    this.#pings = 0;
  }

  #away(): void {
    this.#forget();
    this.state = 'away';
  }

  #send(...packets: Buffer[]): void {
    this.#raw!.send(...packets);
  }

  #check(wrong: string | undefined, what = ''): void {
    if (wrong !== undefined) this.#fault(`${what} ${wrong}`.trimStart());
  }

  #fault(text: string): void {
    this.#world.fault(`${this.clientId}: ${text}`, this.#trace);
  }

  #note(line: string): void {
    this.#trace.push(line);
    if (this.#trace.length > traceLines) this.#trace.shift();
  }
}
