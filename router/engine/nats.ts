import type { HistorySource } from '../history/replicated-history.js';
import type { Message } from '../message.js';
import type { ClusterNode } from './cluster.js';
import {
  type Engine,
  isCarried,
  type OnOutcome,
  type OnPublication,
  type OnRetained,
  type Outcome,
  type RetainedCopy,
  type Wants,
} from './engine.js';
import { Counts } from './nats/counts.js';
import { EngineError } from './nats/engine-error.js';
import type { NatsEngineOptions } from './nats/engine-options.js';
import type { NatsEngineStats } from './nats/engine-stats.js';
import { envelopeBytes } from './nats/envelope.js';
import { Forwarding } from './nats/forwarding.js';
import { Gathering } from './nats/gathering.js';
import { Interests } from './nats/interests.js';
import { Link, type LinkEvent, receiver } from './nats/link.js';
import { MessageSubjects } from './nats/message-subjects.js';
import { Reception } from './nats/reception.js';
import { RetainedReplication } from './nats/retained-replication.js';
import type { Sequence } from './nats/sequence.js';
import { Sequences } from './nats/sequences.js';

const notCarried: Outcome = Object.freeze({ delivered: 0, unanswered: 0, carried: 'no' });

/** How often what is under way is looked through. */
const tickMs = 250;

/**
 * The engine of many nodes on NATS. A message goes to the node's own subscribers by a direct call, as with the embedded
 * engine, and to NATS, which hands it to the nodes with interest:
 *
 *     publish ──┬── own subscribers
 *               └── <name>.m.<id> ── nodes with somebody logged in as the id, or a filter that matches
 *                   <name>.r.<id> ── all nodes, and a stream for those that come later, where it is retained
 *                   <name>.v.<id> ── all nodes, where it is retained and the id begins with $: it goes with its node
 *
 * Where the id has history, it goes to own subscribers by way of its stream too, so that all see one order, and each
 * message has its place in it; see HistoryStream.
 *
 * At most once, in order for each publisher and id. While NATS is away, own subscribers are served all the same; what
 * they get then has no place in history, and may come before older messages that are caught up with later.
 */
export class NatsEngine implements Engine {
  readonly #options: NatsEngineOptions;
  readonly #link: Link;
  readonly cluster: Gathering;
  readonly #interests: Interests;
  readonly #counts: Counts;
  readonly #sequences: Sequences;
  readonly #subjects: MessageSubjects;
  readonly #forwarding: Forwarding;
  readonly #reception: Reception;
  readonly #retention: RetainedReplication | undefined;
  #onPublication: OnPublication = () => 0;
  #onRetainedOnly: OnRetained = () => {};
  #ticker: NodeJS.Timeout | undefined;
  /** Filters that were subscribed to before the start. */
  #early: string[] | undefined = [];

