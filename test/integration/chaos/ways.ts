/** A time in which a way may lose messages, and why. */
export interface Break {
  readonly fromMs: number;
  /** Infinity while it lasts. */
  toMs: number;
  readonly why: string;
}

/** A time in which nothing is wrong with a way; it works from the first message on that has come in it. */
export interface Calm {
  readonly fromMs: number;
  readonly toMs: number;
  /** The outage that ended before it, if any. */
  readonly after: string;
}

/** From each node, where messages are published, to each, where they are read: when something was done to the way. */
export class Ways {
  readonly size: number;
  readonly #breaks: Break[][];

  constructor(size: number) {
    this.size = size;
    this.#breaks = Array.from({ length: size * size }, () => []);
  }

  /** @returns what ends it */
  begin(why: string, affects: (from: number, to: number) => boolean): () => void {
    const aBreak: Break = { fromMs: performance.now(), toMs: Number.POSITIVE_INFINITY, why };
    for (let from = 0; from < this.size; from++)
      for (let to = 0; to < this.size; to++) if (affects(from, to)) this.breaks(from, to).push(aBreak);
    return () => {
      aBreak.toMs = performance.now();
    };
  }

  /** One that is only known afterwards. @returns whether nothing else was wrong when it began */
  note(why: string, fromMs: number, toMs: number, affects: (from: number, to: number) => boolean): boolean {
    let isNew = false;
    for (let from = 0; from < this.size; from++) {
      for (let to = 0; to < this.size; to++) {
        if (!affects(from, to)) continue;
        isNew ||= this.reasons(from, to, fromMs, fromMs + 3_000).length === 0;
        this.breaks(from, to).push({ fromMs, toMs, why });
        this.breaks(from, to).sort((one, other) => one.fromMs - other.fromMs);
      }
    }
    return isNew;
  }

  breaks(from: number, to: number): Break[] {
    return this.#breaks[from * this.size + to]!;
  }

  /** In order; none where a break lasts. */
  calms(from: number, to: number): Calm[] {
    const calms: Calm[] = [];
    let fromMs = Number.NEGATIVE_INFINITY;
    let after = '';
    for (const aBreak of this.breaks(from, to)) {
      // They are in the order of their beginnings.
      if (aBreak.fromMs > fromMs) calms.push({ fromMs, toMs: aBreak.fromMs, after });
      if (aBreak.toMs > fromMs) {
        fromMs = aBreak.toMs;
        after = aBreak.why;
      }
    }
    if (fromMs < Number.POSITIVE_INFINITY) calms.push({ fromMs, toMs: Number.POSITIVE_INFINITY, after });
    return calms;
  }

  /** Outages between two times. */
  reasons(from: number, to: number, fromMs: number, toMs: number): string[] {
    return this.breaks(from, to)
      .filter((aBreak) => aBreak.fromMs <= toMs && aBreak.toMs >= fromMs)
      .map(({ why }) => why);
  }
}
