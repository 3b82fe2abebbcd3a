import type { Delivery } from '../router/subscriber.js';
import { Backlog } from './backlog.js';
import type { Connection, Outgoing } from './connection.js';
import { backpressured, type Connections } from './connections.js';
import type { Counters } from './counters.js';
import type { SlowConsumers } from './slow-consumers.js';
import { Turn, turnDeliveriesMax } from './turn.js';

/**
 * The one write path; step 7 of the way of a message.
 *
 *     deliver --> turn     at its end: one cork, one write a connection
 *        |          |
 *        |          v  the wire said "no more"
 *        +-----> slow consumers: a backlog ------> drain: on from there
 *      backpressured    |
 *                       +-- past its limit: the policy
 */
export class Outbound {
  readonly #connections: Connections;
  readonly #counters: Counters;
  readonly #slow: SlowConsumers;
  readonly #turn: Turn;
  #flushing = false;

  constructor(connections: Connections, counters: Counters, slow: SlowConsumers) {
    this.#connections = connections;
    this.#counters = counters;
    this.#slow = slow;
    this.#turn = new Turn(connections.capacity);
  }

  deliver(connection: Connection, outgoing: Outgoing): Delivery {
    if (this.isBackpressured(connection)) {
      return this.#slow.keep(connection, outgoing) === 'kept' ? 'buffered' : 'dropped';
    }
    const deliveries = this.#turn.add(connection, outgoing);
    if (deliveries === 1) setImmediate(this.flushTurn);
    else if (deliveries === turnDeliveriesMax) this.flushTurn();
    return 'sent';
  }

  /** Deliveries that wait for the end of the turn, now. */
  get turnDeliveries(): number {
    return this.#turn.deliveries;
  }

  isBackpressured(connection: Connection): boolean {
    return (this.#connections.flags[connection.slot]! & backpressured) !== 0;
  }

  /** Whether it has deliveries of this turn that are not written. */
  isWaiting({ slot }: Connection): boolean {
    return this.#turn.has(slot);
  }

  /** Writes the deliveries of this turn. Several messages for one connection are one write. */
  readonly flushTurn = (): void => {
    // Nothing delivers during a flush: wills and presence of connections that are cut wait for a turn of their own.
    if (this.#flushing) return;
    this.#flushing = true;
    const { dirty } = this.#turn;
    for (let i = 0; i < dirty.length; i++) {
      const connection = dirty[i]!;
      if (this.#connections.has(connection)) this.#flush(connection);
    }
    this.#turn.clear();
    this.#counters.latency.written();
    this.#flushing = false;
  };

  #flush(connection: Connection): void {
    const source = this.#turn.open(connection.slot);
    if (source.peek() === undefined) return;
    if (connection.wire.write(connection, source)) return;
    if (this.#connections.has(connection)) this.#becomeBackpressured(connection);
    else this.#counters.lose('stream-ended', source.dropRest()); // the wire has cut it
  }

  #becomeBackpressured(connection: Connection): void {
    const source = this.#turn.source;
    this.#slow.begin(connection, Backlog.of(connection));
    for (let rest = source.peek(); rest !== undefined; rest = source.peek()) {
      source.take();
      if (this.#slow.keep(connection, rest) !== 'closed') continue;
      this.#counters.lose('stream-ended', source.dropRest());
      return;
    }
  }

  /** The socket takes more: writes the backlog. */
  drain(connection: Connection): void {
    const source = this.#slow.sourceOf(connection.slot);
    if (source === undefined) return;
    source.backlog.noteProgress();
    if (connection.wire.write(connection, source)) this.#slow.end(connection.slot);
  }

  /** The socket has taken bytes that uWS had buffered. */
  noteProgress({ slot }: Connection): void {
    this.#slow.backlogOf(slot)?.noteProgress();
  }

  /** @returns true when the connection may end: the system has everything that was accepted for it */
  pushThrough(connection: Connection): boolean {
    if (this.isBackpressured(connection)) return false;
    if (connection.wire.pushThrough(connection)) return true;
    this.#slow.begin(connection, Backlog.of(connection));
    return false;
  }

  /** Forgets pending messages of a closed connection. */
  release(slot: number): void {
    this.#counters.lose('stream-ended', this.#turn.drop(slot));
    this.#slow.end(slot);
  }
}
