import type { Message } from '../../message.js';
import type { RetainedCopy } from '../engine.js';
import type { Link } from './link.js';
import { RetainedDisputes } from './retained-disputes.js';
import { RetainedMerge } from './retained-merge.js';
import { RetainedStream, type RetainedStreamOptions } from './retained-stream.js';
import { subjectOfId } from './subject.js';

/** A node starts without what is retained where NATS is slower than this, and gets it later. */
const startWaitMs = 30_000;
const retryMs = 2_000;
const tickMs = 1_000;

/** It has been brought to where the others are; that cannot be done now. */
export type RetentionEvent = 'retained' | 'retained-unread';

export interface RetainedReplicationOptions extends RetainedStreamOptions {
  /** undefined = it cannot be read, and is left out */
  messageOf(subject: string, data: Uint8Array): Message | undefined;
  onEvent(event: RetentionEvent, detail: string): void;
}

/**
 * Keeps this node's copy of what is retained equal to that of the others: while NATS is there each message reaches all
 * nodes by itself; after a start, and whenever NATS was away, the stream is read from its beginning.
 */
export class RetainedReplication {
  readonly #link: Link;
  readonly #options: RetainedReplicationOptions;
  readonly #stream: RetainedStream;
  readonly #disputes = new RetainedDisputes();
  #copy: RetainedCopy | undefined;
  #merge: RetainedMerge | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #settling = false;
  /** Counts replays: one that was begun before NATS went away ends itself. */
  #number = 0;
  /** Of the stream that was read last: another one says that NATS has lost that. */
  #created = '';
  #timer: NodeJS.Timeout | undefined;
  #told = false;

  constructor(link: Link, options: RetainedReplicationOptions) {
    this.#link = link;
    this.#options = options;
    this.#stream = new RetainedStream(link, options);
  }

  /** The node hears what is published from now on. Resolves when it has what was retained before; never rejects. */
  async start(copy: RetainedCopy): Promise<void> {
    this.#copy = copy;
    this.#merge = new RetainedMerge(copy);
    this.#ticker = setInterval(() => this.#tick(), tickMs);
    this.#merge.due();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, startWaitMs);
    });
    await Promise.race([this.#replay(), late]);
    clearTimeout(timer);
  }

  /** NATS is away: what others publish meanwhile is missed, and what is published here reaches nobody else. */
  lost(): void {
    this.#number++;
    clearTimeout(this.#timer);
    this.#merge?.due();
  }

  /** NATS is back. */
  regained(): void {
    if (this.#merge !== undefined) this.#replay();
  }

  /** A retained message has come from another node. */
  heard(id: string, run: number): void {
    this.#merge?.live(id);
    this.#disputes.note(id, run);
  }

  /** One has gone from this node to all others. */
  sent(id: string, run: number, subject: string, data: Uint8Array): void {
    const { prefix, isClearing } = this.#options;
    this.#merge?.live(id);
    this.#disputes.note(id, run);
    if (subject.startsWith(prefix) && isClearing(data)) this.#stream.clear(subject);
  }

  stop(): void {
    this.#number++;
    clearInterval(this.#ticker);
    clearTimeout(this.#timer);
    this.#stream.stop();
  }

  #tick(): void {
    if (this.#disputes.age() && !this.#settling) this.#settle();
  }

  /** What the stream has of a disputed id is what all nodes keep. Never rejects. */
  async #settle(): Promise<void> {
    const { prefix, messageOf } = this.#options;
    this.#settling = true;
    try {
      for (let next = this.#disputes.next(); next !== undefined; next = this.#disputes.next()) {
        const { id, holds } = next;
        if (id.startsWith('$')) continue; // in no stream
        const subject = prefix + subjectOfId(id);
        const data = await this.#stream.last(subject);
        if (!holds()) continue;
        const message = data === undefined ? undefined : messageOf(subject, data);
        if (message === undefined) this.#copy!.forget(id);
        else this.#copy!.keep(message);
      }
    } catch {
      // There is no stream, or NATS is away; then it is read anew when that is back.
    } finally {
      this.#settling = false;
    }
  }

  async #replay(): Promise<void> {
    const number = ++this.#number;
    try {
      await this.#read(number);
      this.#told = false;
    } catch (cause) {
      if (number !== this.#number) return;
      if (!this.#told) this.#options.onEvent('retained-unread', reasonOf(cause));
      this.#told = true;
      if (this.#link.connected && !isForGood(cause)) this.#timer = setTimeout(() => this.#replay(), retryMs);
    }
  }

  async #read(number: number): Promise<void> {
    const merge = this.#merge!;
    const info = await this.#stream.open();
    if (number !== this.#number) return;
    let count = 0;
    merge.begin();
    await this.#stream.read(info, (subject, data) => {
      if (number !== this.#number) throw new Error('NATS went away meanwhile');
      const message = this.#options.messageOf(subject, data);
      if (message === undefined) return;
      merge.replay(message);
      count++;
    });
    if (number !== this.#number) return;
    // A stream that is new has nothing of what nodes still have: it takes nothing from them.
    merge.end(this.#created === info.created);
    this.#created = info.created;
    this.#options.onEvent('retained', `${count} messages of ${this.#stream.streamName}`);
  }
}

/** There is no JetStream, or none for this account: asking again does not help. */
function isForGood(cause: unknown): boolean {
  return (
    cause instanceof Error && /jetstream.*not enabled|no responders/i.test(`${cause.name} ${cause.message}`)
  );
}

function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const hint = isForGood(cause) ? '; start nats-server with -js' : '';
  return `what was retained before is not known here (${text}${hint})`;
}
