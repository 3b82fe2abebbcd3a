import type { Outcome } from '../../router/engine/engine.js';
import type { Channel } from './channel.js';
import { sendStatus } from './mqtt-socket.js';
import { type QueuedReply, ReplyQueue } from './reply-queue.js';

/**
 * So many answers of one connection wait for a SUBACK, at most. With more, all go out and the SUBACK is not waited for;
 * where it waits for the disk, the connection ends.
 */
export const repliesBehindSubackMax = 1_000;

/** A connection has as many tickets as there are packet ids. A client that comes past it has used one twice [MQTT-2.3.1-2]. */
export const publishTicketsMax = 65_535;

/** The place of a PUBACK or PUBREC among those of its connection. */
export class PublishTicket implements QueuedReply {
  readonly channel: Channel;
  readonly #encode: (packetId: number) => Buffer;
  readonly #packetId: number;
  isDue = false;

  constructor(channel: Channel, encode: (packetId: number) => Buffer, packetId: number) {
    this.channel = channel;
    this.#encode = encode;
    this.#packetId = packetId;
  }

  /** @returns bytes that are valid until the next packet is made */
  packet(): Buffer {
    return this.#encode(this.#packetId);
  }
}

/** A SUBACK, and any packet behind it. */
interface HeldReply extends QueuedReply {
  readonly packet: Buffer;
  /** Called once it is out. */
  readonly after: (() => void) | undefined;
}

/**
 * The answers to clients. Two kinds of them may have to wait, and both keep their order:
 *
 *     PUBACK, PUBREC   until the message is with the other nodes; in the order of the PUBLISHes that they answer
 *                      [MQTT-4.6.0-2], [MQTT-4.6.0-3]:      7 is out | 8 waits | 9 is due, behind 8
 *     SUBACK           until the subscription is so on all nodes; everything else waits behind it
 *
 * On one node none ever waits: a ticket is settled before the next one is reserved, and so is in no queue. PUBACKs that
 * fall due for a connection in one turn of the loop are one write.
 */
export class Replies {
  /** The tickets of messages whose outcome is not known, and those behind them, by connection. */
  readonly #tickets = new Map<Channel, ReplyQueue<PublishTicket>>();
  /** The ticket that was reserved last, where its connection has no other. */
  #unqueued: PublishTicket | undefined;
  /** Connections with tickets that fell due in this turn. */
  readonly #due = new Set<Channel>();
  readonly #held = new Map<Channel, ReplyQueue<HeldReply>>();

  /** Connections of which an answer waits, now. */
  get count(): number {
    return this.#held.size + this.#tickets.size + (this.#unqueued === undefined ? 0 : 1);
  }

  /** A SUBACK of this connection waits: what its client publishes behind its SUBSCRIBE may be for itself. */
  isSubscribing(channel: Channel): boolean {
    return this.#held.size > 0 && this.#held.has(channel);
  }

  /**
   * Writes an answer that need not wait for anything but a SUBACK before it. A client that asks and reads no answers is cut
   * at the limit of its socket.
   * @param packet copied where it waits
   */
  write(channel: Channel, packet: Buffer): void {
    const held = this.#held.size === 0 ? undefined : this.#held.get(channel);
    if (held === undefined) send(channel, packet);
    else this.#holdReply(channel, held, { packet: Buffer.from(packet), isDue: true, after: undefined });
  }

