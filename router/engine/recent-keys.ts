import type { Outcome } from './engine.js';

/** So long a repetition is known for one, as with the engine on Redis. */
const keptMs = 300_000;
/** Keys with their ids, and what is around them. */
const bytesMax = 8 * 1024 * 1024;
const entryBytes = 200;

/** What has become of messages with an Idempotency-Key, by id and key; the oldest make room. */
export class RecentKeys {
  readonly #outcomes = new Map<string, { outcome: Outcome; untilMs: number }>();
  #bytes = 0;

  /** @returns what became of the first with this key */
  get(id: string, key: string): Outcome | undefined {
    const found = this.#outcomes.get(nameOf(id, key));
    return found === undefined || found.untilMs < performance.now() ? undefined : found.outcome;
  }

  set(id: string, key: string, outcome: Outcome): void {
    const name = nameOf(id, key);
    this.#delete(name);
    this.#outcomes.set(name, { outcome, untilMs: performance.now() + keptMs });
    this.#bytes += name.length + entryBytes;
    for (const [oldest, { untilMs }] of this.#outcomes) {
      if (this.#bytes <= bytesMax && untilMs > performance.now()) return;
      this.#delete(oldest);
    }
  }

  #delete(name: string): void {
    if (this.#outcomes.delete(name)) this.#bytes -= name.length + entryBytes;
  }
}

function nameOf(id: string, key: string): string {
  return `${id.length}:${id}:${key}`;
}