  constructor(options: NatsEngineOptions) {
    const { name, node } = options;
    this.#options = options;
    this.#subjects = new MessageSubjects(name, options.idBytesMax, options.topicLevelsMax);
    this.#link = new Link({ ...options.link, connectionName: `${name}/${node.name}` }, (event, detail) =>
      this.#onLinkEvent(event, detail),
    );
    this.cluster = new Gathering(this.#link, name, node);
    this.#counts = new Counts({
      link: this.#link,
      cluster: this.cluster,
      waitMs: options.countWaitMs,
      sequenceNamed: (stream) => this.#sequences.named(stream),
    });
    this.cluster.onGone((gone) => this.#forget(gone));
    this.#interests = new Interests(this.#link, this.#subjects.messagePrefix, (message) =>
      this.#reception.receive(message),
    );
    this.#retention = this.#retentionOf(options);
    const { run } = this.cluster.self;
    this.#sequences = new Sequences(this.#link, this.#interests, {
      clusterName: name,
      run,
      nodes: () => this.cluster.peers.length + 1,
      ...options.history,
    });
    this.#forwarding = new Forwarding(run, {
      link: this.#link,
      subjects: this.#subjects,
      sequences: this.#sequences,
      counts: this.#counts,
      retention: this.#retention,
    });
    this.#reception = new Reception({
      run,
      subjects: this.#subjects,
      counts: this.#counts,
      sequences: this.#sequences,
      retention: this.#retention,
      onPublication: (message) => this.#onPublication(message),
      onRetained: (message) => this.#onRetainedOnly(message),
    });
  }

  /** Before `start`: connects, and makes the streams of history. @throws EngineError */
  async open(): Promise<void> {
    this.#subjects.assertFit();
    await this.#link.open();
    this.#assertPayloadsFit();
    await this.#sequences.open({
      handOut: (message, data) => this.#reception.handOutStored(message, data),
      onGap: (stream, concerns) => {
        this.#options.onEvent('gap', stream);
        const sequence = this.#sequences.named(stream);
        this.#options.onGap?.((id) => this.#sequences.of(id) === sequence && concerns(id));
      },
      onTrouble: (stream, reason) => this.#options.onEvent('history', `${stream}: ${reason}`),
    });
  }

  /** What a ReplicatedHistory reads from; its epoch is known after `open`. */
  get historySource(): HistorySource {
    return this.#sequences;
  }

  async start(
    onPublication: OnPublication,
    onRetainedOnly: OnRetained,
    retained?: RetainedCopy,
  ): Promise<void> {
    this.#onPublication = onPublication;
    this.#onRetainedOnly = onRetainedOnly;
    this.#sequences.start();
    this.#ticker = setInterval(() => this.#tick(), tickMs);
    const onRetained = receiver((message) => this.#reception.receive(message));
    this.#link.subscribe(`${this.#subjects.retainedPrefix}>`, onRetained);
    this.#link.subscribe(`${this.#subjects.volatilePrefix}>`, onRetained);
    for (const filter of this.#early ?? []) this.#interests.add(filter);
    this.#early = undefined;
    if (retained !== undefined) await this.#retention?.start(retained);
    await this.cluster.start();
  }

  get carries(): boolean {
    return this.#link.carries;
  }

  get trouble(): string | undefined {
    return this.carries ? undefined : 'NATS is away';
  }

  publish(message: Message, wants: Wants, onOutcome: OnOutcome = () => {}): number {
    if (wants === 'count') return this.#publishCounted(message, onOutcome);
    const onCarried =
      wants === 'nothing' ? undefined : (is: boolean) => onOutcome(is ? isCarried : notCarried);
    const sequence = this.#sequenceOf(message.id);
    if (sequence !== undefined) {
      this.#publishInSequence(sequence, message, onCarried);
      return 0;
    }
    if (onCarried === undefined) {
      const taken = this.#onPublication(message);
      this.#forwarding.forward(message, { counted: false, retainOnly: false });
      return taken;
    }
    // To NATS first: what that does not take its publisher sends again, and nobody here is to have it twice.
    const number = this.#forwarding.forward(message, { counted: false, retainOnly: false });
    const taken = number === 0 ? 0 : this.#onPublication(message);
    onCarried(number !== 0);
    return taken;
  }

  #publishCounted(message: Message, onOutcome: OnOutcome): number {
    const sequence = this.#sequenceOf(message.id);
    if (sequence !== undefined) {
      if (message.retain) this.#onRetainedOnly(message);
      this.#forwarding.forwardCounted(sequence, message, onOutcome);
      return 0;
    }
    const delivered = this.#onPublication(message);
    const alone = this.cluster.peers.length === 0;
    const number = this.#forwarding.forward(message, { counted: !alone, retainOnly: false });
    if (number === 0) onOutcome({ delivered, unanswered: 0, carried: 'no' });
    else if (alone) onOutcome({ delivered, unanswered: 0, carried: 'yes' });
    else this.#counts.ask(number, delivered, onOutcome);
    return delivered;
  }

  addInterest(filter: string): void {
    if (this.#early !== undefined) this.#early.push(filter);
    else {
      this.#interests.add(filter);
      this.#sequences.begunWith(filter);
    }
  }

  removeInterest(filter: string): void {
    if (this.#early === undefined) this.#interests.remove(filter);
    else this.#early = this.#early.filter((early) => early !== filter);
  }

  /** What NATS has is in effect for all who are connected to the same server; the servers tell each other within a moment. */
  whenInterested(ready: () => void): void {
    this.#interests.whenInEffect(ready);
  }

  stats(): NatsEngineStats {
    return {
      connected: this.#link.connected,
      server: this.#link.server,
      reconnects: this.#link.reconnects,
      slowConsumer: this.#link.slowConsumer,
      peers: this.cluster.peers.length,
      interests: this.#interests.count,
      forwarded: this.#forwarding.forwarded,
      received: this.#reception.received,
      refused: this.#forwarding.refused,
      late: this.#reception.late + this.#sequences.late,
      unstored: this.#sequences.failed,
      unreadable: this.#reception.unreadable,
      countsTimedOut: this.cluster.asksTimedOut,
    };
  }

  async stop(): Promise<void> {
    clearInterval(this.#ticker);
    this.#counts.stop();
    this.cluster.stop();
    this.#sequences.stop();
    this.#retention?.stop();
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

  /** @returns undefined where the id has no history, or NATS is away: then own subscribers are served by hand */
  #sequenceOf(id: string): Sequence | undefined {
    return this.#link.carries ? this.#sequences.of(id) : undefined;
  }

  #publishInSequence(to: Sequence, message: Message, onCarried?: (carried: boolean) => void): void {
    if (message.retain) this.#onRetainedOnly(message);
    this.#forwarding.forwardInSequence(to, message, onCarried);
  }

  #tick(): void {
    this.#link.tick();
    this.#sequences.tick(performance.now());
  }

  #forget(gone: ClusterNode): void {
    this.#reception.forget(gone.run);
    this.#options.onEvent('gone', gone.name);
  }

  #retentionOf({ name, retained, onEvent }: NatsEngineOptions): RetainedReplication | undefined {
    if (retained === undefined || retained.messagesMax === 0) return undefined;
    return new RetainedReplication(this.#link, {
      ...retained,
      name,
      prefix: this.#subjects.retainedPrefix,
      isClearing: (data) => data.length === envelopeBytes,
      messageOf: (subject, data) => this.#reception.readRetained(subject, data),
      onEvent,
    });
  }

  #onLinkEvent(event: LinkEvent, detail: string): void {
    if (event === 'lost') {
      this.#sequences.lose();
      this.#retention?.lost();
    }
    if (event === 'connected') {
      this.cluster.rejoin();
      void this.#sequences.catchUp();
      this.#retention?.regained();
    }
    // Between two servers something may have been cut, and what went that way just then is lost.
    if (event === 'changed') void this.#sequences.catchUp();
    this.#options.onEvent(event, detail);
  }
}
