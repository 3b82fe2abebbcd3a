import { InflightEntry } from '../../router/session/inflight-entry.js';
import { messageOf, type Outgoing, RetainedDelivery, type Source, type Wire } from '../connection.js';
import type { Counters } from '../counters.js';
import type { Channel } from './channel.js';
import { sendStatus } from './mqtt-socket.js';
import { encodePublish, encodePublishQos0 } from './publish-packet.js';

/** As for HTTP streams: uWS's one cork buffer has 16 KB, and what goes past it goes in a write of its own. */
const corkBytesMax = 15 * 1024;

/** The longest WebSocket header that a server writes. */
const frameHeaderBytes = 10;

/** How MQTT connections are written to: a PUBLISH a frame, many frames in one write. */
export class ChannelWire implements Wire {
  readonly #written: Counters['mqttWritten'];

  /** For the cork callback: fields instead of a closure for each write. */
  #channel!: Channel;
  #source!: Source;
  #dropped = false;

  constructor(counters: Counters) {
    this.#written = counters.mqttWritten;
  }

  write(channel: Channel, source: Source): boolean {
    this.#channel = channel;
    this.#source = source;
    if (source.single) return this.#writeOne(channel, source);
    this.#dropped = false;
    do {
      channel.socket.cork(this.#writeSome);
      // Only this tells that a cork could not write all: the rest is with the socket now.
      if (this.#dropped) return cutUnread(channel);
      if (channel.socket.getBufferedAmount() > 0) return false;
    } while (source.peek() !== undefined);
    return true;
  }

  /** Most turns bring a connection one message: without a cork of ours uWS takes its own, and says what became of it. */
  #writeOne(channel: Channel, source: Source): boolean {
    const outgoing = source.peek() as Outgoing;
    const packet = encode(outgoing);
    if (packet === undefined) {
      source.take();
      return true;
    }
    const status = channel.socket.send(packet, true);
    if (status === sendStatus.dropped) return cutUnread(channel);
    source.take();
    this.#count(outgoing);
    return status === sendStatus.sent;
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
      const packet = encode(next);
      const size = packet === undefined ? 0 : packet.length + frameHeaderBytes;
      if (corked > 0 && corked + size > corkBytesMax) return;
      if (packet === undefined) {
        source.take();
        continue;
      }
      this.#dropped = socket.send(packet, true) === sendStatus.dropped;
      if (this.#dropped) return;
      source.take();
      this.#count(next);
      corked += size;
      if (size > corkBytesMax) return;
    }
  };

  #count(outgoing: Outgoing): void {
    const qos = outgoing instanceof InflightEntry ? outgoing.qos : 0;
    this.#written[qos].count(messageOf(outgoing)!.payload.length);
  }

  /**
   * uWS has no timer for WebSockets where `idleTimeout` is 0. But as it uncorks it may write off what it had, and then no
   * drain event says that the socket takes more.
   */
  keepAlive(channel: Channel): void {
    if (channel.socket.getBufferedAmount() === 0) channel.takesMore();
  }

  pushThrough(channel: Channel): boolean {
    return channel.socket.getBufferedAmount() === 0 && !channel.isReading;
  }
}

/** So many answers wait for it that not even one message fits behind them. */
function cutUnread(channel: Channel): false {
  channel.cut('answers-unread');
  return false;
}

/** @returns undefined when the message has been acknowledged, or taken by another connection, while it waited here */
function encode(outgoing: Outgoing): Buffer | undefined {
  if (outgoing instanceof InflightEntry) {
    const { message, qos, packetId, retained, dup } = outgoing;
    return message && encodePublish(message, qos, packetId, retained, dup);
  }
  if (outgoing instanceof RetainedDelivery) return encodePublishQos0(outgoing.message, true);
  return encodePublishQos0(outgoing, false);
}
