import type { OnOutcome } from '../../router/engine/engine.js';
import type { CloseReason } from '../close-reason.js';
import type { Channel } from './channel.js';

/** Of one connection: as many as there are packet ids. Who comes past it has used one twice [MQTT-2.3.1-2]. */
export const publishRepliesMax = 65_535;

/** Of those at the head of a queue that are out so many are kept before they are cut off. */
const outMax = 1_000;

/** PUBACK or PUBREC. */
interface PublishReply {
  readonly packet: Buffer;
  due: boolean;
}

interface Queue {
  readonly replies: PublishReply[];
  /** How many of them are out. */
  out: number;
}

export interface PublishRepliesParts {
  readonly isOpen: (channel: Channel) => boolean;
  /** @param packets one or several, to be written as they are */
  readonly write: (channel: Channel, packets: Buffer) => void;
  /** What a connection has published is not carried, or not known to be: it is told by its end. */
  readonly refuse: (channel: Channel) => void;
}

/**
 * PUBACK and PUBREC, each once its message is with what carries it to the other nodes, and in the order of the packets
 * that they answer [MQTT-4.6.0-2], [MQTT-4.6.0-3]. On a single node none ever waits.
 *
 *     PUBLISH 7, 8, 9 ──>  [ 7 is out | 8 waits for its stream | 9 is due, behind 8 ]
 *
 * All that fall due for a connection in a turn of the loop are one write. The ones that wait for a stream are limited by
 * Acknowledgements, over all connections, and to its 5 s; so are the ones behind them, by what is read in that time.
 */
export class PublishReplies {
  readonly #parts: PublishRepliesParts;
  readonly #queues = new Map<Channel, Queue>();
  /** Who has something to be written at the end of the turn. */
  readonly #due = new Set<Channel>();

  constructor(parts: PublishRepliesParts) {
    this.#parts = parts;
  }

  /** Connections of which something waits, now. */
  get count(): number {
    return this.#queues.size;
  }

  /**
   * @param answer makes the packet; its bytes are copied where it waits
   * @param publish says once whether it is carried, before it returns or later
   * @returns why the connection must be closed, if so
   */
  once(
    channel: Channel,
    answer: () => Buffer,
    publish: (onOutcome: OnOutcome) => void,
  ): CloseReason | undefined {
    let known: boolean | undefined;
    let reply: PublishReply | undefined;
    publish(({ carried }) => {
      known = carried === 'yes';
      if (reply !== undefined) this.#settle(channel, reply, known);
    });
    if (known === false) return 'not-carried';
    if (!this.#parts.isOpen(channel)) return undefined; // its own message has ended it
    const queue = this.#queues.get(channel);
    if (known && queue === undefined) {
      this.#parts.write(channel, answer());
      return undefined;
    }
    reply = { packet: Buffer.from(answer()), due: known === true };
    if (queue === undefined) this.#queues.set(channel, { replies: [reply], out: 0 });
    else if (queue.replies.push(reply) - queue.out > publishRepliesMax) return 'protocol-error';
    return undefined;
  }

  /** Writes what is known to be carried, up to the first that is not. */
  writeDue(channel: Channel): void {
    const queue = this.#queues.get(channel);
    if (queue === undefined) return;
    const packets = takeDue(queue);
    if (queue.out === queue.replies.length) this.#queues.delete(channel);
    if (packets.length > 0) this.#parts.write(channel, Buffer.concat(packets));
  }

  /** The connection is gone: what waits is not said, and its client sends it again. */
  release(channel: Channel): void {
    if (this.#queues.size > 0) this.#queues.delete(channel);
  }

  #settle(channel: Channel, reply: PublishReply, carried: boolean): void {
    if (!this.#queues.has(channel)) return; // gone meanwhile
    if (!carried) return this.#parts.refuse(channel);
    reply.due = true;
    if (this.#due.size === 0) setImmediate(this.#writeAllDue);
    this.#due.add(channel);
  }

  readonly #writeAllDue = (): void => {
    const channels = [...this.#due];
    this.#due.clear();
    for (const channel of channels) this.writeDue(channel);
  };
}

function takeDue(queue: Queue): Buffer[] {
  const packets: Buffer[] = [];
  while (queue.replies[queue.out]?.due) packets.push(queue.replies[queue.out++]!.packet);
  // Not at each: what is cut off at the head of an array moves the rest.
  if (queue.out > outMax && queue.out < queue.replies.length) {
    queue.replies.splice(0, queue.out);
    queue.out = 0;
  }
  return packets;
}
