import type { Msg, MsgCallback } from '@nats-io/transport-node';
import type { Message } from '../message.js';
import { idBytesMaxDefault, problemOfId } from '../topic.js';
import type { ClusterNode } from './cluster.js';
import type { Engine, OnPublication, Tally } from './engine.js';
import { Arrivals } from './nats/arrivals.js';
import { decodeEnvelope, encodeEnvelope, envelopeBytes, messageOf } from './nats/envelope.js';
import { Gathering, type NodeIdentity } from './nats/gathering.js';
import { Interests } from './nats/interests.js';
import { EngineError, Link, type LinkEvent, type LinkOptions, receiver } from './nats/link.js';
import { Receipts, Takers } from './nats/receipts.js';
import { idOfSubject, subjectOfId } from './nats/subject.js';

export interface NatsEngineOptions {
  /** Of the cluster: all its subjects begin with it, so several share one NATS. Letters, digits, - and _. */
  name: string;
  node: NodeIdentity;
  link: Omit<LinkOptions, 'connectionName'>;
  /** How long a counted publish waits for the other nodes. */
  countWaitMs: number;
  /** Of the router, so that what others send is held to it, too. */
  idBytesMax?: number;
  topicLevelsMax?: number;
  /** The largest payload that is ever published, bytes: the server must take it. */
  payloadBytesMax: number;
  onEvent(event: LinkEvent | 'joined' | 'gone', detail: string): void;
}

/** Plain numbers. */
export interface NatsEngineStats {
  connected: boolean;
  server: string;
  reconnects: number;
  peers: number;
  interests: number;
  /** Published to other nodes, and taken from them. */
  forwarded: number;
  received: number;
  /** Not published to other nodes, as NATS was away or behind. */
  refused: number;
  /** Came after newer ones of their publisher, whose way had changed: left out. */
  late: number;
  /** No message of this version of Encke. */
  unreadable: number;
  /** Counts that were answered with a node missing. */
  countsTimedOut: number;
}

/**
 * The engine of many nodes on NATS. A message goes to the node's own subscribers by a direct call, as with the embedded
 * engine, and to NATS, which hands it to the nodes with interest:
 *
 *     publish ──┬── own subscribers
 *               └── <name>.m.<id> ── nodes with somebody logged in as the id, or a filter that matches
 *                   <name>.r.<id> ── all nodes, where it is retained
 *
 * At most once, in order for each publisher and id. While NATS is away, own subscribers are served all the same.
 */
export class NatsEngine implements Engine {
  readonly #options: NatsEngineOptions;
  readonly #link: Link;
  readonly cluster: Gathering;
  readonly #interests: Interests;
  readonly #arrivals = new Arrivals();
  readonly #takers = new Takers();
  readonly #receipts = new Receipts();
  readonly #messagePrefix: string;
  readonly #retainedPrefix: string;
  readonly #onRetained: MsgCallback<Msg>;
  #onPublication: OnPublication = () => 0;
  /** Filters that were subscribed to before the start. */
  #early: string[] | undefined = [];
  #sequence = 0;
  #forwarded = 0;
  #received = 0;
  #unreadable = 0;

