import type { Message } from '../message.js';
import type { EdgeOutcome } from './graph.js';

/** A change of the graph: an edge that is to be there, or to be gone. */
export interface EdgeChange {
  readonly subscriber: string;
  readonly subscribee: string;
  readonly remove: boolean;
}

/** A page of a list of ids. */
export interface FriendsPage {
  /** Length of the whole list. */
  readonly count: number;
  readonly ids: string[];
  /** The `after` of the next page; undefined on the last one. */
  readonly next: string | undefined;
}

export interface EdgesPage {
  /** Edges of the whole graph. */
  readonly count: number;
  readonly edges: (readonly [subscriber: string, subscribee: string])[];
  readonly next: string | undefined;
}

export type ListOfId = 'subscribers' | 'subscriptions';

/**
 * The friends graph as its callers see it, wherever it is. test/contracts/friends-graph.ts says what holds for each.
 *
 * Order: changes of one call are made in order. Pages: an edge that is there from the first page to the last is in
 * exactly one of them. Errors: what is away or full rejects with a sentence; changes may be repeated then.
 */
export interface FriendsGraph {
  /** Resolves when the changes are in effect on all nodes, and kept. @param changes of valid ids */
  change(changes: readonly EdgeChange[]): Promise<EdgeOutcome[]>;
  /** @param after `next` of the page before, '' at the beginning @returns undefined where no page had this `next` */
  list(which: ListOfId, id: string, most: number, after: string): Promise<FriendsPage | undefined>;
  /** Reads edges of whole subscribers, `most` or a few more; a page may be empty and have a `next`. @param after as in `list` */
  edges(most: number, after: string, wants: (subscriber: string) => boolean): Promise<EdgesPage | undefined>;
}

/** The result of copies of one message for some followers. */
export interface CopiesOutcome {
  readonly delivered: number;
  /** Nodes that did not say in time how many took it. */
  readonly unanswered: number;
}

/** A friends graph that all nodes have together. */
export interface SharedGraph extends FriendsGraph {
  /** Ids and edges as they were a few seconds ago; 0 before they are known. */
  readonly counts: { readonly ids: number; readonly edges: number };
  /** Most ids that `copy` takes. */
  readonly copiesMax: number;
  /**
   * Sends a message to ids that follow its `about`, on all nodes: each subscriber takes it once in a send.
   * Rejects where Redis is away or refuses: some of them may have it.
   * @param message under any id, with `about` and `send` among its properties
   */
  copy(message: Message, followers: readonly string[]): Promise<CopiesOutcome>;
}
