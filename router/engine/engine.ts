import type { Message } from '../message.js';
import type { Retained } from '../retained.js';
import type { ClientRegistry, Cluster } from './cluster.js';

/** Called by the engine for each message this node should deliver. @returns how many subscribers took it */
export type OnPublication = (message: Message) => number;

/** What is retained on this node, for an engine that brings it there from the other nodes. No subscriber is told. */
export type RetainedCopy = Pick<Retained, 'keep' | 'forget' | 'walk'>;

/** What a publisher wants of its message, besides that it is sent. */
export interface Wants {
  /** Told whether it is carried to the other nodes. */
  readonly onOutcome: OnOutcome;
  /** Also how many took it, on all nodes. */
  readonly count?: boolean;
  /** Of all messages to the id with the same one within 5 minutes one is sent; '' = none. */
  readonly idempotencyKey?: string;
}

/** What has become of a message. Shared: read, never write. */
export interface Outcome {
  /** Subscribers that took it, on this node and on those that answered; 0 where nobody asked for the count. */
  readonly delivered: number;
  /** Nodes that did not answer in time: `delivered` is at least this many nodes short. */
  readonly unanswered: number;
  /**
   * Whether it is with what carries it to the other nodes. `no`: it never will be, and its publisher is to send it again.
   * `unknown`: it may be, as the answer was lost.
   */
  readonly carried: 'yes' | 'no' | 'unknown';
  /** It was sent before, under the same Idempotency-Key, and is not sent again. */
  readonly repeated?: true;
  /** Where it is not `yes`: why, as a sentence for its publisher. */
  readonly reason?: string;
  /** Where it is `unknown`, and may be known later: calls back once then, or never. */
  readonly whenKnown?: (then: (carried: Outcome['carried']) => void) => void;
}

/** Called once for each message, maybe before `publish` returns. */
export type OnOutcome = (outcome: Outcome) => void;

/** Carried, and nobody asked for the count. */
export const isCarried: Outcome = Object.freeze({ delivered: 0, unanswered: 0, carried: 'yes' });

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
  start(onPublication: OnPublication, retained?: RetainedCopy): Promise<void>;
  /**
   * Hands a message to every node with interest. @returns how many subscribers on this node took it; 0 also where it
   * takes a way that comes back later
   */
  publish(message: Message, wants?: Wants): number;
  /** Why it does not carry all that is published, in a few words; undefined where it does. */
  readonly trouble: string | undefined;
  /** It carries, and an operator is to mend something all the same: a sentence. */
  readonly warning?: string | undefined;
  /**
   * More waits to go to the other nodes than goes in a moment, and it does go: who publishes much is to wait meanwhile, or
   * everybody's messages wait behind theirs. Absent where nothing ever waits.
   */
  readonly isBehind?: boolean;
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
  /** Where it knows which node has which client. */
  readonly clients?: ClientRegistry;
  /** Its own numbers, plain data for operators; undefined where it has none. */
  stats(): object | undefined;
  stop(): Promise<void>;
}
