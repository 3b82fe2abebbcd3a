import type { Message } from '../message.js';
import type { Engine, OnPublication, Tally } from './engine.js';

/** The engine of a single process: what is published comes back at once, by a direct call. */
export class EmbeddedEngine implements Engine {
  readonly carries = true;
  readonly cluster = undefined;
  #onPublication: OnPublication = () => 0;

  async start(onPublication: OnPublication): Promise<void> {
    this.#onPublication = onPublication;
  }

  publish(message: Message): number {
    return this.#onPublication(message);
  }

  publishCounted(message: Message, onTally: (tally: Tally) => void): void {
    onTally({ delivered: this.#onPublication(message), unanswered: 0, carried: true });
  }

  publishAcknowledged(message: Message, onCarried: (carried: boolean) => void): void {
    this.#onPublication(message);
    onCarried(true);
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
