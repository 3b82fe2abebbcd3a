/**
 * What the stamps tell about losses: for each pair of publisher and connection the highest seq and a window of the 32
 * before it, so that a late message is out of order and no longer lost. A gap is only seen when a later message comes:
 * what is lost at the very end shows when the messages received are compared with those msggen saw delivered.
 */
import { publisherBeganAfter, type Stamp } from '../msggen/stamp.js';

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
  lost = 0;
  duplicated = 0;
  outOfOrder = 0;
  /** Messages of publishers past the limit. */
  unaccounted = 0;
  readonly #connections: number;
  readonly #publishers = new Map<number, PublisherColumns>();

  constructor(connections: number) {
    this.#connections = connections;
  }

  get publishers(): Iterable<number> {
    return this.#publishers.keys();
  }

  record(connection: number, stamp: Stamp, loggedInUs: number, nowUs: number): void {
    const columns = this.#columnsOf(stamp.publisher);
    if (columns === undefined) {
      this.unaccounted++;
      return;
    }
    const { seq } = stamp;
    if (columns.highest[connection] === 0) {
      // Who was logged in before the publisher began must have had its seq 1; others join at any number.
      const first = publisherBeganAfter(stamp.publisher, loggedInUs, nowUs) ? 1 : seq;
      columns.first[connection] = first;
      this.#advance(columns, connection, first - 1, seq);
    } else if (seq > columns.highest[connection]!) {
      this.#advance(columns, connection, columns.highest[connection]!, seq);
    } else {
      this.#lookBack(columns, connection, seq);
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

  #advance(columns: PublisherColumns, connection: number, highest: number, seq: number): void {
    const step = seq - highest;
    this.lost += step - 1;
    columns.highest[connection] = seq;
    const skipped = step > WINDOW ? 0xffff_ffff : 2 ** (step - 1) - 1;
    const shifted = step < WINDOW ? columns.missing[connection]! << step : 0;
    columns.missing[connection] = shifted | skipped;
  }

  #lookBack(columns: PublisherColumns, connection: number, seq: number): void {
    const behind = columns.highest[connection]! - seq - 1;
    if (behind >= WINDOW) {
      this.outOfOrder++;
    } else if (behind < 0) {
      this.duplicated++;
    } else if (seq < columns.first[connection]!) {
      this.#startEarlier(columns, connection, seq);
    } else if ((columns.missing[connection]! & (1 << behind)) !== 0) {
      columns.missing[connection] = columns.missing[connection]! & ~(1 << behind);
      this.lost--;
      this.outOfOrder++;
    } else {
      this.duplicated++;
    }
  }

  /** A message older than the first one seen: what lies between the two is missing as well. */
  #startEarlier(columns: PublisherColumns, connection: number, seq: number): void {
    const highest = columns.highest[connection]!;
    this.outOfOrder++;
    for (let between = seq + 1; between < columns.first[connection]!; between++) {
      columns.missing[connection] = columns.missing[connection]! | (1 << (highest - between - 1));
      this.lost++;
    }
    columns.first[connection] = seq;
  }
}
