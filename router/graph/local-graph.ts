import type { EdgeOutcome, Graph } from './graph.js';
import type { EdgeChange, EdgesPage, FriendsGraph, FriendsPage, ListOfId } from './shared-graph.js';

/** The shape of `next` of a page, which is the graph's own number in base 36. */
const afterShape = /^[0-9a-z]{1,7}$/;
const afterMax = 0xffffffff;

/** The graph of one process, for callers that do not know where it is. */
export class LocalGraph implements FriendsGraph {
  readonly #graph: Graph;

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  async change(changes: readonly EdgeChange[]): Promise<EdgeOutcome[]> {
    const graph = this.#graph;
    const outcomes = changes.map(({ subscriber, subscribee, remove }) =>
      remove ? graph.remove(subscriber, subscribee) : graph.add(subscriber, subscribee),
    );
    await graph.stored();
    return outcomes;
  }

  async list(which: ListOfId, id: string, most: number, after: string): Promise<FriendsPage | undefined> {
    const number = numberOf(after);
    if (number === undefined) return undefined;
    const graph = this.#graph;
    const page =
      which === 'subscribers'
        ? graph.subscribersOf(id, most, number)
        : graph.subscriptionsOf(id, most, number);
    return { ...page, next: page.next?.toString(36) };
  }

  async edges(
    most: number,
    after: string,
    wants: (subscriber: string) => boolean,
  ): Promise<EdgesPage | undefined> {
    const number = numberOf(after);
    if (number === undefined) return undefined;
    const { edges, next } = this.#graph.edgesAfter(number, most, wants);
    return { count: this.#graph.edges, edges, next: next?.toString(36) };
  }
}

function numberOf(after: string): number | undefined {
  if (after === '') return -1;
  const number = afterShape.test(after) ? Number.parseInt(after, 36) : afterMax + 1;
  return number > afterMax ? undefined : number;
}
