import type { Message } from '../../router/message.js';
import type { InflightEntry } from '../../router/session/inflight-entry.js';
import type { Session } from '../../router/session/session.js';
import type { SessionConnection } from '../../router/session/session-connection.js';
import type { Delivery } from '../../router/subscriber.js';
import { type DeliveryOptions, retainSet } from '../../router/subscription-options.js';
import { type AddressKept, addressText } from '../address-limit.js';
import type { CloseReason } from '../close-reason.js';
import { type Connection, RetainedDelivery } from '../connection.js';
import type { ChannelWire } from './channel-wire.js';
import type { Channels } from './channels.js';
import type { ChannelSocket } from './gone-socket.js';
import { pubrel } from './reply-packets.js';

/** What uWS's own object of a connection carries of ours: one property, as each is 40 bytes. */
export interface ChannelOfSocket extends AddressKept {
  channel: Channel;
}

/**
 * One MQTT connection: a WebSocket on the one side, and from CONNECT on a session on the other. All else that a
 * connection has now and then (a will, an incomplete packet, a backlog) is kept by slot where it is used.
 */
export abstract class Channel implements Connection, SessionConnection {
  readonly slot: number;
  /** Invalid once the channel is released. */
  socket: ChannelSocket;
  /** Undefined until CONNECT is accepted. */
  session: Session | undefined = undefined;

  constructor(slot: number, socket: ChannelSocket) {
    this.slot = slot;
    this.socket = socket;
  }

  abstract get channels(): Channels;

  get wire(): ChannelWire {
    return this.channels.wire;
  }

  get congested(): boolean {
    return this.channels.outbound.isBackpressured(this);
  }

  sendQos0(message: Message, options: DeliveryOptions): Delivery {
    const retained = (options & retainSet) !== 0;
    return this.channels.outbound.deliver(this, retained ? new RetainedDelivery(message) : message);
  }

  sendInflight(entry: InflightEntry): void {
    this.channels.outbound.deliver(this, entry);
  }

  sendPubrel(packetId: number): void {
    this.channels.reply(this, pubrel(packetId));
  }

  takenOver(): void {
    this.channels.takenOver(this);
  }

  describe(): Record<string, unknown> {
    return { clientId: this.session?.clientId };
  }

  remoteAddress(): string {
    return addressText(this.socket);
  }

  /** Nothing has come for too long. */
  onDue(): void {
    this.channels.closeSilent(this);
  }

  end(reason: CloseReason): void {
    this.channels.close(this, reason);
  }

  cut(reason: CloseReason): void {
    this.channels.cut(this, reason);
  }
}

/** A class for one gateway's channels, so that what they share is no field of each (8 bytes). */
export function channelClass(channels: Channels) {
  return class extends Channel {
    override get channels(): Channels {
      return channels;
    }
  };
}
