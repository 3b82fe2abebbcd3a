/**
 * Finds losses by the stamps. Keeps the highest seq of each pair of publisher and connection, and the gaps before it.
 * So a late message is out of order and no longer lost, and a repeated message is a duplicate, however late it is. A
 * gap shows only when a later message arrives. A loss at the very end shows when the received messages are compared
 * with those that msggen counted as delivered.
 */
import { publisherBeganAfter, type Stamp } from '../msggen/stamp.js';
import type { Tally } from './counts.js';
import { Gaps } from './gaps.js';

/** Most publishers with an account, which takes 8 bytes a connection. */
export const PUBLISHERS_LIMIT = 64;
/**
 * The first message of a pair may have overtaken at most so many others. A message from further back was sent before
 * the connection was there (history), and the seqs between the two are not missing.
 */
const OVERTAKEN_LIMIT = 32;

/** Columns by connection. */
interface PublisherColumns {
  first: Uint32Array;
  highest: Uint32Array;
}

export class StampAccounts {
  /** Known lead of the publishers' clocks over ours. */
  aheadUs = 0;
  readonly #connections: number;
  readonly #publishers = new Map<number, PublisherColumns>();
  readonly #gaps = new Gaps();

  constructor(connections: number) {
    this.#connections = connections;
  }

  get publishers(): Iterable<number> {
    return this.#publishers.keys();
  }

  /** @param dup the protocol allows a duplicate of this message */
  record(tally: Tally, connection: number, stamp: Stamp, dup: boolean, loggedInUs: number): void {
    const columns = this.#columnsOf(stamp.publisher);
    if (columns === undefined) {
      tally.unaccounted++;
      return;
    }
    const { seq } = stamp;
    const highest = columns.highest[connection]!;
    if (highest === 0) {
      // A connection that was logged in before the publisher began must get seq 1; others begin at any seq.
      const first = publisherBeganAfter(stamp.publisher, loggedInUs, this.aheadUs) ? 1 : seq;
      columns.first[connection] = first;
      this.#advance(tally, stamp, columns, connection, first - 1);
    } else if (seq > highest) {
      this.#advance(tally, stamp, columns, connection, highest);
    } else if (seq < columns.first[connection]!) {
      this.#startEarlier(tally, stamp, columns, connection);
    } else {
      this.#lookBack(tally, stamp, connection, dup);
    }
  }

  /** The publisher has stopped at `lastSeq`: messages that have not arrived are lost. */
  settle(tally: Tally, connection: number, publisher: number, lastSeq: number, loggedInUs: number): void {
    const highest = this.highest(publisher, connection);
    if (highest > 0 || publisherBeganAfter(publisher, loggedInUs, this.aheadUs)) {
      tally.lost += Math.max(0, lastSeq - highest);
    }
  }

  /** The highest seq received; 0 when there is none. */
  highest(publisher: number, connection: number): number {
    return this.#publishers.get(publisher)?.highest[connection] ?? 0;
  }

  /** The connection begins anew: messages that it missed in between are not lost. */
  restart(connection: number): void {
    for (const [publisher, { highest }] of this.#publishers) {
      highest[connection] = 0;
      this.#gaps.forget(publisher, connection);
    }
  }

  #columnsOf(publisher: number): PublisherColumns | undefined {
    const known = this.#publishers.get(publisher);
    if (known !== undefined || this.#publishers.size >= PUBLISHERS_LIMIT) return known;
    const columns = {
      first: new Uint32Array(this.#connections),
      highest: new Uint32Array(this.#connections),
    };
    this.#publishers.set(publisher, columns);
    return columns;
  }

  #advance(tally: Tally, stamp: Stamp, columns: PublisherColumns, connection: number, highest: number): void {
    const { publisher, seq } = stamp;
    columns.highest[connection] = seq;
    if (seq === highest + 1) return;
    tally.lost += seq - highest - 1;
    this.#gaps.add(publisher, connection, highest + 1, seq - 1);
  }

  #lookBack(tally: Tally, { publisher, seq }: Stamp, connection: number, dup: boolean): void {
    const was = this.#gaps.fill(publisher, connection, seq);
    if (was === 'missing') {
      tally.lost--;
      tally.outOfOrder++;
    } else if (was === 'forgotten') {
      tally.unjudged++;
    } else if (dup) {
      tally.redelivered++;
    } else {
      tally.duplicated++;
    }
  }

  /** A message older than the first one: the seqs between the two are missing too. */
  #startEarlier(tally: Tally, stamp: Stamp, columns: PublisherColumns, connection: number): void {
    const { publisher, seq } = stamp;
    const first = columns.first[connection]!;
    if (first - seq > OVERTAKEN_LIMIT) {
      tally.unjudged++;
      return;
    }
    tally.outOfOrder++;
    tally.lost += first - seq - 1;
    this.#gaps.addFirst(publisher, connection, seq + 1, first - 1);
    columns.first[connection] = seq;
  }
}
