import type { CloseReason } from '../close-reason.js';
import type { Config } from '../config.js';
import type { Counters } from '../counters.js';
import type { FairTurns } from '../fair-turns.js';
import type { PublishRates } from '../publish-rates.js';
import type { Channel } from './channel.js';
import type { CloseDetails, Closing } from './closing.js';
import type { ConnectAuthentication } from './connect-authentication.js';
import type { Deadlines } from './deadlines.js';
import { frameBytesMax } from './frame-size.js';
import { Framing } from './framing.js';
import { GoneSocket } from './gone-socket.js';
import { packetType } from './packet.js';
import type { PacketDispatch } from './packet-dispatch.js';
import type { RateLimits } from './rate-limits.js';
import { type ReceiveQueue, ReceiveQueues } from './receive-queues.js';
import type { Replies } from './replies.js';
import { sizeDetails } from './size-details.js';

/** The most that a socket brings in a turn where SO_RCVBUF is the system's: uWS's own buffer. */
const receiveBufferBytes = 512 * 1024;

/**
 * Most frames of the largest size that wait for a client that does not read its answers, behind a CONNECT that waits for
 * the client's former connection, or behind a SUBSCRIBE.
 */
const framesHeldBack = 1;
/** Longest time in which a client reads none of its answers while its requests wait. */
const unansweredMs = 10_000;

export interface InboundParts {
  readonly dispatch: PacketDispatch;
  readonly authentication: ConnectAuthentication;
  readonly deadlines: Deadlines;
  readonly replies: Replies;
  readonly rateLimits: RateLimits;
  readonly publishRates: PublishRates;
  readonly turns: FairTurns;
  readonly counters: Counters;
  readonly config: Config;
}

/**
 * The way of bytes from a socket to the handlers of packets. A connection's packets are handled strictly in order, whatever
 * other connections do, in slices: what does not fit into this turn of the loop waits in its queue.
 */
export class Inbound {
  readonly #parts: InboundParts;
  readonly #framing: Framing;
  readonly #queues: ReceiveQueues;
  readonly #heldBackBytesMax: number;
  /** The slice that is being handled; fields instead of a closure for each. */
  #channel!: Channel;
  #bytes!: Buffer;
  #handled = 0;
  /** Its answers have filled its socket. */
  #answersWait = false;
  /** Its next packet waits for something else than its turn, and `goOn` is called then. */
  #packetWaits = false;

  constructor(parts: InboundParts) {
    const { mqttReceiveQueueBytesTotalMax, socketReceiveBufferBytes } = parts.config;
    this.#parts = parts;
    this.#framing = new Framing(parts.config);
    this.#heldBackBytesMax = framesHeldBack * frameBytesMax(parts.config);
    // The kernel doubles SO_RCVBUF, for its own overhead.
    const bytesPerTurn = 2 * socketReceiveBufferBytes || receiveBufferBytes;
    this.#queues = new ReceiveQueues(mqttReceiveQueueBytesTotalMax, bytesPerTurn, this.#goOn);
  }

  /** Connections with an incomplete packet, now. */
  get partialPackets(): number {
    return this.#framing.partials;
  }

