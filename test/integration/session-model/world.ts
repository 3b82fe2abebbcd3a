import type { SeededRandom } from '../../seeded-random.js';
import type { InboxLimits } from './inbox.js';
import { Publication } from './publication.js';

export const topics = ['t/a', 't/b', 't/c/d'];
export const filters = [...topics, 't/+', 't/#', '#', '+/b', 't/+/d'];

/** State of all clients of one run: the clock of the model, the messages in flight, and the faults. */
export class World {
  readonly port: number;
  readonly random: SeededRandom;
  readonly limits: InboxLimits;
  readonly faults: string[] = [];
  /** The server is being stopped: what happens now means nothing. */
  over = false;
  /** By payload; those of rounds that are over are gone, and must not come any more. */
  readonly publications = new Map<string, Publication>();
  readonly counts = { steps: 0, connects: 0, takeovers: 0, drops: 0, published: 0, received: 0, repeated: 0 };
  #now = 0;
  #seq = 0;

  constructor(port: number, random: SeededRandom, limits: InboxLimits) {
    this.port = port;
    this.random = random;
    this.limits = limits;
  }

  /** A step of the clock: of two things that are told apart by it, the one with the lower number was first. */
  now(): number {
    return ++this.#now;
  }

  publication(publisher: string): Publication {
    const { random } = this;
    const made = new Publication(publisher, ++this.#seq, random.pick(topics), random.below(3), this.now());
    this.publications.set(made.text, made);
    this.counts.published++;
    return made;
  }

  fault(text: string, trace: readonly string[]): void {
    if (this.faults.length < 10 && !this.over) this.faults.push(`${text}\n    ${trace.join('\n    ')}`);
  }
}
