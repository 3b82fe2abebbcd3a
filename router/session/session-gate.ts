import type { Message } from '../message.js';
import { type Delivery, Subscriber } from '../subscriber.js';
import type { DeliveryOptions } from '../subscription-options.js';
import type { Queued } from './mqueue.js';
import type { Session } from './session.js';
import type { SessionContext } from './session-context.js';
import { weightOf } from './weight.js';

/**
 * Replaces a session that is moving between two nodes. It has the session's subscriptions, and passes on the messages
 * of this node: on the old node those before the mark, on the new one those behind it, for each server of messages.
 */
export class SessionGate extends Subscriber {
  readonly #isOpen: (id: string) => boolean;
  readonly #target: Pick<Session, 'deliver' | 'clientId'>;
  readonly #overlap: Overlap | undefined;
  /** The client id, so that No Local still holds. */
  override readonly clientId: string;
  #isClosed = false;

  /** @param isOpen for a message's id, now @param overlap gets the messages of the other node */
  constructor(
    isOpen: (id: string) => boolean,
    target: Pick<Session, 'deliver' | 'clientId'>,
    overlap?: Overlap,
  ) {
    super();
    this.#isOpen = isOpen;
    this.clientId = target.clientId;
    this.#target = target;
    this.#overlap = overlap;
  }

  /** For good. A gate with very many filters keeps some of them for a while. */
  close(): void {
    this.#isClosed = true;
  }

  override deliver(message: Message, options: DeliveryOptions): Delivery {
    if (this.#isClosed) return 'dropped';
    if (this.#isOpen(message.id)) return this.#target.deliver(message, options);
    this.#overlap?.keep(message, options);
    return 'dropped'; // the other node counts it
  }
}

/**
 * Messages behind the mark of a session that leaves. Its new node has them, too: they are the session's only if it does
 * not get there. At most as many as its queue would hold.
 */
export class Overlap {
  readonly #context: SessionContext;
  #queue: Queued[] = [];

  constructor(context: SessionContext) {
    this.#context = context;
  }

  keep(message: Message, options: DeliveryOptions): void {
    const kept = message.kept();
    const hasRoom = this.#queue.length < this.#context.limits.maxMqueue;
    const bytes = weightOf(kept);
    if (!hasRoom || !this.#context.hasBytesFor(bytes)) return;
    this.#queue.push({ message: kept, options });
    this.#context.bytes += bytes;
  }

  /** All of them, in order; none is left. */
  take(): readonly Queued[] {
    const queue = this.#queue;
    this.#queue = [];
    for (const { message } of queue) this.#context.bytes -= weightOf(message);
    return queue;
  }
}
