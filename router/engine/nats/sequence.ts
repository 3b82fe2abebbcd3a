import type { Loaded } from '../../history/replicated-history.js';
import type { Message } from '../../message.js';
import { decodeEnvelope, messageOf } from './envelope.js';
import type { HistoryStream, StoredMessage, StreamState } from './history-stream.js';
import type { Link } from './link.js';
import { Marks } from './marks.js';
import { idOfSubject, subjectOfId } from './subject.js';

/** For a mark through the stream and back; some 0.3 ms when nothing is wrong. */
const markTimeoutMs = 2_000;
/** How often a mark is sent when nobody asks, so that the position of a quiet node is fresh. */
const restMs = 10_000;
/** Come while what was missed is read: for the whole node. Past it the oldest would be a gap. */
const queuedMax = 200_000;

export interface SequenceEvents {
  /** In the order of the stream, each once. */
  handOut(message: Message, data: Uint8Array): void;
  /** Something of this rule may have been missed for good. */
  onGap(stream: string): void;
}

/**
 * One stream as this node hears it: where it stands, each message once and in order, and no gap after NATS was away.
 *
 *     following ──(NATS is lost, and back)──> catching up: what was missed is read from the stream,
 *         ^                                                what comes meanwhile waits
 *         └──────────────────────────────────────┘
 */
export class Sequence {
  readonly stream: HistoryStream;
  readonly #link: Link;
  readonly #markSubject: string;
  readonly #events: SequenceEvents;
  readonly #marks: Marks;
  /** All that this node is sent, up to here, has come. */
  position: number;
  createdMs: number;
  /** What has come while it catches up. */
  #queue: { sequence: number; id: string; data: Uint8Array }[] | undefined;
  #rest: NodeJS.Timeout | undefined;
  late = 0;

  constructor(
    stream: HistoryStream,
    { createdMs, lastSequence }: StreamState,
    link: Link,
    run: number,
    events: SequenceEvents,
  ) {
    this.stream = stream;
    this.position = lastSequence;
    this.createdMs = createdMs;
    this.#link = link;
    this.#events = events;
    this.#markSubject = `${stream.subjectPrefix}${markToken}.${run}`;
    this.#marks = new Marks(
      (number) => link.publish(this.#markSubject, Buffer.from(`${number}`)),
      markTimeoutMs,
    );
  }

  start(): void {
    this.#rest = setInterval(() => this.#marks.pass(), restMs);
  }

  stop(): void {
    clearInterval(this.#rest);
  }

  /** @param reply where the stream says that it is stored */
  publish(id: string, envelope: Uint8Array, reply: string | undefined): boolean {
    return this.#link.publish(this.stream.subjectPrefix + subjectOfId(id), envelope, reply);
  }

  markArrived(data: Uint8Array, sequence: number): void {
    if (this.#queue === undefined) this.position = Math.max(this.position, sequence);
    this.#marks.arrived(Number(Buffer.from(data).toString()), sequence);
  }

  /** A message of the stream has come. The same comes once for each of id and filters that match. */
  arrived(id: string, sequence: number, data: Uint8Array): void {
    if (this.#queue !== undefined) return this.#enqueue(id, sequence, data);
    if (sequence <= this.position) {
      if (sequence < this.position) this.late++;
      return;
    }
    this.position = sequence;
    this.#handOut(id, sequence, data);
  }

  /** NATS is lost: what comes next is not what came next. */
  lose(): void {
    this.#queue ??= [];
  }

  /** NATS is back, and all subscriptions are made anew. Never rejects. */
  async catchUp(): Promise<void> {
    try {
      const state = await this.stream.ensure();
      const anew = state.createdMs !== this.createdMs;
      if (anew || state.firstSequence - 1 > this.position) this.#events.onGap(this.stream.name);
      if (anew) this.position = state.firstSequence - 1;
      this.createdMs = state.createdMs;
      const upTo = await this.#marks.pass();
      if (upTo === undefined) return; // NATS is away again; and comes back
      for await (const { subject, sequence, data } of this.stream.range(this.position + 1, upTo)) {
        this.position = sequence;
        this.#handOutStored(subject, sequence, data);
      }
      this.position = Math.max(this.position, upTo);
      this.#follow();
    } catch {
      this.#events.onGap(this.stream.name);
      this.#follow();
    }
  }

  /** What is kept of an id behind an offset, up to where this node stands. Undefined = it cannot be known now. */
  async load(id: string, offset: number): Promise<Loaded | undefined> {
    try {
      const position = await this.#marks.pass();
      if (position === undefined || this.#queue !== undefined) return undefined;
      const messages = await this.#read(id, offset, position);
      const { firstSequence, createdMs } = await this.#state();
      if (createdMs !== this.createdMs) return undefined;
      const kept = messages.slice(-this.stream.rule.messages);
      const dropped = messages[messages.length - kept.length - 1];
      return { messages: kept, floor: dropped?.offset ?? Math.max(offset, firstSequence - 1), position };
    } catch {
      return undefined; // NATS is away
    }
  }

  async #read(id: string, offset: number, position: number): Promise<Message[]> {
    const subject = this.stream.subjectPrefix + subjectOfId(id);
    const messages: Message[] = [];
    let from = offset + 1;
    while (from <= position) {
      const stored = await this.stream.next(subject, from);
      if (stored === undefined || stored.sequence > position) break;
      from = stored.sequence + 1;
      const message = messageOfStored(id, stored);
      if (message !== undefined) messages.push(message);
    }
    return messages;
  }

  /** One question for all who ask in the same turn. */
  #asked: Promise<StreamState> | undefined;

  #state(): Promise<StreamState> {
    this.#asked ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#asked = undefined;
        this.stream.state().then(resolve, reject);
      });
    });
    return this.#asked;
  }

  #follow(): void {
    const queue = this.#queue ?? [];
    this.#queue = undefined;
    for (const { id, sequence, data } of queue) this.arrived(id, sequence, data);
  }

  #enqueue(id: string, sequence: number, data: Uint8Array): void {
    const queue = this.#queue!;
    if (queue.length >= queuedMax) {
      queue.length = 0;
      this.#events.onGap(this.stream.name);
    }
    queue.push({ id, sequence, data: Uint8Array.from(data) });
  }

  #handOutStored(subject: string, sequence: number, data: Uint8Array): void {
    if (subject.startsWith(`${this.stream.subjectPrefix}${markToken}.`)) return;
    try {
      this.#handOut(idOfSubject(subject.slice(this.stream.subjectPrefix.length)), sequence, data);
    } catch {} // no subject of an id: nobody of this house has published it
  }

  #handOut(id: string, sequence: number, data: Uint8Array): void {
    if (decodeEnvelope(data) === undefined) return;
    const message = messageOf(id, data);
    message.offset = sequence;
    this.#events.handOut(message, data);
  }
}

/** No id begins with it: after a % in a token there are two hex digits. */
export const markToken = '%mark';

function messageOfStored(id: string, { sequence, data }: StoredMessage): Message | undefined {
  if (decodeEnvelope(data) === undefined) return undefined;
  const message = messageOf(id, data);
  message.offset = sequence;
  return message;
}
