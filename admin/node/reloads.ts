import type { OperatedNode } from '../../gateway/operated-node.js';
import type { ReloadOutcome } from '../../gateway/reload/config-reload.js';

/** So many outcomes are remembered: operators ask for theirs at once. */
const outcomesMax = 16;

/**
 * Reloads the settings of this node for operators, and remembers the outcomes. Operators ask for an outcome with a
 * second question, as each question is answered at once.
 */
export class Reloads {
  readonly #node: OperatedNode;
  /** The outcomes of the reloads that have ended, by the number of the reload. */
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

  /** @returns the outcome of a reload; none while the reload is under way */
  outcomeOf(number: number): { outcome: ReloadOutcome | undefined } {
    return { outcome: this.#outcomes.get(number) };
  }
}
