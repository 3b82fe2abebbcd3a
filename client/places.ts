/**
 * Cursor bookkeeping of one connection: where it stands in each of its ids. On the wire a cursor is
 * `epoch:offset,offset`, in the order in which the ids are asked for; here each id has its own place, so that the order
 * does not matter, and ids can come and go.
 */

export interface Place {
  /** Of the history that the offset belongs to: offsets of two epochs cannot be compared. */
  readonly epoch: string;
  readonly offset: number;
}

export interface Progress {
  place: Place | undefined;
  /** From where to begin while there is no place. */
  since: string | undefined;
  /** The server was asked, and gave no cursor: nothing is kept of this id. */
  bare: boolean;
  /** The place was not recovered: the next one is right, even where it is a lower one. */
  loose: boolean;
  /** The request that is under way asks for it; else what it brings is not for this connection yet. */
  live: boolean;
}

/** @returns undefined where it is none for so many ids */
export function parseCursor(cursor: string, count: number): Place[] | undefined {
  const [, epoch, offsets] = /^([\w-]{1,32}):([\d,]+)$/.exec(cursor) ?? [];
  const each = offsets?.split(',') ?? [];
  if (each.length !== count || each.includes('')) return undefined;
  return each.map((offset) => ({ epoch: epoch!, offset: Number(offset) }));
}

/** Of ids that are all in one epoch; an id without a place stands at its beginning. */
export function formatCursor(places: readonly (Place | undefined)[]): string | undefined {
  const epoch = places.find((place) => place !== undefined)?.epoch;
  return epoch && `${epoch}:${places.map((place) => place?.offset ?? 0).join()}`;
}

export class Places {
  readonly #byId = new Map<string, Progress>();

  get ids(): string[] {
    return [...this.#byId.keys()];
  }

  /** Undefined, too, while an id has just been added, and where places are of several epochs. */
  get cursor(): string | undefined {
    const all = [...this.#byId.values()];
    const epochs = new Set(all.map(({ place, bare }) => (bare ? undefined : (place?.epoch ?? ''))));
    epochs.delete(undefined);
    return epochs.size === 1 ? formatCursor(all.map(({ place }) => place)) : undefined;
  }

  get(id: string): Readonly<Progress> | undefined {
    return this.#byId.get(id);
  }

  add(id: string, since: string | undefined, place?: Place): void {
    this.#byId.set(id, { place, since, bare: false, loose: false, live: false });
  }

  remove(id: string): boolean {
    return this.#byId.delete(id);
  }

  /** What stands at or before the place has been handled. */
  isNew(id: string, { epoch, offset }: Place): boolean {
    const { place, loose } = this.#byId.get(id)!;
    return loose || place === undefined || place.epoch !== epoch || place.offset < offset;
  }

  /** @returns the cursor behind a message, before the message is handled */
  behind(id: string, place: Place | undefined): string | undefined {
    const standing = this.#byId.get(id);
    if (place === undefined || standing === undefined) return this.cursor;
    const before = standing.place;
    standing.place = place;
    const { cursor } = this;
    standing.place = before;
    return cursor;
  }

  /** Never back within an epoch. @returns whether it has moved */
  move(id: string, place: Place): boolean {
    const standing = this.#byId.get(id);
    if (standing === undefined || !this.isNew(id, place)) return false;
    Object.assign(standing, { place, since: undefined, bare: false, loose: false });
    return true;
  }

  setBare(id: string): void {
    const standing = this.#byId.get(id);
    if (standing !== undefined) Object.assign(standing, { since: undefined, bare: true });
  }

  /** Begun: what `since` asked for has been given. */
  begin(id: string): void {
    const standing = this.#byId.get(id);
    if (standing !== undefined) standing.since = undefined;
  }

  loosen(): void {
    for (const standing of this.#byId.values()) standing.loose = true;
  }

  setLive(): void {
    for (const standing of this.#byId.values()) standing.live = true;
  }

  forget(): void {
    for (const standing of this.#byId.values()) standing.place = undefined;
  }
}
