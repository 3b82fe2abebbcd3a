import type { Session } from '../session/session.js';
import type { SessionRouter } from '../session/session-router.js';
import type { Sessions } from '../session/sessions.js';

/**
 * The other nodes, as the rest of the house sees them: who they are, and something to ask of all of them. Messages for
 * subscribers do not go this way, see Engine.
 *
 * Order: none between what is asked here and what is published.
 * At most once: who is away does not hear it. Errors: nothing throws or rejects.
 */

/** A node, this one or another. */
export interface ClusterNode {
  /** Of one process, from its start to its end: two lives of a node have two. */
  readonly run: number;
  /** The name that it was given, --node-name. */
  readonly name: string;
  /** The same for the workers of one `--workers`; else empty. */
  readonly group: string;
  readonly role: NodeRole;
  /** Milliseconds since the Unix epoch. */
  readonly startedMs: number;
}

/** What it does: hold connections, answer the API and the global name, or both. */
export type NodeRole = 'both' | 'gateway' | 'router';

export interface Answer {
  readonly from: ClusterNode;
  readonly body: Uint8Array;
}

export interface Answers {
  readonly answers: readonly Answer[];
  /** Nodes that were there and did not answer in time. */
  readonly unanswered: number;
}

export interface Cluster {
  /** This one. */
  readonly self: ClusterNode;
  /** All others that were heard of lately. */
  readonly peers: readonly ClusterNode[];
  /**
   * Asks all other nodes, and is called back once: as soon as all have answered, at the latest after `waitMs`; before
   * this returns where there are none. @param question one word
   */
  ask(question: string, body: Uint8Array, waitMs: number, onAnswers: (answers: Answers) => void): void;
  /** One answerer a question. It is called only where the answer can be sent. */
  onQuestion(question: string, answer: (body: Uint8Array, from: ClusterNode) => Uint8Array): void;
  /** Puts what this node says of itself, JSON, where any program can ask for it; every 5 s or so. */
  report(numbers: string): void;
  /** Another node has gone, by its word or by its silence. */
  onGone(listener: (node: ClusterNode) => void): void;
}

/**
 * Which node has which client id: one connection for each, over all nodes. A session with clean session 0 follows its client.
 *
 * Errors: nothing throws or rejects. Where what knows the nodes is away, a claim goes on without, and is made good later.
 */
export interface ClientRegistry {
  /** Once, before the first claim. */
  serve(here: ClientsHere): void;
  /**
   * A client has connected, and from now on its id is this node's: a connection elsewhere is closed. Calls back once,
   * maybe before this returns: then its session, where it has one on another living node and `clean` is false, is in
   * `sessions`, its client away. An older claim of the id is over when there is a newer one.
   */
  claim(clientId: string, clean: boolean, ready: () => void): void;
  /** Its session has ended here: whoever connects next has nobody to ask. */
  release(clientId: string): void;
  /** This node stops: sessions whose clients are away go to nodes that stay. Resolves when none is left, or nobody takes more. */
  handOver(): Promise<HandedOver>;
  /** Plain numbers for operators. */
  stats(): object;
}

/** Sessions that another node has now, and that none has: what waited in them. */
export interface HandedOver {
  readonly adopted: number;
  readonly lost: number;
  readonly messagesLost: number;
}

/** What the registry works on. */
export interface ClientsHere {
  readonly router: SessionRouter;
  readonly sessions: Sessions;
  /** Of all sessions whose clients have chosen their ids. */
  clientIds(): string[];
  /**
   * Another node has claimed a client id: where something that the client has sent here is still to be handled, it is, and
   * its connection ends behind that. @param isOlder the claim is older than that of a connection that waits for its own
   * @param then called once that is done; a connection from which nothing is left to be handled may be open yet
   */
  finish(clientId: string, isOlder: boolean, then: () => void): void;
  /** Calls back when it is known of all that the client has sent whether it is carried. */
  whenDecided(session: Session, ready: () => void): void;
  /** What was in a session is lost. */
  onLost(clientId: string, node: string, messages: number): void;
}
