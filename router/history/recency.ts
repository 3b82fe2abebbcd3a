import type { CellHandle, Cells } from './cells.js';
import { ring } from './layout.js';

/** The rings of one rule, in the order of their last publication: the first to go is `oldest`. The links are in the rings. */
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
