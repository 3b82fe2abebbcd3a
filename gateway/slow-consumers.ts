import { Message } from '../router/message.js';
import { type Backlog, pendingBytesOf } from './backlog.js';
import type { CloseReason, LossReason } from './close-reason.js';
import type { Config } from './config.js';
import { type Connection, messageOf, type Outgoing, ownedBySession, type Source } from './connection.js';
import { backpressured, type Connections } from './connections.js';
import type { Counters } from './counters.js';
import type { PeerProgress } from './peer-progress.js';
import type { SampledLog } from './sampled-log.js';

/** A peer that takes nothing for this long is stuck. */
const stalledMs = 10_000;
/** Without "writable" for this long, the kernel is asked whether the peer takes anything. */
const quietMs = 2_000;

/**
 * The backpressured connections and their backlogs, with a limit for each and one for all. Past a limit the policy
 * decides whether the connection is cut or messages are dropped. Every loss is counted here.
 *
 * Messages of a session (QoS 1 and 2) do not count: they wait in the session, which sends no more while its connection
 * is backpressured. So a backlog has at most the references of one turn.
 */
export class SlowConsumers {
  readonly #connections: Connections;
  readonly #counters: Counters;
  readonly #config: Config;
  readonly #log: SampledLog;
  readonly #progress: PeerProgress;
  readonly #backlogs = new Map<number, Backlog>();
  #pendingBytes = 0;

  constructor(
    connections: Connections,
    counters: Counters,
    config: Config,
    log: SampledLog,
    progress: PeerProgress,
  ) {
    this.#connections = connections;
    this.#counters = counters;
    this.#config = config;
    this.#log = log;
    this.#progress = progress;
  }

  /** Connections with a backlog, now. */
  get count(): number {
    return this.#backlogs.size;
  }

  /** Bytes of all backlogs, now. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Backlogs by slot, for a walk within one turn of the loop. */
  get all(): Iterable<[slot: number, backlog: Backlog]> {
    return this.#backlogs;
  }

  backlogOf(slot: number): Backlog | undefined {
    return this.#backlogs.get(slot);
  }

  /** The slot's backlog as a source; undefined when there is none. Allocated for each drain, which is rare. */
  sourceOf(slot: number): BacklogSource | undefined {
    const backlog = this.#backlogs.get(slot);
    return (
      backlog &&
      new BacklogSource(backlog, (bytes) => {
        this.#pendingBytes -= bytes;
      })
    );
  }

  /** The connection is backpressured from now on. */
  begin(connection: Connection, backlog: Backlog): void {
    this.#connections.flags[connection.slot]! |= backpressured;
    this.#backlogs.set(connection.slot, backlog);
  }

  /** Ends the backpressure: the connection has got everything, or is closed. */
  end(slot: number): void {
    const backlog = this.#backlogs.get(slot);
    if (backlog === undefined) return;
    this.#counters.lose('stream-ended', backlog.messages);
    this.#pendingBytes -= backlog.bytes;
    this.#backlogs.delete(slot);
    this.#connections.flags[slot]! &= ~backpressured;
  }

  /** Keeps a message for a backpressured connection, or applies the policy. */
  keep(connection: Connection, outgoing: Outgoing): 'kept' | 'dropped' | 'closed' {
    const backlog = this.#backlogs.get(connection.slot)!;
    if (ownedBySession(outgoing)) {
      backlog.push(outgoing);
      return 'kept';
    }
    const bytes = pendingBytesOf(outgoing);
    const overOwn = backlog.bytes + bytes > this.#config.pendingBytesMax;
    const overTotal = this.#pendingBytes + bytes > this.#config.pendingBytesTotalMax;
    if (overOwn || overTotal) {
      const reason = overOwn ? 'slow-consumer' : 'slow-consumers-total';
      if (this.#config.slowConsumerPolicy === 'disconnect') {
        this.#counters.lose(reason, 1);
        connection.cut(reason);
        return 'closed';
      }
      if (!this.#admit(connection, backlog, bytes, overTotal, reason)) return 'dropped';
    }
    // One byte pending may otherwise keep a whole slab of receive buffer alive (measured: 110 times what is counted).
    backlog.push(outgoing instanceof Message ? outgoing.kept() : outgoing);
    this.#pendingBytes += bytes;
    return 'kept';
  }

  /**
   * Cuts connections that have taken nothing for long. A slow connection stays, however slow it is. Called once a
   * second.
   */
  cutStalled(): void {
    const quiet = new Set<string>();
    for (const [slot, backlog] of this.#backlogs) {
      const connection = this.#connections.slots[slot]!;
      if (backlog.idleMs >= stalledMs) {
        connection.cut('stalled-consumer');
        continue;
      }
      connection.wire.keepAlive(connection);
      if (backlog.idleMs >= quietMs) quiet.add(backlog.socketAddress);
    }
    if (quiet.size > 0) this.#progress.look(quiet, (address) => this.#moved(address));
  }

  #moved(address: string): void {
    for (const backlog of this.#backlogs.values())
      if (backlog.socketAddress === address) backlog.noteProgress();
  }

  /** Past a limit, with a policy that drops. @returns whether the new message has room now */
  #admit(
    connection: Connection,
    backlog: Backlog,
    bytes: number,
    overTotal: boolean,
    reason: LossReason & CloseReason,
  ): boolean {
    this.#logDrop(connection, backlog, reason);
    if (this.#makeRoom(backlog, bytes, overTotal, reason)) return true;
    this.#counters.lose(reason, 1);
    backlog.noteLostAtTail();
    return false;
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

  #logDrop(connection: Connection, backlog: Backlog, reason: CloseReason): void {
    const policy = this.#config.slowConsumerPolicy;
    const who = { ...connection.describe(), address: backlog.address };
    this.#log.warn(reason, { ...who, policy }, 'messages dropped');
  }
}

/** A backlog as a source of the write path. */
class BacklogSource implements Source {
  readonly single = false;
  readonly backlog: Backlog;
  readonly #freed: (bytes: number) => void;

  constructor(backlog: Backlog, freed: (bytes: number) => void) {
    this.backlog = backlog;
    this.#freed = freed;
  }

  peek(): Outgoing | number | undefined {
    return this.backlog.peek();
  }

  /** Frees the encoding too: kept for other slow readers, it would double the pending bytes. */
  take(): void {
    const taken = this.backlog.peek();
    if (typeof taken === 'object') {
      const message = messageOf(taken);
      if (message !== undefined) message.wire = undefined;
    }
    this.#freed(this.backlog.shift());
  }
}
