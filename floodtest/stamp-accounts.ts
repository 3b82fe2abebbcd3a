/**
 * Finds losses by the stamps. It keeps for each pair of publisher and connection the highest seq, and the gaps before it,
 * so that a late message is out of order and no longer lost, and one that comes again is a double, however late it is.
 * A gap is only seen when a later message comes: what is lost at the very end shows when the messages received are
 * compared with those msggen saw delivered.
 */
import { publisherBeganAfter, type Stamp } from '../msggen/stamp.js';
import type { Tally } from './counts.js';
import { Gaps } from './gaps.js';

/** More publishers than this are not accounted for: 8 bytes a connection for each must not grow without end. */
export const PUBLISHERS_LIMIT = 64;
/**
 * The first message of a pair may have overtaken some before it. What comes from further back was sent before the
 * connection was there, such as a message of the history, and what lies between the two is not missing.
 */
const OVERTAKEN_LIMIT = 32;

/** Columns by connection. */
interface PublisherColumns {
  first: Uint32Array;
  highest: Uint32Array;
}

export class StampAccounts {
  /** How far the clocks of publishers are known to be ahead of ours. */
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

  /** `dup`: the protocol allows that it was received before. */
  record(tally: Tally, connection: number, stamp: Stamp, dup: boolean, loggedInUs: number): void {
    const columns = this.#columnsOf(stamp.publisher);
    if (columns === undefined) {
      tally.unaccounted++;
      return;
    }
    const { seq } = stamp;
    const highest = columns.highest[connection]!;
    if (highest === 0) {
      // A connection that was logged in before the publisher began must have had its seq 1; others join at any number.
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

  /** The publisher has ended with `lastSeq`: what has not come by now is lost. */
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

  /** The connection begins anew: what it has missed in between is not lost. */
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

  /** A message older than the first one seen: what lies between the two is missing as well. */
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
