import type { Message, Qos } from '../../router/message.js';
import type { Router } from '../../router/router.js';
import type { Session } from '../../router/session/session.js';
import type { Connections } from '../connections.js';
import type { Outbound } from '../outbound.js';
import type { Channel } from './channel.js';

/** Retained messages that go out in one turn of the loop, so that a subscriber to everything holds nobody up. */
const messagesPerTurn = 200;
/** And payload bytes, so that they fit a socket's buffer. */
const bytesPerTurn = 64 * 1024;

/**
 * What is retained for new subscribers, on its way to them at the pace that each of them reads: a subscription to
 * everything may match 100,000 messages, which no window and no backlog holds. Only references are kept, and only
 * until they have gone out.
 */
export class RetainedReplays {
  readonly #router: Router;
  readonly #connections: Connections;
  readonly #outbound: Outbound;
  readonly #replays = new Map<number, Replay>();

  constructor(router: Router, connections: Connections, outbound: Outbound) {
    this.#router = router;
    this.#connections = connections;
    this.#outbound = outbound;
  }

  /** Connections that are still getting theirs, now. */
  get count(): number {
    return this.#replays.size;
  }

  /** A subscription has been made. Made again, its messages start again [MQTT-3.8.4-3]. */
  begin(channel: Channel, filter: string, qos: Qos): void {
    const messages = this.#router.retainedFor(filter);
    if (messages.length === 0) return;
    const replay = this.#replays.get(channel.slot) ?? new Replay();
    replay.parts.set(filter, { messages, qos, next: 0 });
    if (this.#replays.has(channel.slot)) return;
    this.#replays.set(channel.slot, replay);
    this.#step(channel, replay);
  }

  /** The client has made room: its window or its socket takes more. */
  goOn(channel: Channel): void {
    if (this.#replays.size === 0) return;
    const replay = this.#replays.get(channel.slot);
    if (replay !== undefined && !replay.scheduled) this.#schedule(channel, replay);
  }

  /** The connection is gone. What its session asked to be sure of waits in the session; it may end here, too. */
  release(slot: number, session: Session): void {
    const replay = this.#replays.get(slot);
    if (replay === undefined) return;
    this.#replays.delete(slot);
    if (session.clean) return;
    for (let next = replay.peek(); next !== undefined; next = replay.peek()) {
      replay.take();
      const qos = Math.min(next.message.qos, next.qos) as Qos;
      if (qos > 0 && this.#router.isRetained(next.message)) session.deliver(next.message, qos, true);
    }
  }

  #schedule(channel: Channel, replay: Replay): void {
    replay.scheduled = true;
    setImmediate(() => {
      replay.scheduled = false;
      if (this.#replays.get(channel.slot) === replay && this.#connections.has(channel))
        this.#step(channel, replay);
    });
  }

  #step(channel: Channel, replay: Replay): void {
    let bytes = 0;
    for (let count = 0; count < messagesPerTurn && bytes < bytesPerTurn; count++) {
      const next = replay.peek();
      if (next === undefined) {
        this.#replays.delete(channel.slot);
        return;
      }
      const { session } = channel;
      const qos = Math.min(next.message.qos, next.qos) as Qos;
      // It goes on when the socket drains, or with the next acknowledgement.
      if (session === undefined || this.#outbound.isBackpressured(channel)) return;
      if (qos > 0 && !session.hasRoom) return;
      replay.take();
      if (!this.#router.isRetained(next.message)) continue; // replaced or cleared while it waited
      bytes += next.message.payload.length;
      session.deliver(next.message, qos, true); // with RETAIN set [MQTT-3.3.1-8]
    }
    this.#schedule(channel, replay);
  }
}

/** By filter, so that who subscribes again and again does not grow it. */
class Replay {
  readonly parts = new Map<string, { messages: readonly Message[]; qos: Qos; next: number }>();
  scheduled = false;

  peek(): { message: Message; qos: Qos } | undefined {
    for (const [filter, part] of this.parts) {
      const message = part.messages[part.next];
      if (message !== undefined) return { message, qos: part.qos };
      this.parts.delete(filter);
    }
    return undefined;
  }

  take(): void {
    for (const part of this.parts.values()) {
      part.next++;
      return;
    }
  }
}
