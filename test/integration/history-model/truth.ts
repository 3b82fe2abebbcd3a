/** What was published in one epoch: of each id its texts in order, as no two publications to one id are under way at once. */
export class Truth {
  /** A message of an id has its place here, less 1, as its offset; entered as its publication begins. */
  readonly texts = new Map<string, string[]>();
  readonly offsets = new Map<string, number>();
  /** Ids with a publication under way. */
  readonly busy = new Set<string>();
  readonly #kept: number;

  /** @param kept of each id, by the server's rules */
  constructor(ids: readonly string[], kept: number) {
    this.#kept = kept;
    for (const id of ids) this.texts.set(id, []);
  }

  begin(id: string, text: string): void {
    const texts = this.texts.get(id)!;
    texts.push(text);
    this.offsets.set(`${id} ${text}`, texts.length);
  }

  last(id: string): number {
    return this.texts.get(id)!.length;
  }

  /** Undefined: it was never published to that id. */
  offsetOf(id: string, text: string): number | undefined {
    return this.offsets.get(`${id} ${text}`);
  }

  /** Whether something behind this offset may be gone. */
  mayMiss(id: string, offset: number): boolean {
    return offset + this.#kept < this.last(id);
  }
}
