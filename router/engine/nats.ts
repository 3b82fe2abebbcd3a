import type { Msg, MsgCallback } from '@nats-io/transport-node';
import type { HistoryRules } from '../history/history-rules.js';
import type { HistorySource } from '../history/replicated-history.js';
import { Message } from '../message.js';
import { idBytesMaxDefault, problemOfId } from '../topic.js';
import type { ClusterNode } from './cluster.js';
import type { Engine, OnPublication, OnRetained, RetainedCopy, Tally } from './engine.js';
import { Arrivals } from './nats/arrivals.js';
import type { LinkOptions } from './nats/connection-options.js';
import { EngineError } from './nats/engine-error.js';
import { decodeEnvelope, encodeEnvelope, envelopeBytes, messageOf } from './nats/envelope.js';
import { Gathering, type NodeIdentity } from './nats/gathering.js';
import { Interests } from './nats/interests.js';
import { Link, type LinkEvent, receiver } from './nats/link.js';
import { placeOf } from './nats/place.js';
import { Receipts, Takers } from './nats/receipts.js';
import { RetainedReplication, type RetentionEvent } from './nats/retained-replication.js';
import type { Sequence } from './nats/sequence.js';
import { Sequences } from './nats/sequences.js';
import { markToken } from './nats/stored-message.js';
import { idOfSubject, subjectOfId } from './nats/subject.js';

/** How often what is under way is looked through. */
const tickMs = 250;
/** Each question for counts is answered by every node: 50 nodes are asked at most 200 times a second, which is 10,000 answers. */
const askSpacingMsPerPeer = 0.1;

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
  /** Kept by NATS's JetStream, for all nodes; rules that keep nothing need none. */
  history: { rules: HistoryRules; bytesMax: number; replicas: number };
  /** Of the router, for the stream that keeps what is retained; without them there is none. */
  retained?: { messagesMax: number; bytesMax: number; replicas: number };
  /** `history`: a stream cannot be read or written, and is tried on and on. */
  onEvent(event: LinkEvent | RetentionEvent | 'gone' | 'gap' | 'history', detail: string): void;
  /** Subscribers may have missed something for good, of the ids that `concerns` says: NATS was away for longer than history is. */
  onGap?(concerns: (id: string) => boolean): void;
}

/** Plain numbers. */
export interface NatsEngineStats {
  connected: boolean;
  server: string;
  reconnects: number;
  /** Times that NATS ended the connection as this node did not read: what was sent to it meanwhile is lost. */
  slowConsumer: number;
  peers: number;
  interests: number;
  /** Published to other nodes, and taken from them. */
  forwarded: number;
  received: number;
  /** Not published to other nodes, as NATS was away or behind. */
  refused: number;
  /** Came after newer ones of their publisher or stream, whose way had changed: left out. */
  late: number;
  /** Handed to a stream, and not known to be stored there. */
  unstored: number;
  /** No message of this version of Encke. */
  unreadable: number;
  /** Counts that were answered with a node missing. */
  countsTimedOut: number;
}

/**
 * A NATS server ends the connection at a longer line than 4,096 bytes (max_control_line, which it does not tell), and
 * at each next one, as the client subscribes anew: one long filter would keep the node cut off. 64 are for the words
 * around the subject.
 */
