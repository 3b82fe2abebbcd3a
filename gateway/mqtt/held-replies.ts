import type { Channel } from './channel.js';

/** Of one connection. Past it they go out, and what they wait for is not waited for. */
export const heldRepliesMax = 1_000;

interface HeldReply {
  readonly packet: Buffer;
  ready: boolean;
  /** To be done once it is out. */
  readonly after: (() => void) | undefined;
}

export interface HeldRepliesParts {
  readonly write: (channel: Channel, packet: Buffer) => void;
  /** None of its answers waits any more. */
  readonly onNone: (channel: Channel) => void;
}

/**
 * Answers that wait until what they say is so on all nodes, and the ones behind them, so that all go out in the order of
 * the packets that they answer; PUBACK and PUBREC come in once PublishReplies lets them go. On a single node nothing
 * ever waits.
 */
export class HeldReplies {
  readonly #parts: HeldRepliesParts;
  readonly #held = new Map<Channel, HeldReply[]>();

  constructor(parts: HeldRepliesParts) {
    this.#parts = parts;
  }

  /** Connections whose answers wait, now. */
  get count(): number {
    return this.#held.size;
  }

  has(channel: Channel): boolean {
    return this.#held.size > 0 && this.#held.has(channel);
  }

  /** @param after called once the packet is out, and never where its connection is gone before @returns lets it go */
  hold(channel: Channel, packet: Buffer, after: () => void): () => void {
    const reply: HeldReply = { packet, ready: false, after };
    this.#push(channel, reply);
    return () => {
      reply.ready = true;
      this.#writeReady(channel);
    };
  }

  /** @returns false = nothing waits, and the caller may write. @param packet copied */
  queue(channel: Channel, packet: Buffer): boolean {
    if (!this.has(channel)) return false;
    this.#push(channel, { packet: Buffer.from(packet), ready: true, after: undefined });
    return true;
  }

  /** Writes all that waits for this connection, whatever it waits for. */
  letGo(channel: Channel): void {
    if (this.#held.size === 0) return;
    for (const reply of this.#held.get(channel) ?? []) reply.ready = true;
    this.#writeReady(channel);
  }

  /** The connection is gone. */
  release(channel: Channel): void {
    this.#held.delete(channel);
  }

  #push(channel: Channel, reply: HeldReply): void {
    const held = this.#held.get(channel);
    if (held === undefined) this.#held.set(channel, [reply]);
    else if (held.push(reply) > heldRepliesMax) this.letGo(channel);
  }

  #writeReady(channel: Channel): void {
    const held = this.#held.get(channel);
    if (held === undefined) return;
    const waiting = held.findIndex(({ ready }) => !ready);
    const due = held.splice(0, waiting === -1 ? held.length : waiting);
    if (held.length === 0) this.#held.delete(channel);
    for (const { packet, after } of due) {
      this.#parts.write(channel, packet);
      after?.();
    }
    if (!this.#held.has(channel)) this.#parts.onNone(channel);
  }
}
