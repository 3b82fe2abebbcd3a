import { isKept, type Truth } from './truth.js';

/**
 * Where a reader stands in one id. `fresh`: nothing of the id has come since it was said that something may be gone,
 * and so what comes first may lie behind a gap, up to what may be gone.
 */
interface Place {
  readonly id: string;
  /** Of the last message that it has, or was told is gone. */
  offset: number;
  fresh: boolean;
  /** Of an id without history: what may have been sent before this connection was logged in. */
  before: number;
}

/** Where one reader stands, and whether what it is given may come next. Owns its cursor, as the server gave it. */
export class Position {
  readonly ids: readonly string[];
  /** Undefined where no id has history. */
  cursor: string | undefined;
  /** Messages that it was told are gone for good, or never was logged in for. */
  skipped = 0;
  readonly #places: readonly Place[];
  /** All its ids have history. */
  readonly #kept: boolean;
  /** Between two polls, what is sent to an id without history is nobody's. */
  readonly #polls: boolean;
  /** Announced in the stream by `lost`, and not come upon yet. */
  #lost = 0;
  /** Gaps of this connection that may have been announced by `lost`, or may have been something else. */
  #doubtful = 0;
  #truth: Truth;
  /** Of which the cursor is. */
  #cursorTruth: Truth;
  #askedMs = 0;
  readonly #fault: (what: string) => void;

  constructor(
    ids: readonly string[],
    cursor: string | undefined,
    polls: boolean,
    truth: Truth,
    fault: (what: string) => void,
  ) {
    this.ids = ids;
    this.cursor = cursor;
    this.#places = ids.map((id) => ({ id, offset: 0, fresh: false, before: 0 }));
    this.#kept = ids.every(isKept);
    this.#polls = polls;
    this.#truth = truth;
    this.#cursorTruth = truth;
    this.#fault = fault;
    if ((cursor === undefined) === ids.some(isKept)) fault(`has the cursor ${cursor}`);
  }

  /** A connection begins; what an earlier one had lost is given again. @param askedMs when it was asked for */
  start(recovered: boolean, truth: Truth, askedMs: number): void {
    this.#lost = 0;
    this.#doubtful = 0;
    this.#askedMs = askedMs;
    if (truth !== this.#truth) for (const place of this.#places) place.offset = 0;
    this.#truth = truth;
    if (this.cursor !== undefined) this.#judge(recovered);
    for (const place of this.#places) {
      place.before = isKept(place.id) ? 0 : truth.last(place.id);
      place.fresh = !isKept(place.id) || (!recovered && truth.goneUpTo(place.id) > place.offset);
    }
  }

  /** A poll without messages says how it stands. */
  nothing(recovered: boolean): void {
    if (this.cursor === undefined || recovered === this.#kept) return;
    this.#fault(`is told nothing and recovered: ${recovered} at ${this.#offsets}`);
  }

  lost(count: number): void {
    this.#lost += count;
  }

  /** @param cursor none where one answer holds several messages, and one cursor for all of them */
  message(id: string, text: string, cursor?: string): void {
    const place = this.#places.find((place) => place.id === id);
    const name = text.slice(0, 12);
    if (place === undefined) return this.#fault(`is given ${name} of ${id}, which it has not asked for`);
    const offset = this.#truth.offsetOf(id, text);
    if (offset === undefined) return this.#fault(`is given ${name} of ${id}, which nobody has sent there`);
    if (offset <= place.offset)
      this.#fault(`is given ${name} (${offset}) of ${id} again or late, behind ${place.offset}`);
    if (this.#truth.wasGone(id, offset, this.#askedMs))
      this.#fault(`is given ${name} of ${id}, which was gone`);
    this.#pass(place, offset - 1);
    place.fresh = false;
    place.offset = offset;
    if (cursor) this.checkpoint(cursor);
  }

  /** The server's word for where the reader is. */
  checkpoint(cursor: string): void {
    const offsets = cursor.split(':')[1]!.split(',').map(Number);
    for (const [index, place] of this.#places.entries()) {
      const offset = offsets[index]!;
      if (!isKept(place.id) ? offset !== 0 : offset < place.offset)
        this.#fault(`has ${this.#offsets} and the cursor ${cursor}`);
      if (!isKept(place.id) || offset <= place.offset) continue;
      this.#pass(place, offset);
      place.fresh = false;
      place.offset = offset;
    }
    this.cursor = cursor;
    this.#cursorTruth = this.#truth;
  }

  /** Whether it knows of this epoch. */
  isIn(truth: Truth): boolean {
    return this.#truth === truth;
  }

  /** Outstanding messages; negative if more losses were announced than happened. */
  missing(): number {
    let missing = -this.#lost;
    let doubtful = this.#doubtful;
    for (const place of this.#places) {
      const last = this.#truth.last(place.id);
      if (this.#polls && !isKept(place.id)) continue;
      const sure = Math.max(0, last - Math.max(place.offset, this.#goneUpTo(place)));
      doubtful += last - place.offset - sure;
      missing += sure;
    }
    return missing > 0 ? missing : Math.min(0, missing + doubtful);
  }

  get #offsets(): number[] {
    return this.#places.map(({ offset }) => offset);
  }

  #judge(recovered: boolean): void {
    if (this.#truth !== this.#cursorTruth) {
      if (recovered) this.#fault('is told recovered: true by another epoch');
    } else if (!this.#kept) {
      if (recovered) this.#fault('is told recovered: true, and nobody knows what it missed');
    } else if (!recovered && !this.#places.some(({ id, offset }) => this.#truth.goneUpTo(id) > offset)) {
      this.#fault(`is told recovered: false at ${this.#offsets}`);
    }
  }

  /** Nothing up to this offset will come any more, as something behind it has. */
  #pass(place: Place, offset: number): void {
    const behind = Math.min(offset, this.#goneUpTo(place));
    const doubtful = Math.max(0, behind - place.offset);
    const sure = offset - Math.max(place.offset, behind);
    this.#doubtful += doubtful;
    this.skipped += doubtful;
    if (sure <= 0) return;
    this.#lost -= sure;
    if (this.#lost < 0)
      this.#fault(`has a gap of ${place.id} from ${place.offset} to ${offset + 1}, and was not told`);
  }

  /** Messages that this connection may omit without `lost`. */
  #goneUpTo({ id, fresh, before }: Place): number {
    if (!fresh) return 0;
    return isKept(id) ? this.#truth.goneUpTo(id) : before;
  }
}