const controlLineBytes = 4_096 - 64;
/** A byte of an id is three at most in a subject: %20. */
const encodedBytesMax = 3;

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
  readonly #arrivals = new Arrivals();
  readonly #takers = new Takers();
  readonly #receipts = new Receipts();
  readonly #sequences: Sequences;
  readonly #messagePrefix: string;
  readonly #retainedPrefix: string;
  readonly #volatilePrefix: string;
  readonly #onRetained: MsgCallback<Msg>;
  readonly #retention: RetainedReplication | undefined;
  #onPublication: OnPublication = () => 0;
  #onRetainedOnly: OnRetained = () => {};
  #ticker: NodeJS.Timeout | undefined;
  /** Filters that were subscribed to before the start. */
  #early: string[] | undefined = [];
  #askedMs = Number.NEGATIVE_INFINITY;
  /** Of what this node has published. */
  #number = 0;
  #forwarded = 0;
  #refused = 0;
  #received = 0;
  #unreadable = 0;

  constructor(options: NatsEngineOptions) {
    const { name, node } = options;
    this.#options = options;
    this.#messagePrefix = `${name}.m.`;
    this.#retainedPrefix = `${name}.r.`;
    this.#volatilePrefix = `${name}.v.`;
    this.#link = new Link({ ...options.link, connectionName: `${name}/${node.name}` }, (event, detail) =>
      this.#onLinkEvent(event, detail),
    );
    this.cluster = new Gathering(this.#link, name, node);
    this.cluster.onQuestion('counts', (_body, { run }) => this.#takers.tell(run));
    this.cluster.onGone((gone) => this.#forget(gone));
    this.#interests = new Interests(this.#link, this.#messagePrefix, (message) => this.#receive(message));
    this.#onRetained = receiver((message) => this.#receive(message));
    this.#retention = this.#retentionOf(options);
    const { run } = this.cluster.self;
    this.#sequences = new Sequences(this.#link, this.#interests, {
      clusterName: name,
      run,
      ...options.history,
    });
  }

  /** Before `start`: connects, and makes the streams of history. @throws EngineError */
  async open(): Promise<void> {
    this.#assertIdsFit();
    await this.#link.open();
    this.#assertPayloadsFit();
    await this.#sequences.open({
      handOut: (message, data) => this.#handOut(unretained(message), data),
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

  async start(onPublication: OnPublication, onRetained: OnRetained, retained?: RetainedCopy): Promise<void> {
    this.#onPublication = onPublication;
    this.#onRetainedOnly = onRetained;
    this.#sequences.start();
    this.#ticker = setInterval(() => this.#tick(), tickMs);
    this.#link.subscribe(`${this.#retainedPrefix}>`, this.#onRetained);
    this.#link.subscribe(`${this.#volatilePrefix}>`, this.#onRetained);
    for (const filter of this.#early ?? []) this.#interests.add(filter);
    this.#early = undefined;
    if (retained !== undefined) await this.#retention?.start(retained);
    await this.cluster.start();
  }

  get carries(): boolean {
    return this.#link.carries;
  }

  publish(message: Message): number {
    const sequence = this.#sequenceOf(message.id);
    if (sequence !== undefined) {
      this.#forwardInSequence(sequence, message, undefined);
      return 0;
    }
    const taken = this.#onPublication(message);
    this.#forward(message, { counted: false, retainOnly: false });
    return taken;
  }

  publishCounted(message: Message, onTally: (tally: Tally) => void): void {
    const sequence = this.#sequenceOf(message.id);
    if (sequence !== undefined) return this.#forwardInSequence(sequence, message, onTally);
    const delivered = this.#onPublication(message);
    const alone = this.cluster.peers.length === 0;
    const number = this.#forward(message, { counted: !alone, retainOnly: false });
    if (number === 0) return onTally({ delivered, unanswered: 0, carried: false });
    if (alone) return onTally({ delivered, unanswered: 0, carried: true });
    this.#expectCounts(number, delivered, onTally);
  }

  addInterest(filter: string): void {
    if (this.#early === undefined) this.#interests.add(filter);
    else this.#early.push(filter);
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
      forwarded: this.#forwarded,
      received: this.#received,
      refused: this.#refused,
      late: this.#arrivals.late + this.#sequences.late,
      unstored: this.#sequences.failed,
      unreadable: this.#unreadable,
      countsTimedOut: this.cluster.asksTimedOut,
    };
  }

  async stop(): Promise<void> {
    clearInterval(this.#ticker);
    this.cluster.stop();
    this.#sequences.stop();
    this.#retention?.stop();
    await this.#link.close();
    this.#onPublication = () => 0;
  }

  #assertIdsFit(): void {
    const { idBytesMax = idBytesMaxDefault } = this.#options;
    const bytesMax = Math.floor((controlLineBytes - this.#messagePrefix.length) / encodedBytesMax);
    if (idBytesMax <= bytesMax) return;
    throw new EngineError(
      `Ids of ${idBytesMax} bytes do not fit what a NATS server reads as one line: lower --id-bytes-max to ${bytesMax}.`,
    );
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

  /** @returns its number among those of this node; 0 = NATS did not take it */
  #forward(message: Message, { counted, retainOnly }: { counted: boolean; retainOnly: boolean }): number {
    const { id, retain } = message;
    const subject = this.#prefixOf(message) + subjectOfId(id);
    const { run } = this.cluster.self;
    const number = ++this.#number;
    const data = encodeEnvelope(message, { run, sequence: number, counted, retainOnly });
    if (!this.#link.publish(subject, data)) {
      this.#refused++;
      return 0;
    }
    this.#forwarded++;
    if (retain) this.#retention?.sent(id, run, subject, data);
    return number;
  }

  #prefixOf({ retain, id }: Message): string {
    if (!retain) return this.#messagePrefix;
    return id.startsWith('$') ? this.#volatilePrefix : this.#retainedPrefix;
  }

  /** By way of the id's stream. What is retained goes to all nodes besides, and that is no delivery. */
  #forwardInSequence(to: Sequence, message: Message, onTally: ((tally: Tally) => void) | undefined): void {
    if (message.retain) {
      this.#onRetainedOnly(message);
      this.#forward(message, { counted: false, retainOnly: true });
    }
    const { run } = this.cluster.self;
    const number = ++this.#number;
    const counted = onTally !== undefined;
    const data = encodeEnvelope(message, { run, sequence: number, counted, retainOnly: false });
    if (counted) this.#receipts.expect(number);
    const onStored = (stored: boolean) => {
      if (stored && onTally !== undefined) return this.#expectCounts(number, 0, onTally);
      this.#receipts.forget(number);
      onTally?.({ delivered: 0, unanswered: 0, carried: stored });
    };
    const acknowledged = counted || message.qos > 0;
    if (this.#sequences.publish(to, message.id, data, number, acknowledged ? onStored : undefined)) {
      this.#forwarded++;
    } else {
      this.#refused++;
      this.#receipts.forget(number);
      onTally?.({ delivered: 0, unanswered: 0, carried: false });
    }
  }

  #receive(received: Msg): void {
    const { subject, data } = received;
    if (subject.startsWith(markToken, this.#messagePrefix.length)) return; // `#` matches marks, too
    const id = this.#idOf(subject);
    const envelope = decodeEnvelope(data);
    if (envelope === undefined || id === undefined) {
      this.#unreadable++;
      return;
    }
    const place = placeOf(received);
    if (place !== undefined) {
      const sequence = this.#sequences.of(id);
      if (sequence?.stream.name === place.stream) sequence.arrived({ id, ...place, data });
      else this.#unreadable++;
      return;
    }
    // noEcho is by connection: what an earlier one left behind comes back on the next, and has been handed out here.
    if (envelope.run === this.cluster.self.run) return;
    if (!this.#arrivals.take(envelope.run, envelope.sequence)) return;
    const message = messageOf(id, data);
    if (message.retain) this.#retention?.heard(id, envelope.run);
    if (envelope.retainOnly) this.#onRetainedOnly(message);
    else this.#handOut(message, data);
  }

  /** @param data the envelope that it came in */
  #handOut(message: Message, data: Uint8Array): void {
    this.#received++;
    const { run, sequence, counted } = decodeEnvelope(data)!;
    const taken = this.#onPublication(message);
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

  #expectCounts(number: number, delivered: number, onTally: (tally: Tally) => void): void {
    if (this.#receipts.isEmpty) this.#scheduleAsk();
    this.#receipts.open(number, delivered, onTally);
  }

  /** At the end of the turn; the more nodes there are to ask, the rarer. */
  #scheduleAsk(): void {
    const dueMs = this.#askedMs + this.cluster.peers.length * askSpacingMsPerPeer;
    const waitMs = Math.ceil(dueMs - performance.now());
    if (waitMs > 0) setTimeout(() => this.#askCounts(), waitMs);
    else setImmediate(() => this.#askCounts());
  }

  /** Asks the others; and what came back to this node by way of a stream is here by then. */
  async #askCounts(): Promise<void> {
    const { countWaitMs } = this.#options;
    const take = this.#receipts.close();
    this.#askedMs = performance.now();
    const { run, name, group, role, startedMs } = this.cluster.self;
    const self = { run, name, group, role, startedMs };
    if (this.cluster.peers.length === 0) await this.#link.flush();
    this.cluster.ask('counts', new Uint8Array(0), countWaitMs, ({ answers, unanswered }) => {
      take({ answers: [...answers, { from: self, body: this.#takers.tell(run) }], unanswered });
    });
  }

  #tick(): void {
    this.#link.tick();
    this.#sequences.tick(performance.now());
  }

  #forget(gone: ClusterNode): void {
    this.#arrivals.forget(gone.run);
    this.#takers.forget(gone.run);
    this.#options.onEvent('gone', gone.name);
  }

  #retentionOf({ name, retained, onEvent }: NatsEngineOptions): RetainedReplication | undefined {
    if (retained === undefined || retained.messagesMax === 0) return undefined;
    return new RetainedReplication(this.#link, {
      ...retained,
      name,
      prefix: this.#retainedPrefix,
      isClearing: (data) => data.length === envelopeBytes,
      messageOf: (subject, data) => this.#readRetained(subject, data),
      onEvent,
    });
  }

  #readRetained(subject: string, data: Uint8Array): Message | undefined {
    const id = decodeEnvelope(data) === undefined ? undefined : this.#idOf(subject);
    if (id === undefined) this.#unreadable++;
    return id === undefined ? undefined : messageOf(id, data);
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

/** It has come as retained already; when it comes by way of history, it may be an old one. */
function unretained(message: Message): Message {
  if (!message.retain) return message;
  const { id, payload, timeMs, qos, offset } = message;
  return new Message(id, payload, timeMs, qos, false, offset);
}
