import type { Message } from '../message.js';
import {
  type Engine,
  isCarried,
  type OnOutcome,
  type OnPublication,
  type Outcome,
  type Wants,
} from './engine.js';
import { RecentKeys } from './recent-keys.js';

/** The engine of a single process: what is published comes back at once, by a direct call. */
export class EmbeddedEngine implements Engine {
  readonly trouble = undefined;
  readonly cluster = undefined;
  readonly #recentKeys = new RecentKeys();
  #onPublication: OnPublication = () => 0;

  async start(onPublication: OnPublication): Promise<void> {
    this.#onPublication = onPublication;
  }

  publish(message: Message, wants: Wants, onOutcome?: OnOutcome, idempotencyKey = ''): number {
    if (idempotencyKey !== '') return this.#publishOnce(message, onOutcome, idempotencyKey);
    const delivered = this.#onPublication(message);
    if (wants === 'count') onOutcome?.({ delivered, unanswered: 0, carried: 'yes' });
    else if (wants === 'carried') onOutcome?.(isCarried);
    return delivered;
  }

  #publishOnce(message: Message, onOutcome: OnOutcome | undefined, key: string): number {
    const { id } = message;
    const first = this.#recentKeys.get(id, key);
    if (first !== undefined) {
      onOutcome?.({ ...first, repeated: true });
      return 0;
    }
    const outcome: Outcome = { delivered: this.#onPublication(message), unanswered: 0, carried: 'yes' };
    this.#recentKeys.set(id, key, outcome);
    onOutcome?.(outcome);
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
