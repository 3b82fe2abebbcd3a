import type { Message } from '../message.js';

/** Called by the engine for each message this node should deliver. @returns how many subscribers took it */
export type OnPublication = (message: Message) => number;

/**
 * The seam between the router and what carries messages between processes. Nothing above it knows which
 * engine it has.
 *
 * Order: messages of one publisher for one id come back in the order of `publish`. At most once.
 * Buffers: the message belongs to nobody and is written to by nobody after `publish`.
 * Errors: `start` and `stop` may reject; `publish`, `addInterest` and `removeInterest` never throw.
 */
export interface Engine {
  /** Once, before anything else. */
  start(onPublication: OnPublication): Promise<void>;
  /** Hands a message to every node with interest. @returns how many subscribers on this node took it */
  publish(message: Message): number;
  /** This node has a first subscriber for the id. */
  addInterest(id: string): void;
  /** This node has lost its last subscriber for the id. */
  removeInterest(id: string): void;
  stop(): Promise<void>;
}
