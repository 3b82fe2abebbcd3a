import {
  AckPolicy,
  DeliverPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { HistoryRule } from '../../history/history-rules.js';
import { EngineError } from './engine-error.js';

/** What a message in a stream looks like from outside. */
export interface StoredMessage {
  readonly subject: string;
  /** Its place among all messages of the stream: what cursors hold. */
  readonly sequence: number;
  readonly data: Uint8Array;
}

export interface StreamState {
  /** Milliseconds since the Unix epoch: a stream that was deleted and made anew counts from 1 again. */
  readonly createdMs: number;
  /** All before it is gone, and all from it on is there: messages leave in their order, by age or for the bytes. */
  readonly firstSequence: number;
  readonly lastSequence: number;
}

export interface HistoryStreamOptions {
  readonly clusterName: string;
  /** Of the rule in the list: part of the stream's name, and of its subjects. */
  readonly index: number;
  readonly rule: HistoryRule;
  /** Of the rules that decide which ids this stream has. */
  readonly fingerprint: string;
  readonly bytesMax: number;
  /** Servers that keep it. */
  readonly replicas: number;
}

/** Of the names of all history streams of a cluster. */
export function historyStreamPrefix(clusterName: string): string {
  return `${clusterName}-history-`;
}

const requestTimeoutMs = 2_000;
const nanosecondsPerSec = 1e9;
/** What was missed while NATS was away is read with so many under way. */
const readAheadMax = 1_000;

/**
 * The JetStream stream of one history rule: it numbers and keeps what is published under its subjects, and publishes
 * each message on with its number, so that all nodes hear it in one order.
 *
 *     <name>.h<index>.<id>  ──stored as 17──>  <name>.m.<id>  Nats-Sequence: 17
 *
 * In files: a stream in memory that publishes on falls from 80,000 messages/s to 800 after 30,000 messages (2.9.10),
 * one in files holds 125,000.
 */
export class HistoryStream {
  readonly name: string;
  readonly subjectPrefix: string;
  readonly rule: HistoryRule;
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  readonly #options: HistoryStreamOptions;

  private constructor(connection: NatsConnection, manager: JetStreamManager, options: HistoryStreamOptions) {
    this.name = `${historyStreamPrefix(options.clusterName)}${options.index}`;
    this.subjectPrefix = `${options.clusterName}.h${options.index}.`;
    this.rule = options.rule;
    this.#connection = connection;
    this.#manager = manager;
    this.#options = options;
  }

  /** Makes the stream, or takes the one that is there over, with these limits. @throws EngineError */
  static async open(connection: NatsConnection, options: HistoryStreamOptions): Promise<HistoryStream> {
    try {
      const manager = await jetstreamManager(connection);
      const stream = new HistoryStream(connection, manager, options);
      await stream.#takeOver();
      return stream;
    } catch (cause) {
      throw new EngineError(whyNot(cause as Error), { cause });
    }
  }

  /** One server keeps it, and what that has is all there is. */
  get isAlone(): boolean {
    return this.#options.replicas === 1;
  }

  /** @returns its state; made anew where it is gone */
  async ensure(): Promise<StreamState> {
    if ((await this.find()) === undefined) {
      // Another node may be quicker; with other limits than ours that is an error, and it is there all the same.
      await this.#manager.streams.add(this.#settings()).catch(() => undefined);
    }
    return this.state();
  }

  /** @returns undefined where it is gone @throws Error where nobody answers */
  async find(): Promise<StreamState | undefined> {
    try {
      const { created, state } = await this.#manager.streams.info(this.name);
      return {
        createdMs: Date.parse(created),
        firstSequence: state.first_seq,
        lastSequence: state.last_seq,
      };
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound)
        return undefined;
      throw error;
    }
  }

  /** @throws Error where it is gone, or nobody answers */
  async state(): Promise<StreamState> {
    const state = await this.find();
    if (state === undefined) throw new Error(`The stream ${this.name} is gone`);
    return state;
  }

  /** The oldest message under a subject with at least this sequence; undefined = there is none. */
  async next(subject: string, sequence: number): Promise<StoredMessage | undefined> {
    const query = JSON.stringify({ seq: Math.max(1, sequence), next_by_subj: subject });
    // Of several servers, any may answer a direct get, also one that has not heard of the newest messages yet.
    return this.#options.replicas === 1 ? this.#nextDirect(subject, query) : this.#nextOfLeader(query);
  }

  /** How many messages are under a subject from a sequence on. */
  async countFrom(subject: string, sequence: number): Promise<number> {
    const { name, num_pending } = await this.#manager.consumers.add(this.name, {
      filter_subject: subject,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(1, sequence),
      ack_policy: AckPolicy.None,
      mem_storage: true,
      inactive_threshold: nanosecondsPerSec,
    });
    this.#manager.consumers.delete(this.name, name).catch(() => false); // it goes by itself, a second later
    return num_pending;
  }

  /** All that is kept from one sequence to another, in order, whatever the subject. The last one is known to be there. */
  async range(from: number, to: number, signal: AbortSignal): Promise<StoredMessage[]> {
    const found: StoredMessage[] = [];
    if (from > to) return found;
    const consumer = await jetstream(this.#connection).consumers.get(this.name, {
      opt_start_seq: from,
      deliver_policy: DeliverPolicy.StartSequence,
      inactive_threshold: 30_000,
    });
    const messages = await consumer.consume({ max_messages: readAheadMax });
    const stop = () => messages.stop();
    // Where the stream is deleted meanwhile, nothing comes any more, and nobody says so for half a minute.
    const stalled = setTimeout(stop, requestTimeoutMs);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    try {
      for await (const { subject, seq, data } of messages) {
        stalled.refresh();
        // A view of what was read from the socket: one of 100 bytes would keep up to 64 KiB.
        if (seq <= to) found.push({ subject, sequence: seq, data: Uint8Array.from(data) });
        if (seq >= to) return found;
      }
      throw new Error('what was missed cannot be read');
    } finally {
      clearTimeout(stalled);
      signal.removeEventListener('abort', stop);
      stop();
      consumer.delete().catch(() => false);
    }
  }

  async #nextDirect(subject: string, query: string): Promise<StoredMessage | undefined> {
    const options = { timeout: requestTimeoutMs };
    const subjectOfApi = `$JS.API.DIRECT.GET.${this.name}`;
    const { headers, data } = await this.#connection.request(subjectOfApi, query, options);
    if (headers?.code === 404) return undefined;
    const sequence = Number(headers?.get('Nats-Sequence') || Number.NaN);
    if (Number.isNaN(sequence)) throw new Error(`NATS answered ${headers?.code} ${headers?.description}`);
    return { subject, sequence, data };
  }

  async #nextOfLeader(query: string): Promise<StoredMessage | undefined> {
    const subjectOfApi = `$JS.API.STREAM.MSG.GET.${this.name}`;
    const answer = await this.#connection.request(subjectOfApi, query, { timeout: requestTimeoutMs });
    const { error, message } = answer.json<MessageGetAnswer>();
    if (message !== undefined) {
      return {
        subject: message.subject,
        sequence: message.seq,
        data: Buffer.from(message.data ?? '', 'base64'),
      };
    }
    if (error?.err_code === JetStreamApiCodes.NoMessageFound) return undefined;
    throw new Error(error?.description ?? 'NATS answered neither a message nor an error');
  }

  async #takeOver(): Promise<void> {
    const settings = this.#settings();
    try {
      await this.#manager.streams.add(settings);
    } catch {
      await this.#manager.streams.update(this.name, settings); // it is there, with another age, or other bytes
    }
  }

  #settings() {
    const { rule, bytesMax, replicas, fingerprint } = this.#options;
    const all = `${this.subjectPrefix}>`;
    return {
      name: this.name,
      description: fingerprint,
      subjects: [all],
      storage: 'file' as const,
      discard: 'old' as const,
      // No max_msgs_per_subject: a subject that has reached it takes 2.9.10 75 to 115 us a message, where it takes 7
      // without. Who reads stops at the rule's count.
      max_age: rule.ageSec * nanosecondsPerSec,
      // Nothing is told apart by it; but the default of 2 minutes forbids a shorter age.
      duplicate_window: Math.min(rule.ageSec, 1) * nanosecondsPerSec,
      max_bytes: bytesMax,
      num_replicas: replicas,
      allow_direct: true,
      republish: { src: all, dest: `${this.#options.clusterName}.m.>` },
    };
  }
}

function whyNot(cause: Error): string {
  if (cause instanceof JetStreamApiError && cause.code !== JetStreamApiCodes.JetStreamNotEnabledForAccount)
    return `NATS does not keep history as it should (${cause.message}): look at --history-rules, --history-bytes-total-max and --history-replicas, and at the limits of JetStream in the server's configuration.`;
  return `NATS keeps no history (${cause.message}): start it with JetStream ("nats-server -js"), or turn history off with --history-rules "# 0 0".`;
}

interface MessageGetAnswer {
  readonly error?: { readonly err_code: number; readonly description: string };
  readonly message?: { readonly subject: string; readonly seq: number; readonly data?: string };
}
