import { ask, batchOf } from '../../gateway/raw-wire.js';
import type { GatewayProcess } from '../../gateway-process.js';
import type { SeededRandom } from '../../seeded-random.js';
import type { NodesTruth } from './nodes-truth.js';

/** Publishes to any node, one by one and in batches; never twice at once to one id. */
export class NodesPublisher {
  readonly #random: SeededRandom;
  readonly #truth: NodesTruth;
  /** A node that is up; undefined = none is. */
  readonly #node: () => GatewayProcess | undefined;

  constructor(random: SeededRandom, truth: NodesTruth, node: () => GatewayProcess | undefined) {
    this.#random = random;
    this.#truth = truth;
    this.#node = node;
  }

  one(id: string): void {
    this.batch([id], 1, this.#random.pick([10, 100, 5000]));
  }

  batch(ids: readonly string[], count: number, bytes: number): void {
    const node = this.#node();
    const free = ids.filter((id) => !this.#truth.busy.has(id));
    if (free.length === 0 || node === undefined) return;
    const messages = Array.from({ length: count }, () => {
      const id = this.#random.pick(free);
      return { id, data: this.#truth.begin(id, bytes) };
    });
    for (const id of free) this.#truth.busy.add(id);
    const beganMs = performance.now();
    void this.#send(node, messages).then((carried) => {
      for (const { id, data } of messages) this.#truth.answered(id, data, beganMs);
      if (!carried) for (const { id, data } of messages) this.#truth.doubt(id, [data]);
      for (const id of free) this.#truth.done(id);
    });
  }

  /** @returns false where it is not known of each that it is stored */
  async #send(node: GatewayProcess, messages: readonly { id: string; data: string }[]): Promise<boolean> {
    const [first] = messages;
    const single = messages.length === 1;
    const [path, body] = single ? [`/send/${first!.id}`, first!.data] : ['/send', batchOf(messages)];
    try {
      const answer = await ask(node.apiPort, path, { method: 'POST', body });
      if (![200, 503, 504].includes(answer.status)) throw new RangeError(`${answer.status}: ${answer.text}`);
      return answer.status === 200;
    } catch (error) {
      if (error instanceof RangeError) throw error;
      return false; // the node was killed
    }
  }
}
