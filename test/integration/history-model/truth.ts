/** Least history of an id, by the settings. */
export interface Bounds {
  /** The last so many messages; 0 = none at all, for ids that begin with `none/`. */
  readonly messages: number;
  readonly ageMs: number;
  /** Of all ids together. */
  readonly bytesMax: number;
}

/** The server's clock of history ticks four times a second, or later on a machine that is busy. */
const ageSlackMs = 500;
/** Most bytes of a message, an id and the table of ids, besides payload and id. */
const entryBytesMax = 200;
const idBytesMax = 400;

export function isKept(id: string): boolean {
  return !id.startsWith('none/');
}

/** Messages published in one epoch: the texts of each id in order. An id has at most one send at a time. */
export class Truth {
  readonly bounds: Bounds;
  /** Ids with a publication under way. */
  readonly busy = new Set<string>();
  readonly #byId = new Map<string, Publications>();
  /** By the number that each text begins with. */
  readonly #byNumber = new Map<number, { id: string; offset: number; bytes: number }>();
  published = 0;
  #goneMs = 0;

  constructor(ids: readonly string[], bounds: Bounds) {
    this.bounds = bounds;
    for (const id of ids) this.#byId.set(id, new Publications(bounds.messages));
  }

  /** A publication begins. @returns its text, which no other has */
  begin(id: string, bytes: number): string {
    const number = ++this.published;
    const text = textOf(number, bytes);
    const publications = this.#byId.get(id)!;
    this.#byNumber.set(number, { id, offset: publications.begin(text.length), bytes });
    this.#noteOverflow();
    return text;
  }

  /** The send to an id is acknowledged. */
  done(id: string): void {
    this.busy.delete(id);
    this.#byId.get(id)!.done();
  }

  last(id: string): number {
    return this.#byId.get(id)!.last;
  }

  /** Undefined: it was never published to that id. */
  offsetOf(id: string, text: string): number | undefined {
    const number = Number(text.slice(0, text.indexOf(' ')));
    const found = this.#byNumber.get(number);
    return found?.id === id && text === textOf(number, found.bytes) ? found.offset : undefined;
  }

  /**
   * The last offset of an id that a server may have let go by now, for others of its id, for its age or for the bytes.
   */
  goneUpTo(id: string): number {
    const publications = this.#byId.get(id)!;
    if (!isKept(id)) return publications.last;
    const byCount = Math.max(0, publications.last - this.bounds.messages);
    const startedMs = performance.now() - this.bounds.ageMs + ageSlackMs;
    return Math.max(byCount, publications.goneByBytes, publications.startedBefore(startedMs));
  }

  /** The server says that it has nothing any more. */
  noteAllGone(): void {
    this.#goneMs = performance.now();
    for (const publications of this.#byId.values()) publications.gone = publications.last;
  }

  /** Whether it was gone when somebody asked for it. */
  wasGone(id: string, offset: number, askedMs: number): boolean {
    return offset <= this.#byId.get(id)!.gone && askedMs > this.#goneMs;
  }

  /** All messages until now may go if they may have exceeded the byte limit together. */
  #noteOverflow(): void {
    let bytes = 0;
    for (const [id, { bytesMost }] of this.#byId) bytes += isKept(id) ? bytesMost + idBytesMax : 0;
    if (bytes <= this.bounds.bytesMax) return;
    for (const publications of this.#byId.values()) publications.goneByBytes = publications.last;
  }
}

/** Those to one id, by offset. */
class Publications {
  goneByBytes = 0;
  /** That the server has said. */
  gone = 0;
  /** Most history of the id since the current send began. */
  bytesMost = 0;
  readonly #kept: number;
  readonly #startedMs: number[] = [];
  readonly #bytes: number[] = [];
  #bytesNow = 0;

  constructor(kept: number) {
    this.#kept = kept;
  }

  get last(): number {
    return this.#startedMs.length;
  }

  begin(bytes: number): number {
    this.#startedMs.push(performance.now());
    this.#bytes.push(bytes + entryBytesMax);
    this.#bytesNow += this.#bytes.at(-1)! - (this.#bytes.at(-1 - this.#kept) ?? 0);
    this.bytesMost = Math.max(this.bytesMost, this.#bytesNow);
    return this.last;
  }

  done(): void {
    this.bytesMost = this.#bytesNow;
  }

  /** @returns the last offset of those that began before that time */
  startedBefore(timeMs: number): number {
    let [from, to] = [0, this.last];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#startedMs[middle]! < timeMs) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

function textOf(number: number, bytes: number): string {
  return `${number} ${'x'.repeat(bytes)}`;
}
