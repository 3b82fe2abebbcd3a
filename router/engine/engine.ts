import type { SharedGraph } from '../graph/shared-graph.js';
import type { Message } from '../message.js';
import type { Retained } from '../retained.js';
import type { ClientRegistry, Cluster } from './cluster.js';

/** Called by the engine for each message this node should deliver. @returns how many subscribers took it */
export type OnPublication = (message: Message) => number;

/**
 * This node's retained messages, for an engine that copies those of the other nodes into them. No subscriber gets one
 * by it.
 */
export type RetainedCopy = Pick<Retained, 'keep' | 'forget' | 'walk'>;

/** The publisher's wishes for its message, besides that it is sent. */
export interface Wants {
  /** Called with whether the message is carried to the other nodes. */
  readonly onOutcome: OnOutcome;
  /** Also counts the subscribers that took it, on all nodes. */
  readonly count?: boolean;
  /** Of all messages to one id with the same key within 5 minutes, one is sent. '' is no key. */
  readonly idempotencyKey?: string;
  /** Whether the message also goes to the ids that follow its id. If absent, `sendToFollowers` of the router decides. */
  readonly followers?: boolean | undefined;
}

/** The result of publishing one message. Shared: read, never write. */
export interface Outcome {
  /** Subscribers that took it, on this node and on those that answered; 0 where nobody asked for the count. */
  readonly delivered: number;
  /** Nodes that did not answer in time: `delivered` is at least this many nodes short. */
  readonly unanswered: number;
  /**
   * Whether the message has reached Redis, which carries it to the other nodes. `no`: it has not and will not, and its
   * publisher is to send it again. `unknown`: it may have, as the answer was lost. One process alone carries all.
   */
  readonly carried: 'yes' | 'no' | 'unknown';
  /** The message was sent before under the same Idempotency-Key, and is not sent again. */
  readonly repeated?: true;
  /** Where `carried` is not `yes`: why, as a sentence for the publisher. */
  readonly reason?: string;
  /** Where `carried` is `unknown` and may be known later: calls back once when it is known, or never. */
  readonly whenKnown?: (then: (carried: Outcome['carried']) => void) => void;
}

/** Called once for each message, maybe before `publish` returns. */
export type OnOutcome = (outcome: Outcome) => void;

/** Carried, and nobody asked for the count. */
export const isCarried: Outcome = Object.freeze({ delivered: 0, unanswered: 0, carried: 'yes' });

/**
 * Carries messages between processes; the router stands above it. Nothing above it knows which engine it has.
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
  /** Why the engine does not carry all that is published, in a few words; undefined where it does. */
  readonly trouble: string | undefined;
  /** A sentence on something that an operator is to mend, although the engine carries all that is published. */
  readonly warning?: string | undefined;
  /**
   * So much waits to go to the other nodes that it takes more than a moment, and it does go. Meanwhile a connection
   * that publishes much is to wait, or everybody's messages wait behind its own. Absent where nothing ever waits.
   */
  readonly isBehind?: boolean;
  /** This node has a first subscriber for the id or filter. */
  addInterest(filter: string): void;
  /** This node has lost its last subscriber for the id or filter. */
  removeInterest(filter: string): void;
  /**
   * Calls back when all nodes know of the interest that was added before: whatever is published from then on comes
   * here. Calls back also when that cannot be known. Where there is nothing to wait for, it calls back before it
   * returns.
   */
  whenInterested(ready: () => void): void;
  /** The other nodes, where there may be any. */
  readonly cluster: Cluster | undefined;
  /** The friends graph that all nodes have together; absent where it is in this process. */
  readonly sharedGraph?: SharedGraph;
  /** Absent where one node has all clients. */
  readonly clients?: ClientRegistry;
  /** The engine's numbers, plain data for operators; undefined where it has none. */
  stats(): object | undefined;
  stop(): Promise<void>;
}