  /**
   * Takes the place of a PUBACK or PUBREC, before its message is published; `settle` says what became of that.
   * @returns undefined where the connection has as many as there are packet ids
   */
  reserve(
    channel: Channel,
    encode: (packetId: number) => Buffer,
    packetId: number,
  ): PublishTicket | undefined {
    if (this.#unqueued !== undefined) this.#queue(this.#unqueued);
    const ticket = new PublishTicket(channel, encode, packetId);
    const queue = this.#tickets.size === 0 ? undefined : this.#tickets.get(channel);
    if (queue === undefined) this.#unqueued = ticket;
    else if (queue.length >= publishTicketsMax) return undefined;
    else queue.push(ticket);
    return ticket;
  }

  /**
   * The outcome of the message of a ticket is known; once for each. A client whose message is not carried, or maybe not, is
   * told by the end of its connection: 3.1.1 has no other way to say no.
   */
  settle(ticket: PublishTicket, { carried }: Pick<Outcome, 'carried'>): void {
    const { channel } = ticket;
    const queued = ticket !== this.#unqueued;
    if (!queued) this.#unqueued = undefined;
    if (!channel.isOpen) return; // its own message may have ended it
    if (carried !== 'yes') return channel.end('not-carried');
    if (!queued) return this.write(channel, ticket.packet());
    ticket.isDue = true;
    if (this.#due.size === 0) setImmediate(this.#writeAllDue);
    this.#due.add(channel);
  }

  /**
   * Holds a SUBACK, or an answer that waits for the disk, and all that is written behind it.
   * @param after called once the packet is out, and never where its connection is gone before
   * @returns lets it go
   */
  hold(channel: Channel, packet: Buffer, after?: () => void): () => void {
    const reply: HeldReply = { packet, isDue: false, after };
    let held = this.#held.get(channel);
    if (held === undefined) {
      held = new ReplyQueue();
      this.#held.set(channel, held);
    }
    this.#holdReply(channel, held, reply);
    return () => {
      reply.isDue = true;
      this.#writeHeld(channel);
    };
  }

  /** Writes all that waits for a SUBACK of this connection, whatever that waits for. */
  letGo(channel: Channel): void {
    if (this.#held.size === 0) return;
    this.#held.get(channel)?.setAllDue();
    this.#writeHeld(channel);
  }

  /** The connection is about to be closed: whatever may go out does. */
  flush(channel: Channel): void {
    this.#writeDue(channel);
    if (channel.session?.storesFirst !== true) this.letGo(channel);
  }

  /** The connection is gone: what waits is not said, and its client sends it again. */
  release(channel: Channel): void {
    if (this.#unqueued?.channel === channel) this.#unqueued = undefined;
    if (this.#tickets.size > 0) this.#tickets.delete(channel);
    this.#held.delete(channel);
  }

  #queue(ticket: PublishTicket): void {
    this.#unqueued = undefined;
    const queue = new ReplyQueue<PublishTicket>();
    queue.push(ticket);
    this.#tickets.set(ticket.channel, queue);
  }

  readonly #writeAllDue = (): void => {
    const channels = [...this.#due];
    this.#due.clear();
    for (const channel of channels) this.#writeDue(channel);
  };

  /** The messages that are known to be carried, up to the first that is not. */
  #writeDue(channel: Channel): void {
    const queue = this.#tickets.get(channel);
    if (queue === undefined) return;
    const packets = queue.takeDue().map((ticket) => Buffer.from(ticket.packet()));
    if (queue.length === 0) this.#tickets.delete(channel);
    if (packets.length > 0) this.write(channel, Buffer.concat(packets));
  }

  #holdReply(channel: Channel, held: ReplyQueue<HeldReply>, reply: HeldReply): void {
    held.push(reply);
    if (held.length <= repliesBehindSubackMax) return;
    if (channel.session?.storesFirst)
      channel.end('not-carried'); // the disk takes nothing
    else this.letGo(channel);
  }

  #writeHeld(channel: Channel): void {
    const held = this.#held.get(channel);
    if (held === undefined) return;
    const due = held.takeDue();
    if (held.length === 0) this.#held.delete(channel);
    for (const { packet, after } of due) {
      send(channel, packet);
      after?.();
    }
    if (!this.#held.has(channel)) channel.goOn();
  }
}

function send(channel: Channel, packet: Buffer): void {
  if (!channel.isOpen) return;
  const status = channel.socket.send(packet, true);
  if (status === sendStatus.dropped) channel.cut('answers-unread');
  else if (status === sendStatus.buffered) channel.answersWait();
}
