import type { Message } from '../router/message.js';
import { type Backlog, pendingBytesOf } from './backlog.js';
import type { CloseReason, LossReason } from './close-reason.js';
import type { Config } from './config.js';
import { backpressured, type Connections, type Stream } from './connections.js';
import type { Counters } from './counters.js';
import type { SampledLog } from './sampled-log.js';

/** Cuts a stream, which is released when this returns. */
export type Closer = (stream: Stream, reason: CloseReason) => void;

/**
 * The streams that take no more now, and what is kept for each: within a limit for each and one for all, past
 * which the policy decides whether the stream goes or messages do. Every loss is counted here.
 */
export class SlowConsumers {
  readonly #connections: Connections;
  readonly #counters: Counters;
  readonly #config: Config;
  readonly #log: SampledLog;
  readonly #close: Closer;
  readonly #backlogs = new Map<number, Backlog>();
  #pendingBytes = 0;

  constructor(connections: Connections, counters: Counters, config: Config, log: SampledLog, close: Closer) {
    this.#connections = connections;
    this.#counters = counters;
    this.#config = config;
    this.#log = log;
    this.#close = close;
  }

  /** Streams with a backlog, now. */
  get count(): number {
    return this.#backlogs.size;
  }

  /** Kept for all of them together, bytes, now. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  backlogOf(slot: number): Backlog | undefined {
    return this.#backlogs.get(slot);
  }

  /** The stream is backpressured from now on. */
  begin(stream: Stream, backlog: Backlog): void {
    this.#connections.flags[stream.slot]! |= backpressured;
    this.#backlogs.set(stream.slot, backlog);
  }

  /** It is no longer: it has got everything, or is gone. */
  end(slot: number): void {
    const backlog = this.#backlogs.get(slot);
    if (backlog === undefined) return;
    this.#counters.lose('stream-ended', backlog.messages);
    this.#pendingBytes -= backlog.bytes;
    this.#backlogs.delete(slot);
    this.#connections.flags[slot]! &= ~backpressured;
  }

  /** Keeps a message for a backpressured stream, or does what the policy says. */
  keep(stream: Stream, message: Message): 'kept' | 'dropped' | 'closed' {
    const backlog = this.#backlogs.get(stream.slot)!;
    const bytes = pendingBytesOf(message);
    const overOwn = backlog.bytes + bytes > this.#config.pendingBytesMax;
    const overTotal = this.#pendingBytes + bytes > this.#config.pendingBytesTotalMax;
    if (overOwn || overTotal) {
      const reason = overOwn ? 'slow-consumer' : 'slow-consumers-total';
      if (this.#config.slowConsumerPolicy === 'disconnect') {
        this.#counters.lose(reason, 1);
        this.#close(stream, reason);
        return 'closed';
      }
      this.#logDrop(stream, backlog, reason);
      if (!this.#makeRoom(backlog, bytes, overTotal, reason)) {
        this.#counters.lose(reason, 1);
        backlog.noteLostAtTail();
        return 'dropped';
      }
    }
    backlog.push(message);
    this.#pendingBytes += bytes;
    return 'kept';
  }

  /** Takes the head of the backlog away, as it has been written. */
  shift(backlog: Backlog): void {
    this.#pendingBytes -= backlog.shift();
  }

  /** Under drop-oldest, drops the oldest messages until `bytes` fit. @returns false when they do not */
  #makeRoom(backlog: Backlog, bytes: number, overTotal: boolean, reason: LossReason): boolean {
    if (this.#config.slowConsumerPolicy !== 'drop-oldest') return false;
    if (bytes > this.#config.pendingBytesMax) return false; // it would not fit into an empty backlog
    let needed = overTotal ? bytes : 0;
    while (backlog.bytes + bytes > this.#config.pendingBytesMax || needed > 0) {
      const freed = backlog.dropOldest();
      if (freed === 0) return false;
      needed -= freed;
      this.#pendingBytes -= freed;
      this.#counters.lose(reason, 1);
    }
    return true;
  }

  #logDrop(stream: Stream, backlog: Backlog, reason: CloseReason): void {
    const policy = this.#config.slowConsumerPolicy;
    this.#log.warn(reason, { ids: stream.logins, address: backlog.address, policy }, 'messages dropped');
  }
}
