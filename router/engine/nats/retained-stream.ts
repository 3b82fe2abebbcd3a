import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
  StorageType,
  type StreamInfo,
} from '@nats-io/jetstream';
import type { Link } from './link.js';

export interface RetainedStreamOptions {
  /** Of the cluster. */
  name: string;
  /** Of the subjects that the stream keeps the last message of, with its dot. */
  prefix: string;
  messagesMax: number;
  bytesMax: number;
  /** Servers that keep it. */
  replicas: number;
  /** Whether a message only clears what was retained. */
  isClearing(data: Uint8Array): boolean;
}

const requestTimeoutMs = 5_000;
/** Messages that are asked for at a time. */
const batchMessages = 500;
/** The least that the client takes: a batch that has not filled by then is the last. */
const batchWaitMs = 1_000;
/** A clearing message is in the stream by then, so that it is found there and taken out. */
const clearAfterMs = 1_000;
/** Subjects to be cleared; past it their clearing messages stay until some node starts. */
const clearedMax = 10_000;

/**
 * What is retained, kept by NATS itself for nodes that come later: a JetStream stream with the last message of each
 * subject. It takes what is published as it passes by; this only makes the stream, reads it, and takes out messages
 * that cleared something, as they would pile up.
 */
export class RetainedStream {
  readonly streamName: string;
  readonly #link: Link;
  readonly #options: RetainedStreamOptions;
  #cleared = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(link: Link, options: RetainedStreamOptions) {
    this.#link = link;
    this.#options = options;
    this.streamName = `${options.name}-retained`;
  }

  /** Makes it, or holds it to this node's limits. Rejects with what NATS says. */
  async open(): Promise<StreamInfo> {
    const manager = await this.#manager();
    const found = await manager.streams.info(this.streamName).catch((error) => {
      if (error instanceof JetStreamApiError && error.status === 404) return undefined;
      throw error;
    });
    if (found === undefined) return this.#create(manager);
    const { messagesMax, bytesMax, replicas } = this.#options;
    const limits = { max_msgs: messagesMax, max_bytes: bytesMax, num_replicas: replicas };
    const { max_msgs, max_bytes, num_replicas } = found.config;
    if (max_msgs === messagesMax && max_bytes === bytesMax && num_replicas === replicas) return found;
    return manager.streams.update(this.streamName, limits);
  }

  /** All that is in it, oldest first. Rejects where NATS goes away meanwhile. @param info what `open` has found */
  async read({ state }: StreamInfo, onMessage: (subject: string, data: Uint8Array) => void): Promise<void> {
    if (state.messages === 0) return;
    const consumer = await jetstream(this.#link.connection, { timeout: requestTimeoutMs }).consumers.get(
      this.streamName,
      { filter_subjects: `${this.#options.prefix}>` },
    );
    try {
      for (let more = true; more; ) {
        const batch = await consumer.fetch({ max_messages: batchMessages, expires: batchWaitMs });
        let count = 0;
        for await (const message of batch) {
          count++;
          this.#hand(message, onMessage);
          more = message.info.pending > 0 && message.seq < state.last_seq;
          if (!more) break;
        }
        if (count === 0) return;
      }
    } finally {
      consumer.delete().catch(() => false); // NATS drops it by itself, some minutes later
    }
  }

  /** What it holds of a subject; undefined = nothing, or a message that clears. Rejects where NATS is away. */
  async last(subject: string): Promise<Uint8Array | undefined> {
    const manager = await this.#manager();
    const found = await manager.streams.getMessage(this.streamName, { last_by_subj: subject });
    return found === null || this.#options.isClearing(found.data) ? undefined : found.data;
  }

  /** A message that clears has been published: it is taken out of the stream. */
  clear(subject: string): void {
    if (this.#stopped || this.#cleared.size >= clearedMax) return;
    this.#cleared.add(subject);
    this.#timer ??= setTimeout(() => this.#takeOut(), clearAfterMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #hand(message: JsMsg, onMessage: (subject: string, data: Uint8Array) => void): void {
    const { subject, data } = message;
    if (this.#options.isClearing(data)) this.clear(subject);
    onMessage(subject, data);
  }

  /** By number, so that what was published since stays. */
  async #takeOut(): Promise<void> {
    const subjects = this.#cleared;
    this.#cleared = new Set();
    try {
      const manager = await this.#manager();
      for (const subject of subjects) {
        if (this.#stopped) return;
        const last = await manager.streams.getMessage(this.streamName, { last_by_subj: subject });
        if (last === null || !this.#options.isClearing(last.data)) continue;
        await manager.streams.deleteMessage(this.streamName, last.seq, false).catch(unlessGone);
      }
    } catch {
      // NATS is away. They clear all the same, and are taken out when a node starts.
    } finally {
      this.#timer = undefined;
      if (this.#cleared.size > 0 && !this.#stopped)
        this.#timer = setTimeout(() => this.#takeOut(), clearAfterMs);
    }
  }

  #manager(): Promise<JetStreamManager> {
    return jetstreamManager(this.#link.connection, { checkAPI: false, timeout: requestTimeoutMs });
  }

  #create(manager: JetStreamManager): Promise<StreamInfo> {
    const { prefix, messagesMax, bytesMax, replicas } = this.#options;
    return manager.streams.add({
      name: this.streamName,
      subjects: [`${prefix}>`],
      storage: StorageType.File,
      max_msgs_per_subject: 1,
      max_msgs: messagesMax,
      max_bytes: bytesMax,
      discard: DiscardPolicy.New,
      num_replicas: replicas,
    });
  }
}

/** Another node has taken it out. */
function unlessGone(error: unknown): void {
  if (!(error instanceof JetStreamApiError)) throw error;
}
