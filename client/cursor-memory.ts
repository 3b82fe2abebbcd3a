/**
 * Keeps the cursor over a reload of the page, in sessionStorage: each tab has its own. A cursor is good for the same
 * server and the same ids in the same order alone, so these are kept with it.
 */

export interface CursorStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export class CursorMemory {
  readonly #storage: CursorStorage | undefined;
  readonly #key: string;
  readonly #owner: string;

  constructor(key: string, url: string, ids: readonly string[], storage = sessionStorageIfAny()) {
    this.#storage = storage;
    this.#key = key;
    this.#owner = JSON.stringify([url, ...ids]);
  }

  read(): string | undefined {
    try {
      const kept = JSON.parse(this.#storage?.getItem(this.#key) ?? 'null') as Kept | null;
      return kept?.owner === this.#owner ? kept.cursor : undefined;
    } catch {
      return undefined; // not ours
    }
  }

  keep(cursor: string): void {
    try {
      this.#storage?.setItem(this.#key, JSON.stringify({ owner: this.#owner, cursor } satisfies Kept));
    } catch {
      // Full, or forbidden: then a reload begins anew.
    }
  }

  forget(): void {
    try {
      this.#storage?.removeItem(this.#key);
    } catch {
      // As above.
    }
  }
}

interface Kept {
  readonly owner: string;
  readonly cursor: string;
}

/** A page that may not have any throws on the mere look at it; Node has none. */
function sessionStorageIfAny(): CursorStorage | undefined {
  try {
    return (globalThis as { sessionStorage?: CursorStorage }).sessionStorage;
  } catch {
    return undefined;
  }
}
