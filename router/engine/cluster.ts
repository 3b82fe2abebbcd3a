import type { Session } from '../session/session.js';
import type { SessionRouter } from '../session/session-router.js';
import type { Sessions } from '../session/sessions.js';

/**
 * The other nodes, as the rest of the program sees them: a list of them, and a way to ask one or all of them a question.
 * Messages for subscribers do not go this way, see Engine.
 *
 * Order: none between a question and a published message.
 * At most once: a node that is away does not hear a question. Errors: nothing throws or rejects.
 */

/** A node, this one or another. */
export interface ClusterNode {
  /** Names one run of the process: a node that has restarted has another. */
  readonly run: number;
  /** The name that it was given, --node-name. */
  readonly name: string;
  /** The same for the workers of one `--workers`; else empty. */
  readonly group: string;
  readonly role: NodeRole;
  /** Milliseconds since the Unix epoch. */
  readonly startedMs: number;
}

/** The work of a node: it holds connections, it answers the API and the global name, or both. */
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

/** Answers a question of another node; with a promise, which never rejects, if it takes longer than a moment. */
export type AnswerQuestion = (body: Uint8Array, from: ClusterNode) => Uint8Array | Promise<Uint8Array>;

export interface Cluster {
  /** This node. */
  readonly self: ClusterNode;
  /** All other nodes that have reported lately. */
  readonly peers: readonly ClusterNode[];
  /**
   * Asks all other nodes. Calls back once: as soon as all have answered, at the latest after `waitMs`. Where there are
   * no other nodes, it calls back before it returns. @param question one word
   */
  ask(question: string, body: Uint8Array, waitMs: number, onAnswers: (answers: Answers) => void): void;
  /** Asks one of the other nodes. Calls back once, with undefined where it has not answered within `waitMs`. */
  askOne(
    node: ClusterNode,
    question: string,
    body: Uint8Array,
    waitMs: number,
    onAnswer: (body: Uint8Array | undefined) => void,
  ): void;
  /** Sets the one function that answers this question. It is called only where its answer can be sent. */
  onQuestion(question: string, answer: AnswerQuestion): void;
  /** Stores this node's numbers, as JSON, where any program can read them. To be called every 5 s or so. */
  report(numbers: string): void;
  /** Calls the listener when another node has gone: it has said so, or it has been silent for too long. */
  onGone(listener: (node: ClusterNode) => void): void;
}

/** The user of a client id, as far as nodes tell it each other. */
export interface ClientUser {
  /** A short text without `=`, the same for the same user; empty = not known. */
  readonly key: string;
  /** Whether this user takes over client ids of all users. */
  readonly isSuperuser: boolean;
}

/**
 * Which node has which client id: one connection for each id, over all nodes. A session with clean session 0 follows
 * its client.
 *
 * Errors: nothing throws or rejects. Where the registry's server is away, a claim proceeds without it, and is repeated
 * when the server is back.
 */
export interface ClientRegistry {
  /** To be called once, before the first claim. */
  serve(here: ClientsHere): void;
  /**
   * A client has connected, and from now on its id is this node's: its connection to another node is closed. Calls back
   * once, maybe before this returns. If `clean` is false and another living node had the client's session, the session
   * is in `sessions` by then, its client away. A newer claim of the id ends an older one.
   *
   * @param ready told whether another user has the client id on another node, where all stays as it is
   */
  claim(clientId: string, clean: boolean, user: ClientUser, ready: (isAnothers: boolean) => void): void;
  /** The client's session has ended here: the next node that claims the id has no node to ask for a session. */
  release(clientId: string): void;
  /**
   * This node stops: sessions whose clients are away go to nodes that stay. Resolves when no session is left, or no
   * node takes more.
   */
  handOver(): Promise<HandedOver>;
  /** Plain numbers for operators. */
  stats(): object;
}

/**
 * Counts of the sessions that other nodes have adopted and of those that are lost, and of the lost ones' waiting
 * messages.
 */
export interface HandedOver {
  readonly adopted: number;
  readonly lost: number;
  readonly messagesLost: number;
}

/** The parts of this node that the registry works on. */
export interface ClientsHere {
  readonly router: SessionRouter;
  readonly sessions: Sessions;
  /** The ids of all sessions whose clients have chosen their ids themselves. */
  clientIds(): string[];
  userOf(session: Session): ClientUser;
  /** Whether this node has a session or a CONNECT of the client id. */
  isWanted(clientId: string): boolean;
  /**
   * Another node has claimed a client id. Handles what the client has sent here and is not handled yet; then its
   * connection ends. @param isOlder that claim is older than the claim of a connection here that still waits for it
   * @param then called when all is handled; the connection itself may still be open
   */
  finish(clientId: string, isOlder: boolean, then: () => void): void;
  /** Calls back when it is known of each message that the client has sent whether it is carried. */
  whenDecided(session: Session, ready: () => void): void;
  /** The messages that waited in a session are lost. */
  onLost(clientId: string, node: string, messages: number): void;
  /** A session stays here, again and again, though its client has connected to that node. */
  onKept(session: Session, node: string): void;
}
