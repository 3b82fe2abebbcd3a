import { InflightEntry } from '../../router/session/inflight-entry.js';
import type { Counters } from '../counters.js';
import { type Outgoing, RetainedDelivery, type Source, type Wire } from '../wire.js';
import type { Channel } from './channel.js';
import { encodePublish, encodePublishQos0 } from './publish-packet.js';

/** As for HTTP streams: uWS's one cork buffer has 16 KB, and what goes past it goes in a write of its own. */
const corkBytesMax = 15 * 1024;

/** The longest WebSocket header that a server writes. */
const frameHeaderBytes = 10;

/** What `send` says when the system has taken all of it. */
const sent = 1;

/** How MQTT connections are written to: a PUBLISH a frame, many frames in one write. */
export class ChannelWire implements Wire {
  readonly #counters: Counters;

  /** What the cork callback works on: fields instead of a closure for each write. */
  #channel!: Channel;
  #source!: Source;

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  write(channel: Channel, source: Source): boolean {
    this.#channel = channel;
    this.#source = source;
    if (source.single) return this.#writeOne(channel, source);
    do {
      channel.socket.cork(this.#writeSome);
      // What a cork could not write is with uWS now; only this tells.
      if (channel.socket.getBufferedAmount() > 0) return false;
    } while (source.peek() !== undefined);
    return true;
  }
  /** Most turns bring a connection one message: without a cork of ours uWS takes its own, and says what became of it. */
  #writeOne(channel: Channel, source: Source): boolean {
    const packet = this.#encode(source.peek() as Outgoing);
    source.take();
    if (packet === undefined) return true;
    return channel.socket.send(packet, true) === sent;
  }

  readonly #writeSome = (): void => {
    const source = this.#source;
    const { socket } = this.#channel;
    let corked = 0;
    for (let next = source.peek(); next !== undefined; next = source.peek()) {
      if (typeof next === 'number') {
        // MQTT 3.1.1 has no way to say it to the client; it is in the counters and in the log.
        source.take();
        continue;
      }
      const packet = this.#encode(next);
      const size = packet === undefined ? 0 : packet.length + frameHeaderBytes;
      if (corked > 0 && corked + size > corkBytesMax) return;
      source.take();
      if (packet === undefined) continue;
      corked += size;
      socket.send(packet, true);
      if (size > corkBytesMax) return;
    }
  };

  /** @returns undefined when the message has been acknowledged, or taken by another connection, while it waited here */
  #encode(outgoing: Outgoing): Buffer | undefined {
    const counters = this.#counters;
    counters.messagesWritten++;
    if (outgoing instanceof InflightEntry) {
      const { message, qos, packetId, retained, dup } = outgoing;
      if (message === undefined) {
        counters.messagesWritten--;
        return undefined;
      }
      counters.messageBytesWritten += message.payload.length;
      return encodePublish(message, qos, packetId, retained, dup);
    }
    const retained = outgoing instanceof RetainedDelivery;
    const message = retained ? outgoing.message : outgoing;
    counters.messageBytesWritten += message.payload.length;
    return encodePublishQos0(message, retained);
  }

  pushThrough(channel: Channel): boolean {
    return channel.socket.getBufferedAmount() === 0;
  }
}
