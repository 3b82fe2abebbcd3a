import type { Outbound } from '../outbound.js';
import type { Channel } from './channel.js';
import type { Inbound } from './inbound.js';
import type { RetainedReplays } from './retained-replays.js';

/** Goes on with a connection whose socket takes more again: with its packets, with messages for it, with retained ones. */
export class Drains {
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  readonly #replays: RetainedReplays;

  constructor(inbound: Inbound, outbound: Outbound, replays: RetainedReplays) {
    this.#inbound = inbound;
    this.#outbound = outbound;
    this.#replays = replays;
  }

  /** A drain event: the socket has taken something. Nothing else says so: a client that only sends has read nothing. */
  drained(channel: Channel): void {
    this.#outbound.noteProgress(channel);
    this.takesMore(channel);
  }

  /**
   * The socket may take more. After a drain event, and after anything was read from a connection that is behind: as it
   * uncorks, uWS may write off the rest that it has, and then no drain event comes any more (measured: 9 MB pending
   * for ever).
   */
  takesMore(channel: Channel): void {
    if (channel.socket.getBufferedAmount() > 0) return;
    this.#inbound.takesMore(channel);
    this.#outbound.drain(channel);
    if (!channel.isOpen || channel.congested) return;
    channel.session?.goOn();
    if (channel.isOpen) this.#replays.goOn(channel);
  }
}
