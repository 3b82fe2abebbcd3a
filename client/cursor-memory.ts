import { type Place, splitCursor } from './places.js';

/**
 * Keeps the places of a connection over a reload of the page, in sessionStorage, which each tab has for itself. One key
 * has a place for each id of each server: `{"<url>":{"<id>":"epoch:offset"}}`. So the order of the ids does not matter,
 * and several connections can use one key. Of two connections with a common id, the place of the slower one is kept.
 */

export interface CursorStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

type Kept = Record<string, Record<string, string>>;

/** The memories in use in this page. */
const memories = new Set<CursorMemory>();

export class CursorMemory {
  readonly #storage: CursorStorage | undefined;
  readonly #key: string;
  readonly #url: string;
  readonly #places = new Map<string, Place>();
  /** A remembered place could not be read. */
  unreadable = false;

  constructor(key: string, url: string, storage = sessionStorageIfAny()) {
    this.#storage = storage;
    this.#key = key;
    this.#url = url;
    memories.add(this);
  }

  read(id: string): Place | undefined {
    const kept = this.#load()[this.#url];
    if (kept === undefined || !Object.hasOwn(kept, id)) return undefined;
    const [place] = splitCursor(String(kept[id]), 1) ?? [];
    if (place === undefined) this.unreadable = true;
    else this.#places.set(id, place);
    return place;
  }

  /** @param place undefined = forget the id */
  keep(id: string, place: Place | undefined): void {
    if (place === undefined) this.#places.delete(id);
    else this.#places.set(id, place);
    const all = this.#load();
    const kept = Object.assign(Object.create(null), all[this.#url]);
    const slowest = this.#slowest(id);
    if (slowest === undefined) delete kept[id];
    else kept[id] = `${slowest.epoch}:${slowest.offset}`;
    try {
      this.#storage?.setItem(this.#key, JSON.stringify({ ...all, [this.#url]: kept }));
    } catch {
      // The storage is full or forbidden: then a reload begins anew.
    }
  }

  close(): void {
    memories.delete(this);
  }

  #slowest(id: string): Place | undefined {
    let slowest = this.#places.get(id);
    for (const other of memories) {
      if (other.#storage !== this.#storage || other.#key !== this.#key || other.#url !== this.#url) continue;
      const place = other.#places.get(id);
      if (place && (!slowest || (place.epoch === slowest.epoch && place.offset < slowest.offset)))
        slowest = place;
    }
    return slowest;
  }

  #load(): Kept {
    try {
      const text = this.#storage?.getItem(this.#key) ?? '{}';
      const kept = JSON.parse(text) as Kept;
      if (isRecord(kept) && Object.values(kept).every(isRecord)) return kept;
    } catch {
      // Not JSON.
    }
    this.unreadable = true;
    return {};
  }
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Where a page may not use sessionStorage, reading the property throws. Node has none. */
function sessionStorageIfAny(): CursorStorage | undefined {
  try {
    return (globalThis as { sessionStorage?: CursorStorage }).sessionStorage;
  } catch {
    return undefined;
  }
}
