import type { Message } from '../message.js';
import { type Engine, isCarried, type OnOutcome, type OnPublication, type Wants } from './engine.js';

/** The engine of a single process: what is published comes back at once, by a direct call. */
export class EmbeddedEngine implements Engine {
  readonly carries = true;
  readonly trouble = undefined;
  readonly cluster = undefined;
  #onPublication: OnPublication = () => 0;

  async start(onPublication: OnPublication): Promise<void> {
    this.#onPublication = onPublication;
  }

  publish(message: Message, wants: Wants, onOutcome?: OnOutcome): number {
    const delivered = this.#onPublication(message);
    if (wants === 'count') onOutcome?.({ delivered, unanswered: 0, carried: 'yes' });
    else if (wants === 'carried') onOutcome?.(isCarried);
    return delivered;
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
