/** Counts what became of the cases, and keeps the first of what should not have been. */

const problemsKept = 20;

export class Tally {
  cases = 0;
  connections = 0;
  writes = 0;
  bytes = 0;
  problemsTotal = 0;
  readonly problems: string[] = [];
  readonly #byKind = new Map<string, Map<string, number>>();

  count(kind: string, outcome: string): void {
    this.cases++;
    const outcomes = this.#byKind.get(kind) ?? new Map<string, number>();
    this.#byKind.set(kind, outcomes);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }

  problem(text: string): void {
    this.problemsTotal++;
    if (this.problems.length < problemsKept) this.problems.push(text);
  }

  /** How cases ended, all kinds together. */
  get outcomes(): Map<string, number> {
    const all = new Map<string, number>();
    for (const outcomes of this.#byKind.values()) {
      for (const [outcome, count] of outcomes) all.set(outcome, (all.get(outcome) ?? 0) + count);
    }
    return all;
  }

  /** A line for each outcome, and one for each kind. */
  lines(): string[] {
    const kinds = [...this.#byKind].sort(([a], [b]) => (a < b ? -1 : 1));
    return [
      'how cases ended',
      ...sorted(this.outcomes).map(([outcome, count]) => `  ${String(count).padStart(9)}  ${outcome}`),
      'kinds of cases',
      ...kinds.map(([kind, outcomes]) => {
        const total = [...outcomes.values()].reduce((sum, count) => sum + count, 0);
        const ends = sorted(outcomes).map(([outcome, count]) => `${outcome} ${count}`);
        return `  ${String(total).padStart(9)}  ${kind}: ${ends.join(', ')}`;
      }),
    ];
  }
}

function sorted(counts: Map<string, number>): [string, number][] {
  return [...counts].sort(([, a], [, b]) => b - a);
}
