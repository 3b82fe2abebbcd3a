import type { OperatedNode } from '../../gateway/operated-node.js';
import type { ReloadOutcome } from '../../gateway/reload/config-reload.js';

/** So many outcomes are remembered: operators ask for theirs at once. */
const outcomesMax = 16;

/** Reloads of the settings that operators have asked this node for. A question is answered at once, so they ask again. */
export class Reloads {
  readonly #node: OperatedNode;
  /** Those that have ended, by number. */
  readonly #outcomes = new Map<number, ReloadOutcome>();
  #last = 0;

  constructor(node: OperatedNode) {
    this.#node = node;
  }

  begin(): { number: number } {
    const number = ++this.#last;
    void this.#node.reload().then((outcome) => {
      this.#outcomes.set(number, outcome);
      this.#outcomes.delete(number - outcomesMax);
    });
    return { number };
  }

  /** Without an outcome while it is under way. */
  outcomeOf(number: number): { outcome?: ReloadOutcome } {
    const outcome = this.#outcomes.get(number);
    return outcome === undefined ? {} : { outcome };
  }
}