  constructor(options: NatsEngineOptions) {
    const { name, node } = options;
    this.#options = options;
    this.#messagePrefix = `${name}.m.`;
    this.#retainedPrefix = `${name}.r.`;
    this.#link = new Link({ ...options.link, connectionName: `${name}/${node.name}` }, (event, detail) =>
      this.#onLinkEvent(event, detail),
    );
    this.cluster = new Gathering(this.#link, name, node);
    this.cluster.onQuestion('counts', (_body, { run }) => this.#takers.tell(run));
    this.cluster.onGone((gone) => this.#forget(gone));
    this.#interests = new Interests(this.#link, this.#messagePrefix, (message) => this.#receive(message));
    this.#onRetained = receiver((message) => this.#receive(message));
  }

  /** @throws EngineError */
  async start(onPublication: OnPublication): Promise<void> {
    this.#onPublication = onPublication;
    await this.#link.open();
    this.#assertPayloadsFit();
    this.#link.subscribe(`${this.#retainedPrefix}>`, this.#onRetained);
    for (const filter of this.#early ?? []) this.#interests.add(filter);
    this.#early = undefined;
    await this.cluster.start();
  }

  get carries(): boolean {
    return this.#link.carries;
  }

  publish(message: Message): number {
    const taken = this.#onPublication(message);
    this.#forward(message, false);
    return taken;
  }

  publishCounted(message: Message, onTally: (tally: Tally) => void): void {
    const delivered = this.#onPublication(message);
    const alone = this.cluster.peers.length === 0;
    const sequence = this.#forward(message, !alone);
    if (sequence === 0) return onTally({ delivered, unanswered: 0, carried: false });
    if (alone) return onTally({ delivered, unanswered: 0, carried: true });
    if (this.#receipts.isEmpty) setImmediate(() => this.#askCounts());
    this.#receipts.open(sequence, delivered, onTally);
  }

  addInterest(filter: string): void {
    if (this.#early === undefined) this.#interests.add(filter);
    else this.#early.push(filter);
  }

  removeInterest(filter: string): void {
    if (this.#early === undefined) this.#interests.remove(filter);
    else this.#early = this.#early.filter((early) => early !== filter);
  }

  stats(): NatsEngineStats {
    return {
      connected: this.#link.connected,
      server: this.#link.server,
      reconnects: this.#link.reconnects,
      peers: this.cluster.peers.length,
      interests: this.#interests.count,
      forwarded: this.#forwarded,
      received: this.#received,
      refused: this.#link.refused,
      late: this.#arrivals.late,
      unreadable: this.#unreadable,
      countsTimedOut: this.cluster.asksTimedOut,
    };
  }

  async stop(): Promise<void> {
    this.cluster.stop();
    await this.#link.close();
    this.#onPublication = () => 0;
  }

  #assertPayloadsFit(): void {
    const needed = this.#options.payloadBytesMax + envelopeBytes;
    const { payloadBytesMax } = this.#link;
    if (payloadBytesMax >= needed) return;
    throw new EngineError(
      `NATS takes messages of ${payloadBytesMax} bytes, and this node's may have ${needed}: raise max_payload in the server's configuration, or lower --message-bytes-max.`,
    );
  }

  /** @returns its sequence; 0 = NATS did not take it */
  #forward(message: Message, counted: boolean): number {
    const prefix = message.retain ? this.#retainedPrefix : this.#messagePrefix;
    const { run } = this.cluster.self;
    const sequence = ++this.#sequence;
    const data = encodeEnvelope(message, { run, sequence, counted });
    if (!this.#link.publish(prefix + subjectOfId(message.id), data)) return 0;
    this.#forwarded++;
    return sequence;
  }

  #receive(received: Msg): void {
    const { data } = received;
    const envelope = decodeEnvelope(data);
    if (envelope === undefined) {
      this.#unreadable++;
      return;
    }
    const { run, sequence, counted } = envelope;
    if (!this.#arrivals.take(run, sequence)) return;
    const id = this.#idOf(received.subject);
    if (id === undefined) {
      this.#unreadable++;
      return;
    }
    this.#received++;
    const taken = this.#onPublication(messageOf(id, data));
    if (counted) this.#takers.note(run, sequence, taken);
  }

  /** @returns undefined where it is none: any program may publish to NATS */
  #idOf(subject: string): string | undefined {
    try {
      const id = idOfSubject(subject.slice(this.#messagePrefix.length));
      const { idBytesMax = idBytesMaxDefault, topicLevelsMax } = this.#options;
      return problemOfId(id, idBytesMax, topicLevelsMax) === undefined ? id : undefined;
    } catch {
      return undefined;
    }
  }

  #askCounts(): void {
    const take = this.#receipts.close();
    this.cluster.ask('counts', new Uint8Array(0), this.#options.countWaitMs, take);
  }

  #forget(gone: ClusterNode): void {
    this.#arrivals.forget(gone.run);
    this.#takers.forget(gone.run);
    this.#options.onEvent('gone', gone.name);
  }

  #onLinkEvent(event: LinkEvent, detail: string): void {
    if (event === 'connected') this.cluster.rejoin();
    this.#options.onEvent(event, detail);
  }
}
