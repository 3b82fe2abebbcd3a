/** Of one second, ids; past it what two nodes publish in that moment is not noticed. */
const idsMax = 100_000;
const disputedMax = 10_000;

/**
 * Ids that two nodes have published retained messages to within a moment: one node may have heard them in another
 * order than the next one, and would keep another message for good. The order of the stream decides, once it is known.
 *
 *     note 1, note 2 ──> disputed ──(a second)──> due ──> settled, unless something comes for it meanwhile
 */
export class RetainedDisputes {
  /** By id the run of who published last; two generations of a second each. */
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  #disputed = new Set<string>();
  #due = new Set<string>();
  #settling: string | undefined;
  readonly #idsMax: number;

  constructor(max = idsMax) {
    this.#idsMax = max;
  }

  /** A retained message has come, or gone out, last. @param run of its publisher */
  note(id: string, run: number): void {
    const last = this.#young.get(id) ?? this.#old.get(id);
    if (this.#young.size < this.#idsMax || this.#young.has(id)) this.#young.set(id, run);
    // What has just come may not be in the stream yet.
    const again = this.#due.delete(id) || this.#settling === id;
    if (this.#settling === id) this.#settling = undefined;
    if ((again || (last !== undefined && last !== run)) && this.#disputed.size < disputedMax)
      this.#disputed.add(id);
  }

  /** Once a second. @returns whether something is due */
  age(): boolean {
    this.#old = this.#young;
    this.#young = new Map();
    for (const id of this.#disputed) this.#due.add(id);
    this.#disputed = new Set();
    return this.#due.size > 0;
  }

  /** The next one to be settled; `holds` says whether what was found for it may be kept. */
  next(): { id: string; holds: () => boolean } | undefined {
    const [id] = this.#due;
    if (id === undefined) return undefined;
    this.#due.delete(id);
    this.#settling = id;
    return { id, holds: () => this.#settling === id };
  }
}
