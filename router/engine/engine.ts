import type { Message } from '../message.js';
import type { Retained } from '../retained.js';
import type { Cluster } from './cluster.js';

/** Called by the engine for each message this node should deliver. @returns how many subscribers took it */
export type OnPublication = (message: Message) => number;

/** Called by the engine for a retained message that no subscriber is to get by this: it is kept. */
export type OnRetained = (message: Message) => void;

/** What is retained on this node, for an engine that brings it to where the other nodes are. No subscriber is told. */
export type RetainedCopy = Pick<Retained, 'keep' | 'forget' | 'walk'>;

/** How many took a message, on all nodes that could be asked. */
export interface Tally {
  /** Subscribers that took it, on this node and on those that answered. */
  delivered: number;
  /** Nodes that did not answer in time: `delivered` is at least this many nodes short. */
  unanswered: number;
  /** False: it went to this node's own subscribers alone, as the others cannot be reached. */
  carried: boolean;
}

/**
 * The seam between the router and what carries messages between processes. Nothing above it knows which
 * engine it has.
 *
 * Order: messages of one publisher for one id come back in the order of `publish`, on every node. At most once.
 * Buffers: the message belongs to nobody and is written to by nobody after `publish`.
 * Errors: `start` and `stop` may reject; nothing else ever throws or rejects.
 */
export interface Engine {
  /** Once, before anything else. @param retained without it the engine brings nothing that was retained before */
  start(onPublication: OnPublication, onRetained: OnRetained, retained?: RetainedCopy): Promise<void>;
  /**
   * Hands a message to every node with interest. @returns how many subscribers on this node took it; 0 also where it
   * takes a way that comes back later
   */
  publish(message: Message): number;
  /** `publish`, and counts those who took it on all nodes; called back once, maybe before this returns. */
  publishCounted(message: Message, onTally: (tally: Tally) => void): void;
  /**
   * `publish`, and calls back once it is known whether the message is with what carries it to the other nodes, maybe
   * before this returns. False: it may come all the same, but nobody answers for it; its publisher is to send it again.
   */
  publishAcknowledged(message: Message, onCarried: (carried: boolean) => void): void;
  /** False while what is published reaches this node's own subscribers alone. */
  readonly carries: boolean;
  /** This node has a first subscriber for the id or filter. */
  addInterest(filter: string): void;
  /** This node has lost its last subscriber for the id or filter. */
  removeInterest(filter: string): void;
  /**
   * Calls back when there is interest on all nodes in what was added before, so that whatever is published from then on
   * comes, or when that cannot be known. Before it returns where there is nothing to wait for.
   */
  whenInterested(ready: () => void): void;
  /** The other nodes, where there may be any. */
  readonly cluster: Cluster | undefined;
  /** Its own numbers, plain data for operators; undefined where it has none. */
  stats(): object | undefined;
  stop(): Promise<void>;
}
