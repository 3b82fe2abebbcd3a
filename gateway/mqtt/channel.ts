import type { Message } from '../../router/message.js';
import type { InflightEntry } from '../../router/session/inflight-entry.js';
import type { Session } from '../../router/session/session.js';
import type { SessionConnection } from '../../router/session/session-connection.js';
import type { Delivery } from '../../router/subscriber.js';
import { type DeliveryOptions, isRetained } from '../../router/subscription-options.js';
import type { CloseReason } from '../close-reason.js';
import { type Connection, RetainedDelivery, type Wire } from '../connection.js';
import type { ConnectionTransport } from '../connection-transport.js';
import type { Connections } from '../connections.js';
import type { Outbound } from '../outbound.js';
import { addressText, socketAddressText } from '../peer-address.js';
import type { CloseDetails } from './closing.js';
import type { MqttSocket } from './mqtt-socket.js';
import { pubrel } from './reply-packets.js';

/** The parts of the gateway that the methods of a channel hand on to, the same for all of them. */
export interface ChannelParts {
  readonly wire: Wire;
  readonly outbound: Outbound;
  readonly connections: Pick<Connections, 'has'>;
  readonly replies: { write(channel: Channel, packet: Buffer): void };
  readonly inbound: {
    isReading(channel: Channel): boolean;
    goOn(channel: Channel): void;
    answersWait(channel: Channel): void;
  };
  readonly drains: { takesMore(channel: Channel): void };
  readonly ends: {
    close(channel: Channel, reason: CloseReason, details?: CloseDetails): void;
    cut(channel: Channel, reason: CloseReason, details?: CloseDetails): void;
    closeSilent(channel: Channel): void;
    takeOver(channel: Channel, clientId: string): void;
    finish(channel: Channel, clientId: string): boolean;
  };
  readonly clients: { review(channel: Channel, session: Session): void };
}

/**
 * One MQTT connection: a socket on the one side, and from CONNECT on a session on the other. All else that a connection
 * has now and then (a will, an incomplete packet, a backlog) is kept by slot where it is used.
 *
 * Code that has a channel can end it or go on with it here, without knowing how that is done.
 */
export abstract class Channel implements Connection, SessionConnection {
  readonly slot: number;
  /** Invalid once the channel is released. */
  socket: MqttSocket;
  /** Undefined until CONNECT is accepted. */
  session: Session | undefined = undefined;

  constructor(slot: number, socket: MqttSocket) {
    this.slot = slot;
    this.socket = socket;
  }

  protected abstract get parts(): ChannelParts;

  get wire(): Wire {
    return this.parts.wire;
  }

  /** False as soon as it is released; its slot may be another's then. */
  get isOpen(): boolean {
    return this.parts.connections.has(this);
  }

  get congested(): boolean {
    return this.parts.outbound.isBackpressured(this);
  }

  /** Something that it has sent is still to be handled. */
  get isReading(): boolean {
    return this.parts.inbound.isReading(this);
  }

  sendQos0(message: Message, options: DeliveryOptions): Delivery {
    return this.parts.outbound.deliver(this, isRetained(options) ? new RetainedDelivery(message) : message);
  }

  sendInflight(entry: InflightEntry): void {
    this.parts.outbound.deliver(this, entry);
  }

  sendPubrel(packetId: number): void {
    this.parts.replies.write(this, pubrel(packetId));
  }

  takenOver(): void {
    this.parts.ends.takeOver(this, this.session!.clientId);
  }

  get transportName(): ConnectionTransport {
    return 'mqtt-ws';
  }

  describe(): Record<string, unknown> {
    return { clientId: this.session?.clientId };
  }

  remoteAddress(): string {
    return addressText(this.socket);
  }

  socketAddress(): string {
    return socketAddressText(this.socket);
  }

  /** Describes its client and the address, for log lines. Only while the socket is open. */
  describeWithAddress(): Record<string, unknown> {
    return { ...this.describe(), address: this.remoteAddress() };
  }

  /** MQTT 3.1.1 has no packet that would say it. */
  tellExpiry(): boolean {
    return true;
  }

  review(): void {
    if (this.session !== undefined) this.parts.clients.review(this, this.session);
  }

  /** Nothing has come for too long. */
  onDue(): void {
    this.parts.ends.closeSilent(this);
  }

  end(reason: CloseReason, details?: CloseDetails): void {
    this.parts.ends.close(this, reason, details);
  }

  cut(reason: CloseReason, details?: CloseDetails): void {
    this.parts.ends.cut(this, reason, details);
  }

  /**
   * Another connection takes its client id: all that it has sent before is handled, and it ends behind that.
   * @returns false if the connection is ending that way already
   */
  finish(clientId: string): boolean {
    return this.parts.ends.finish(this, clientId);
  }

  /** A packet of this client that has waited may be handled now. */
  goOn(): void {
    this.parts.inbound.goOn(this);
  }

  /** The socket takes more. */
  takesMore(): void {
    this.parts.drains.takesMore(this);
  }

  /** An answer has filled the socket: no more of what it has sent is handled until its client has read some. */
  answersWait(): void {
    this.parts.inbound.answersWait(this);
  }
}

/** A class for one gateway's channels, so that what they share is no field of each (8 bytes). */
export function channelClass(parts: ChannelParts): new (slot: number, socket: MqttSocket) => Channel {
  return class extends Channel {
    protected override get parts(): ChannelParts {
      return parts;
    }
  };
}
