import type { GroupCommit } from '../../store/group-commit.js';
import type { Message } from '../message.js';
import { type Engine, isCarried, type OnPublication, type Outcome, type Wants } from './engine.js';

/** The engine of a single process: what is published comes back at once, by a direct call. */
export class EmbeddedEngine implements Engine {
  readonly #commits: Pick<GroupCommit, 'problem' | 'isBehind'> | undefined;
  readonly cluster = undefined;
  readonly #recentKeys = new RecentKeys();
  #onPublication: OnPublication = () => 0;

  /** @param commits what is published waits for these; undefined = nothing is kept on disk */
  constructor(commits?: Pick<GroupCommit, 'problem' | 'isBehind'>) {
    this.#commits = commits;
  }

  get trouble(): string | undefined {
    return this.#commits?.problem;
  }

  get isBehind(): boolean {
    return this.#commits?.isBehind === true;
  }

  async start(onPublication: OnPublication): Promise<void> {
    this.#onPublication = onPublication;
  }

  publish(message: Message, wants?: Wants): number {
    if (wants === undefined) return this.#onPublication(message);
    const { idempotencyKey = '' } = wants;
    if (idempotencyKey !== '') return this.#publishOnce(message, wants, idempotencyKey);
    const delivered = this.#onPublication(message);
    wants.onOutcome(wants.count === true ? { delivered, unanswered: 0, carried: 'yes' } : isCarried);
    return delivered;
  }

  #publishOnce(message: Message, wants: Wants, key: string): number {
    const { id } = message;
    const first = this.#recentKeys.get(id, key);
    if (first !== undefined) {
      wants.onOutcome({ ...first, repeated: true });
      return 0;
    }
    const outcome: Outcome = { delivered: this.#onPublication(message), unanswered: 0, carried: 'yes' };
    this.#recentKeys.set(id, key, outcome);
    wants.onOutcome(outcome);
    return outcome.delivered;
  }

  addInterest(): void {}

  removeInterest(): void {}

  whenInterested(ready: () => void): void {
    ready();
  }

  stats(): undefined {}

  async stop(): Promise<void> {
    this.#onPublication = () => 0;
  }
}

/** A message with the same key within this time is a repetition; the engine on Redis has the same time. */
const keptMs = 300_000;
/** The memory for keys, with their ids and about 200 bytes around each. */
const bytesMax = 8 * 1024 * 1024;
const entryBytes = 200;

/** Outcomes of messages with an Idempotency-Key, by id and key; the oldest make room. */
export class RecentKeys {
  readonly #outcomes = new Map<string, { outcome: Outcome; untilMs: number }>();
  #bytes = 0;

  /** @returns the outcome of the first message with this key */
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