  /** Connections that wait for their next turn, and bytes of theirs that do, now. */
  get queues(): { now: number; bytes: number } {
    return { now: this.#queues.count, bytes: this.#queues.bytes };
  }

  /** A turn of the loop is over. */
  endTurn(): void {
    this.#queues.endTurn();
  }

  /** @param bytes valid during the call */
  read(channel: Channel, bytes: Buffer): void {
    const { rateLimits, counters, turns, config, replies } = this.#parts;
    const queue = this.#queues.of(channel);
    if (queue?.onHandled !== undefined) return;
    counters.mqttBytesReceived += bytes.length;
    if (!rateLimits.admitsBytes(channel.slot, bytes.length))
      return this.closeBehind(channel, 'rate-limited', sizeDetails(config, 'mqttRateLimitBytes'));
    if (queue === undefined) return this.#begin(channel, bytes, turns.full);
    queue.push(bytes);
    if (channel.session === undefined) this.#keepBehindConnect(channel, queue, bytes.length);
    else if (queue.parked && queue.bytes > this.#heldBackBytesMax) channel.cut('answers-unread');
    else if (queue.bytes > this.#heldBackBytesMax) replies.letGo(channel); // its SUBACK is not waited for
  }

  /** Something has come that may not: the connection is closed once all that has come before it is handled. */
  closeBehind(channel: Channel, reason: CloseReason, details?: CloseDetails): void {
    const close = () => channel.end(reason, details);
    const queue = this.#queues.of(channel);
    if (queue === undefined) close();
    else queue.onHandled ??= close;
  }

  /** A packet that waited may be handled. */
  goOn(channel: Channel): void {
    const queue = this.#queues.of(channel);
    if (queue?.letGo() && !queue.parked) this.#parts.turns.add(queue);
  }

  /**
   * Many CONNECTs may wait at the same time, so all that is behind them has a limit together, too. Where its user is not known
   * yet it is less: that of AuthenticationDecisions, and a packet for each.
   */
  #keepBehindConnect(channel: Channel, queue: ReceiveQueue, bytes: number): void {
    const { authentication, config } = this.#parts;
    const { mqttReceiveQueueBytesTotalMax, mqttMaxPacketSize } = config;
    if (queue.bytes > this.#heldBackBytesMax) channel.end('not-connected');
    else if (!queue.held) return;
    else if (this.#queues.bytes > mqttReceiveQueueBytesTotalMax) channel.end('not-connected');
    else if (authentication.isWaiting(channel) && queue.bytes > 2 * mqttMaxPacketSize)
      channel.end('not-connected', sizeDetails(config, 'mqttMaxPacketSize', queue.bytes));
    else if (!authentication.keeps(channel, bytes))
      channel.end('not-connected', sizeDetails(config, 'authPendingBytesTotalMax', queue.bytes));
  }

  /** Called in each tick of the sweeper. */
  tick(): void {
    if (this.#queues.count === 0) return;
    for (const [channel, state] of [...this.#queues.parked(unansweredMs)]) {
      if (state === 'stuck') channel.cut('answers-unread');
      // All answers are taken, and no drain event has said so.
      else if (state === 'taken') channel.takesMore();
    }
  }

  /** Whether something that it has sent is still to be handled. */
  isReading(channel: Channel): boolean {
    return this.#queues.of(channel) !== undefined;
  }

  /** Whether it waits for room in its socket: for what is sent to it, or for answers. */
  isBehind(channel: Channel): boolean {
    return channel.isOpen && (channel.congested || this.#queues.of(channel)?.parked === true);
  }

  /** An answer has filled its socket: no more of its packets are handled until answers are read. */
  answersWait(channel: Channel): void {
    if (channel === this.#channel) this.#answersWait = true;
  }

  /** Its socket takes answers again. */
  takesMore(channel: Channel): void {
    const queue = this.#queues.of(channel);
    if (!queue?.parked) return;
    queue.unpark();
    if (!queue.held) this.#parts.turns.add(queue);
  }

  /** Its time is over; but what it has sent in time waits for us, and tells that it is alive. @returns whether that is so */
  keepsWaiting(channel: Channel): boolean {
    const queue = this.#queues.of(channel);
    if (channel.session === undefined || queue === undefined || queue.parked) return false;
    this.#parts.deadlines.heard(channel);
    return true;
  }

  /**
   * The peer has closed. What it has sent before is handled all the same, as it would have been on a quieter server.
   * @param onEnd called when it is ended from this side before @returns whether anything is left of it
   */
  finishes(channel: Channel, onEnd: () => void): boolean {
    const queue = this.#queues.of(channel);
    // A stranger that goes leaves nothing behind.
    if (queue === undefined || this.#parts.authentication.isWaiting(channel)) return false;
    channel.socket = new GoneSocket(queue.addressText, onEnd);
    this.takesMore(channel);
    return true;
  }

  /** The connection is gone, with what waits of it. */
  release(channel: Channel): void {
    this.#framing.release(channel.slot);
    this.#queues.release(channel);
    this.#parts.rateLimits.release(channel.slot);
    this.#parts.publishRates.release(channel.slot);
    this.#parts.authentication.release(channel);
    this.#parts.dispatch.release(channel);
  }

  /** The first slice of a frame, in place; its rest waits. @param late others have used up this turn */
  #begin(channel: Channel, bytes: Buffer, late: boolean): void {
    this.#answersWait = false;
    this.#packetWaits = false;
    const handled = late ? 0 : this.#handle(channel, bytes);
    const waiting = this.#framing.takeWaiting();
    if (handled === bytes.length && waiting === undefined) return;
    if (!channel.isOpen) return;
    const queue = this.#queues.begin(channel);
    if (waiting !== undefined) queue.push(waiting);
    if (handled < bytes.length) queue.push(bytes.subarray(handled));
    if (this.#packetWaits) this.#hold(channel, queue);
    else if (this.#answersWait) queue.park(channel.socket.getBufferedAmount());
    else this.#parts.turns.add(queue);
  }

  /** Its next packet waits. */
  #hold(channel: Channel, queue: ReceiveQueue): void {
    queue.hold();
    if (channel.session === undefined) this.#keepBehindConnect(channel, queue, queue.bytes);
  }

  /** The next slice, in a cork, as uWS has one for what it reads. @returns how many of the bytes are done with */
  readonly #goOn = (channel: Channel, bytes: Buffer): number => {
    this.#channel = channel;
    this.#bytes = bytes;
    this.#answersWait = false;
    this.#packetWaits = false;
    channel.socket.cork(this.#handleCorked);
    const waiting = this.#framing.takeWaiting();
    if (!channel.isOpen) return this.#handled;
    const queue = this.#queues.of(channel)!;
    if (waiting !== undefined) queue.putBack(waiting);
    if (this.#packetWaits) this.#hold(channel, queue);
    if (!channel.isOpen) return this.#handled;
    const unsentBytes = channel.socket.getBufferedAmount();
    if (this.#answersWait && unsentBytes > 0) queue.park(unsentBytes);
    // As it uncorks, uWS may write off what it had, and then no drain event comes.
    if (channel.congested) channel.takesMore();
    const finished = waiting === undefined && this.#handled === bytes.length && queue.bytes === bytes.length;
    if (finished && queue.onHandled !== undefined) queue.onHandled();
    else if (finished && channel.socket instanceof GoneSocket) channel.socket.close();
    return this.#handled;
  };

  readonly #handleCorked = (): void => {
    this.#handled = this.#handle(this.#channel, this.#bytes);
  };

  /** @returns how many bytes are done with */
  #handle(channel: Channel, bytes: Buffer): number {
    this.#channel = channel;
    if (channel.session === undefined && this.#framing.isFirst(channel.slot) && !beginsConnect(bytes)) {
      channel.end('not-connected'); // [MQTT-3.1.0-1], and bytes that are no MQTT at all
      return bytes.length;
    }
    const handled = this.#framing.feed(channel.slot, bytes, this.#onPacket);
    if (typeof handled === 'number') return handled;
    if (channel.isOpen) this.#refuse(channel, handled);
    return bytes.length;
  }

  #refuse(channel: Channel, closing: Closing): void {
    const { config } = this.#parts;
    if (typeof closing !== 'string') channel.end(closing.reason, closing.details);
    else if (closing === 'packet-too-large')
      channel.end(closing, sizeDetails(config, 'mqttMaxPacketSize', this.#framing.announcedBytes));
    else channel.end(closing);
  }

  readonly #onPacket = (typeAndFlags: number, bytes: Buffer, start: number, end: number) => {
    const channel = this.#channel;
    const verdict = this.#parts.dispatch.packet(channel, typeAndFlags, bytes, start, end);
    if (verdict === 'wait') this.#packetWaits = true;
    if (verdict !== undefined) return verdict;
    // A packet may have led to this channel's own end, as when it is its own slow consumer.
    if (!channel.isOpen) return 'peer-closed';
    this.#channel = channel;
    return this.#answersWait || this.#parts.turns.over ? 'pause' : undefined;
  };
}

function beginsConnect(bytes: Buffer): boolean {
  return bytes.length === 0 || bytes[0]! >> 4 === packetType.connect;
}
