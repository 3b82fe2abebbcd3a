/**
 * The place of one connection in each of its ids. On the wire a cursor is `epoch:offset,offset`, in the order of the
 * ids in the request. Here each id has its own place, so that ids can be added and removed in any order.
 */

export interface Place {
  /** Epoch of the history. Offsets of two epochs cannot be compared. */
  readonly epoch: string;
  readonly offset: number;
}

export interface Progress {
  place: Place | undefined;
  /** Where to begin while there is no place. */
  since: string | undefined;
  /** The server gave no cursor: the id has no history. */
  bare: boolean;
  /** The place was not recovered: the next one counts, even if it is lower. */
  loose: boolean;
  /** The current request asks for the id. Otherwise its messages are not for this connection yet. */
  live: boolean;
}

/** @returns undefined for a text that is no cursor of `count` ids */
export function splitCursor(cursor: string, count: number): Place[] | undefined {
  const [, epoch, offsets] = /^([\w-]{1,32}):([\d,]+)$/.exec(cursor) ?? [];
  const each = offsets?.split(',') ?? [];
  if (each.length !== count || each.includes('')) return undefined;
  return each.map((offset) => ({ epoch: epoch!, offset: Number(offset) }));
}

/** @param places all of one epoch; undefined = the beginning of the history */
export function joinCursor(places: readonly (Place | undefined)[]): string | undefined {
  const epoch = places.find((place) => place !== undefined)?.epoch;
  return epoch && `${epoch}:${places.map((place) => place?.offset ?? 0).join()}`;
}

export class Places {
  readonly #byId = new Map<string, Progress>();

  get ids(): string[] {
    return [...this.#byId.keys()];
  }

  /** Also undefined while an id has no place yet, and where places are of several epochs. */
  get cursor(): string | undefined {
    const all = [...this.#byId.values()];
    const epochs = new Set(all.map(({ place, bare }) => (bare ? undefined : (place?.epoch ?? ''))));
    epochs.delete(undefined);
    return epochs.size === 1 ? joinCursor(all.map(({ place }) => place)) : undefined;
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

  /** Whether a message at this place has not been handled. */
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

  /** Moves forward only, within an epoch. @returns whether it has moved */
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

  /** The messages that `since` asked for have arrived. */
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
