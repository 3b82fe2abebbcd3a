import type { CellHandle, Cells } from './cells.js';
import { entry, ring } from './layout.js';

/** The rings of one rule, in the order of their last publication; `oldest` goes first. The links are in the rings. */
export class Recency {
  readonly #cells: Cells;
  oldest: CellHandle = 0;
  newest: CellHandle = 0;

  constructor(cells: Cells) {
    this.#cells = cells;
  }

  add(added: CellHandle): void {
    const cells = this.#cells;
    cells.setWord(added, ring.older, this.newest);
    cells.setWord(added, ring.newer, 0);
    if (this.newest === 0) this.oldest = added;
    else cells.setWord(this.newest, ring.newer, added);
    this.newest = added;
  }

  remove(removed: CellHandle): void {
    const cells = this.#cells;
    const older = cells.word(removed, ring.older);
    const newer = cells.word(removed, ring.newer);
    if (older === 0) this.oldest = newer;
    else cells.setWord(older, ring.newer, newer);
    if (newer === 0) this.newest = older;
    else cells.setWord(newer, ring.older, older);
  }

  touch(touched: CellHandle): void {
    if (touched === this.newest) return;
    this.remove(touched);
    this.add(touched);
  }
}

/** The ring of all rules that was published to longest ago, except for the newest of each rule; 0 = none. */
export function leastRecent(recencies: readonly Recency[], cells: Cells, besides: CellHandle): CellHandle {
  let found: CellHandle = 0;
  for (const { oldest } of recencies) {
    if (oldest === 0 || oldest === besides) continue;
    if (found === 0 || publishedAt(cells, oldest) < publishedAt(cells, found)) found = oldest;
  }
  return found;
}

/** Place of an id's last message among those of all ids. */
function publishedAt(cells: Cells, owner: CellHandle): number {
  return cells.double(cells.word(owner, ring.newest), entry.sequence);
}
