import type { WebSocket } from 'uWebSockets.js';
import type { OnOutcome } from '../../router/engine/engine.js';
import { ticksPerSec } from '../clock.js';
import { type CloseReason, webSocketCodes, webSocketPolicyCode } from '../close-reason.js';
import type { Outbound } from '../outbound.js';
import { type Channel, type ChannelOfSocket, channelClass } from './channel.js';
import type { ChannelWire } from './channel-wire.js';
import { detailsOfEnd, reasonOf } from './end-by-uws.js';
import { frameBytesMax } from './frame-size.js';
import { GoneSocket } from './gone-socket.js';
import { HeldReplies } from './held-replies.js';
import { Inbound } from './inbound.js';
import type { MqttParts } from './mqtt-parts.js';
import { PacketDispatch } from './packet-dispatch.js';
import { PublishReplies } from './publish-replies.js';
import { sizeDetails } from './size-details.js';
import { TakeoverLoops } from './takeover-loops.js';

/** What `send` says when the system takes no more, and when uWS does not either. */
const buffered = 0;
const dropped = 2;

/**
 * Opens and ends MQTT connections. Whatever the cause of an end, the slot is freed, the session let go of, and a will
 * published where one is due (step 8 of the way of a message).
 */
export class Channels {
  readonly #parts: MqttParts;
  readonly #class: ReturnType<typeof channelClass>;
  readonly #inbound: Inbound;
  readonly #dispatch: PacketDispatch;
  readonly #held = new HeldReplies({
    write: (channel, packet) => this.#write(channel, packet),
    onNone: (channel) => this.#inbound.goOn(channel),
  });
  readonly #publishReplies = new PublishReplies({
    isOpen: (channel) => this.#parts.connections.has(channel),
    write: (channel, packets) => this.reply(channel, packets),
    refuse: (channel) => this.close(channel, 'not-carried'),
  });
  readonly wire: ChannelWire;
  readonly outbound: Outbound;
  /** Why the channel that is being closed right now is being closed. */
  #closing: CloseReason = 'peer-closed';
  readonly #takeoverLoops: TakeoverLoops;
  /** The close that comes next has no line in the log. */
  #quiet = false;
  /** What the log says besides of the close that comes next. */
  #details: Record<string, unknown> | undefined;
  /** What has come of the one that is closed next is still handled. */
  #finishes = false;
  /** It gets a close frame, and its socket goes with the peer's. */
  #lingers = false;

  constructor(parts: MqttParts) {
    this.#parts = parts;
    this.wire = parts.wire;
    this.outbound = parts.outbound;
    this.#class = channelClass(this);
    this.#dispatch = new PacketDispatch(parts, this);
    this.#takeoverLoops = new TakeoverLoops(parts.log);
    this.#inbound = new Inbound(parts, this, this.#dispatch);
    parts.claims.channels = {
      isReading: (channel) => this.#inbound.isReading(channel),
      finish: (channel, clientId) => this.#finish(channel, clientId),
      goOn: (channel) => this.#inbound.goOn(channel),
      whenDecided: (session, ready) => this.#dispatch.whenDecided(session, ready),
    };
  }

  /** What has come and is not handled yet, now. */
  get received(): { partialPackets: number; receiveQueues: { now: number; bytes: number } } {
    return { partialPackets: this.#inbound.partialPackets, receiveQueues: this.#inbound.queues };
  }

  /** CONNECTs and answers that wait for other nodes, by connection, and sessions with a message that does, now. */
  get waiting(): { connects: number; replies: number; undecided: number } {
    return {
      connects: this.#parts.claims.count,
      replies: this.#held.count + this.#publishReplies.count,
      undecided: this.#dispatch.undecided,
    };
  }

  /** Client ids that were fought over, since the start. */
  get takeoverLoops(): number {
    return this.#takeoverLoops.named;
  }

  /** A WebSocket has opened; it has a while to say CONNECT. */
  open(socket: WebSocket<ChannelOfSocket>): void {
    const { connections, admission, pendingConnects, clock, config } = this.#parts;
    // It was let in at the upgrade, in the same turn: the slot is there.
    const channel = new this.#class(connections.take(), socket);
    socket.getUserData().channel = channel;
    admission.enter(channel, socket);
    pendingConnects.enter(channel.slot, socket);
    connections.due[channel.slot] = clock.tick + config.mqttIdleTimeout * ticksPerSec;
  }

  /** @param bytes valid during the call */
  read(channel: Channel, bytes: Buffer): void {
    this.#inbound.read(channel, bytes);
  }

  /** What it has sent is not taken. @param announcedBytes length of the packet that was read last */
  refuse(channel: Channel, reason: CloseReason, announcedBytes: number): void {
    // A handler that has said more is believed.
    if (reason === 'packet-too-large')
      this.#details ??= sizeDetails(this.#parts.config, 'mqttMaxPacketSize', announcedBytes);
    if (this.#parts.connections.has(channel)) this.close(channel, reason);
    this.#details = undefined;
  }

  /** A frame larger than it may be, and not so large that uWS has closed already. */
  refuseFrame(channel: Channel, bytes: number): void {
    const { config } = this.#parts;
    const details = sizeDetails(config, 'mqttMaxFrameSize', bytes, frameBytesMax(config));
    this.closeBehind(channel, 'packet-too-large', details);
  }

  /** Something has come that may not: `close`, once what has come before it is handled. */
  closeBehind(channel: Channel, reason: CloseReason, details?: Record<string, unknown>): void {
    const close = () => {
      this.#details = details;
      this.close(channel, reason);
    };
    if (!this.#inbound.closesBehind(channel, close)) close();
  }

  /** A turn of the loop is over in which something has waited. */
  endTurn(): void {
    this.#inbound.endTurn();
  }

  /** In each tick of the sweeper. */
  tick(): void {
    this.#inbound.tick();
  }

  /** Whether something that it has sent is still to be handled. */
  isReading(channel: Channel): boolean {
    return this.#inbound.isReading(channel);
  }

  /** Whether it waits for room in its socket: for what is sent to it, or for answers. */
  isBehind(channel: Channel): boolean {
    if (!this.#parts.connections.has(channel)) return false;
    return this.outbound.isBackpressured(channel) || this.#inbound.isParked(channel);
  }

  /** A drain event: the socket has taken something. Nothing else says so: a client that only sends has read nothing. */
  drained(channel: Channel): void {
    this.#parts.outbound.noteProgress(channel);
    this.takesMore(channel);
  }

  /**
   * The socket may take more. After a drain event, and after anything was read from a connection that is behind: as it
   * uncorks, uWS may write off the rest that it has, and then no drain event comes any more (measured: 9 MB pending
   * for ever).
   */
  takesMore(channel: Channel): void {
    const { connections, outbound, replays } = this.#parts;
    if (channel.socket.getBufferedAmount() > 0) return;
    this.#inbound.takesMore(channel);
    outbound.drain(channel);
    if (!connections.has(channel) || outbound.isBackpressured(channel)) return;
    channel.session?.goOn();
    if (connections.has(channel)) replays.goOn(channel);
  }

  /** Writes a packet that answers one. Who asks and asks and reads no answers is cut at uWS's limit of what may wait. */
  reply(channel: Channel, packet: Buffer): void {
    if (!this.#held.queue(channel, packet)) this.#write(channel, packet);
  }

  /**
   * `reply`, once what this connection has just subscribed to is so on all nodes; so that who has been told may publish
   * anywhere. At once, where there is but one.
   * @param after what comes behind the packet
   */
  replyWhenInterested(channel: Channel, packet: Buffer, after: () => void): void {
    this.#parts.router.whenInterested(this.#held.hold(channel, packet, after));
  }

  /**
   * `reply` to a PUBLISH, once its message is carried. @param publish says so, before it returns or later
   * @returns why the connection must be closed, if so
   */
  replyOnceCarried(
    channel: Channel,
    answer: () => Buffer,
    publish: (onOutcome: OnOutcome) => void,
  ): CloseReason | undefined {
    return this.#publishReplies.once(channel, answer, publish);
  }

  /** Whether a SUBACK waits: what the client publishes behind its SUBSCRIBE may be for itself. */
  isSubscribing(channel: Channel): boolean {
    return this.#held.has(channel);
  }

  /** So much waits behind a SUBSCRIBE that its SUBACK is not waited for. */
  waitNoLonger(channel: Channel): void {
    this.#held.letGo(channel);
  }

  #write(channel: Channel, packet: Buffer): void {
    if (!this.#parts.connections.has(channel)) return;
    const status = channel.socket.send(packet, true);
    if (status === dropped) this.cut(channel, 'answers-unread');
    else if (status === buffered) this.#inbound.answersWait(channel);
  }

  /** Nothing has come from it for too long, unless what has come is still to be handled. */
  closeSilent(channel: Channel): void {
    if (this.#inbound.keepsWaiting(channel)) return;
    this.close(channel, channel.session === undefined ? 'idle-timeout' : 'keep-alive-timeout');
  }

  /** For a handler that hands on a reason to close. @param details sizes and settings, for the log */
  because(reason: CloseReason, details: Record<string, unknown>): CloseReason {
    this.#details = details;
    return reason;
  }

  /** Ends it with a close frame that says why. It is released before this returns; its socket goes with the peer's. */
  close(channel: Channel, reason: CloseReason): void {
    if (reason === 'disconnected') this.#parts.wills.delete(channel.slot); // [MQTT-3.14.4-3]
    this.#publishReplies.writeDue(channel);
    this.#held.letGo(channel);
    if (!this.#parts.connections.has(channel)) return;
    this.#lingers = true;
    this.#end(channel, reason);
    this.#lingers = false;
  }

  /** It has not said CONNECT for so long that its place is another one's. */
  cutPending(channel: Channel, details: Record<string, unknown>): void {
    this.#details = details;
    this.cut(channel, 'connect-overdue');
  }

  /** Another connection takes its client id. */
  takenOver(channel: Channel, clientId = channel.session!.clientId): void {
    this.#quiet = !this.#takeoverLoops.note(clientId, channel.remoteAddress());
    this.#details = channel.session === undefined ? { clientId } : undefined;
    this.close(channel, 'taken-over');
    this.#quiet = false;
  }

  /** The same, where something that it has sent is still to be handled: then it is, and the connection ends behind it. */
  #finish(channel: Channel, clientId: string): void {
    if (channel.socket instanceof GoneSocket) return; // it is at that already
    this.#parts.sessions.counters.takenOver++;
    this.#finishes = true;
    this.takenOver(channel, clientId);
    this.#finishes = false;
  }

  /** Ends it at once, with whatever uWS still has for it. It is released before this returns. */
  cut(channel: Channel, reason: CloseReason): void {
    this.#end(channel, reason);
  }

  #end(channel: Channel, reason: CloseReason): void {
    this.#closing = reason;
    const who = this.#quiet ? undefined : this.#whoIs(channel, reason);
    this.#details = undefined;
    // Both call `gone`.
    if (this.#lingers) channel.socket.end(webSocketCodes[reason] ?? webSocketPolicyCode, reason);
    else channel.socket.close();
    this.#closing = 'peer-closed';
    if (who !== undefined) this.#parts.log.warn(reason, who, 'connection closed');
  }

  /**
   * It is at its end, whoever brought that about.
   * @returns whether the socket stays open until its peer has closed it too
   */
  gone(channel: Channel, webSocketCode: number, webSocketReason: string): boolean {
    const ours = this.#closing !== 'peer-closed';
    const reason = ours ? this.#closing : reasonOf(webSocketCode, webSocketReason);
    if (!ours && reason !== 'peer-closed') {
      const who = { ...channel.describe(), ...detailsOfEnd(reason, this.#parts.config) };
      this.#parts.log.warn(reason, who, 'connection closed');
    }
    const release = () => this.#release(channel, this.#closing === 'peer-closed' ? reason : this.#closing);
    if ((ours && !this.#finishes) || !this.#inbound.finishes(channel, release)) release();
    return this.#lingers;
  }

  #release(channel: Channel, reason: CloseReason): void {
    const { pendingConnects, admission, claims, sessions, wills, presence, rateLimits, replays } =
      this.#parts;
    const { session, slot } = channel;
    this.#inbound.release(channel);
    pendingConnects.leave(slot);
    this.#held.release(channel);
    this.#publishReplies.release(channel);
    rateLimits.release(slot);
    admission.leave(channel, reason);
    wills.publish(slot);
    claims.release(channel);
    if (session === undefined) return;
    channel.session = undefined;
    sessions.detach(session);
    replays.release(slot, session);
    presence.disconnected(session.clientId, reason);
  }

  /** For the log, while the socket is open; good ends and ends of a stop are not logged. */
  #whoIs(channel: Channel, reason: CloseReason): Record<string, unknown> | undefined {
    if (reason === 'disconnected' || reason === 'server-stopping') return undefined;
    return { ...channel.describe(), address: channel.remoteAddress(), ...this.#details };
  }
}
