/**
 * What the stamps tell about losses: for each pair of publisher and connection the highest seq and a window of the 32
 * before it, so that a late message is out of order and no longer lost. A gap is only seen when a later message comes:
 * what is lost at the very end shows when the messages received are compared with those msggen saw delivered.
 */
import { publisherBeganAfter, type Stamp } from '../msggen/stamp.js';
import type { Tally } from './counts.js';

const WINDOW = 32;
/** More publishers than this are not accounted for: 12 bytes a connection for each must not grow without end. */
export const PUBLISHERS_LIMIT = 64;

/** Columns by connection. A set bit b of `missing` means that seq `highest - 1 - b` has not come. */
interface PublisherColumns {
  first: Uint32Array;
  highest: Uint32Array;
  missing: Uint32Array;
}

export class StampAccounts {
  readonly #connections: number;
  readonly #publishers = new Map<number, PublisherColumns>();

  constructor(connections: number) {
    this.#connections = connections;
  }

  get publishers(): Iterable<number> {
    return this.#publishers.keys();
  }

  /** `dup`: the protocol allows that it was received before. */
  record(
    tally: Tally,
    connection: number,
    stamp: Stamp,
    dup: boolean,
    loggedInUs: number,
    nowUs: number,
  ): void {
    const columns = this.#columnsOf(stamp.publisher);
    if (columns === undefined) {
      tally.unaccounted++;
      return;
    }
    const { seq } = stamp;
    if (columns.highest[connection] === 0) {
      // Who was logged in before the publisher began must have had its seq 1; others join at any number.
      const first = publisherBeganAfter(stamp.publisher, loggedInUs, nowUs) ? 1 : seq;
      columns.first[connection] = first;
      this.#advance(tally, columns, connection, first - 1, seq);
    } else if (seq > columns.highest[connection]!) {
      this.#advance(tally, columns, connection, columns.highest[connection]!, seq);
    } else {
      this.#lookBack(tally, columns, connection, seq, dup);
    }
  }

  /** The publisher has ended with `lastSeq`: what has not come by now is lost. */
  settle(
    tally: Tally,
    connection: number,
    publisher: number,
    lastSeq: number,
    loggedInUs: number,
    nowUs: number,
  ): void {
    const highest = this.highest(publisher, connection);
    if (highest > 0 || publisherBeganAfter(publisher, loggedInUs, nowUs)) {
      tally.lost += Math.max(0, lastSeq - highest);
    }
  }

  /** The highest seq received; 0 when there is none. */
  highest(publisher: number, connection: number): number {
    return this.#publishers.get(publisher)?.highest[connection] ?? 0;
  }

  /** The connection begins anew: what it has missed in between is not lost. */
  restart(connection: number): void {
    for (const { highest, missing } of this.#publishers.values()) {
      highest[connection] = 0;
      missing[connection] = 0;
    }
  }

  #columnsOf(publisher: number): PublisherColumns | undefined {
    const known = this.#publishers.get(publisher);
    if (known !== undefined || this.#publishers.size >= PUBLISHERS_LIMIT) return known;
    const columns = {
      first: new Uint32Array(this.#connections),
      highest: new Uint32Array(this.#connections),
      missing: new Uint32Array(this.#connections),
    };
    this.#publishers.set(publisher, columns);
    return columns;
  }

  #advance(tally: Tally, columns: PublisherColumns, connection: number, highest: number, seq: number): void {
    const step = seq - highest;
    tally.lost += step - 1;
    columns.highest[connection] = seq;
    const skipped = step > WINDOW ? 0xffff_ffff : 2 ** (step - 1) - 1;
    const shifted = step < WINDOW ? columns.missing[connection]! << step : 0;
    columns.missing[connection] = shifted | skipped;
  }

  #lookBack(tally: Tally, columns: PublisherColumns, connection: number, seq: number, dup: boolean): void {
    const behind = columns.highest[connection]! - seq - 1;
    if (behind >= WINDOW) {
      tally.outOfOrder++;
    } else if (behind < 0) {
      receivedAgain(tally, dup);
    } else if (seq < columns.first[connection]!) {
      this.#startEarlier(tally, columns, connection, seq);
    } else if ((columns.missing[connection]! & (1 << behind)) !== 0) {
      columns.missing[connection] = columns.missing[connection]! & ~(1 << behind);
      tally.lost--;
      tally.outOfOrder++;
    } else {
      receivedAgain(tally, dup);
    }
  }

  /** A message older than the first one seen: what lies between the two is missing as well. */
  #startEarlier(tally: Tally, columns: PublisherColumns, connection: number, seq: number): void {
    const highest = columns.highest[connection]!;
    tally.outOfOrder++;
    for (let between = seq + 1; between < columns.first[connection]!; between++) {
      columns.missing[connection] = columns.missing[connection]! | (1 << (highest - between - 1));
      tally.lost++;
    }
    columns.first[connection] = seq;
  }
}

function receivedAgain(tally: Tally, dup: boolean): void {
  if (dup) tally.redelivered++;
  else tally.duplicated++;
}
