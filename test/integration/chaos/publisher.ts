import type { SeededRandom } from '../../seeded-random.js';
import type { WorldNode } from './world.js';

export interface Send {
  /** `publisher:number`, the message itself. */
  readonly text: string;
  readonly publisher: number;
  readonly number: number;
  readonly id: string;
  /** Where it was published. */
  readonly node: number;
  readonly startMs: number;
  endMs: number;
  /** 200; 503; 504, or 0 for no answer: nobody knows whether it was published. */
  status: number;
  delivered: number;
  unanswered: number;
}

/** Sends one message after the other through one node, each when the last one was answered. */
export class Publisher {
  readonly sends: Send[] = [];
  readonly #index: number;
  readonly #node: WorldNode;
  readonly #ids: readonly string[];
  readonly #random: SeededRandom;
  readonly #pauseMs: number;
  #stopped = false;
  readonly #done: Promise<void>;

  constructor(index: number, node: WorldNode, ids: readonly string[], random: SeededRandom, pauseMs: number) {
    this.#index = index;
    this.#node = node;
    this.#ids = ids;
    this.#random = random;
    this.#pauseMs = pauseMs;
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#send(this.#random.pick(this.#ids));
      await new Promise((resolve) => setTimeout(resolve, this.#random.below(2 * this.#pauseMs)));
    }
  }

  async #send(id: string): Promise<void> {
    const number = this.sends.length;
    const send: Send = {
      text: `${this.#index}:${number}`,
      publisher: this.#index,
      number,
      id,
      node: this.#node.index,
      startMs: performance.now(),
      endMs: Number.POSITIVE_INFINITY,
      status: 0,
      delivered: 0,
      unanswered: 0,
    };
    this.sends.push(send);
    try {
      const response = await fetch(`${this.#node.apiUrl}/send/${id}`, { method: 'POST', body: send.text });
      const { delivered, unanswered = 0 } = (await response.json()) as {
        delivered: number;
        unanswered?: number;
      };
      Object.assign(send, { status: response.status, delivered, unanswered });
    } catch {
      // the node is down, or went down before it answered
    }
    send.endMs = performance.now();
  }
}
