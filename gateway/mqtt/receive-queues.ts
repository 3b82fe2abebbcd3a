import type { SlicedWork } from '../fair-turns.js';
import type { Channel } from './channel.js';

/**
 * Bytes that connections have sent beyond their share of a turn, in order, until they are handled. uWS cannot stop reading a
 * WebSocket, so past a limit for all together turns get longer: by a part of what is too much, whoever it is of, as the
 * sockets of fast senders bring next to nothing by then (see ReceiveThrottle). At twice the limit each gets as much of
 * every turn as a socket may bring in one, so that memory is bounded where that cannot be.
 *
 *     frame -> handled at once: its slice      [……rest][frame][frame] -> a slice a turn
 */
export class ReceiveQueues {
  readonly #queues = new Map<Channel, ReceiveQueue>();
  readonly #limits: ReceiveLimits;
  readonly #handle: HandleSlice;

  /**
   * @param bytesMax all together
   * @param bytesPerTurn the most that one socket brings in a turn
   */
  constructor(bytesMax: number, bytesPerTurn: number, handle: HandleSlice) {
    this.#limits = { bytes: 0, bytesMax, bytesPerTurn, handledInTurn: 0 };
    this.#handle = handle;
  }

  /** Connections of which something waits, now. */
  get count(): number {
    return this.#queues.size;
  }

  /** All that waits, now. */
  get bytes(): number {
    return this.#limits.bytes;
  }

  of(channel: Channel): ReceiveQueue | undefined {
    return this.#queues.size === 0 ? undefined : this.#queues.get(channel);
  }

  begin(channel: Channel): ReceiveQueue {
    const queue = new ReceiveQueue(this.#limits, channel, this.#handle, () => this.#queues.delete(channel));
    this.#queues.set(channel, queue);
    return queue;
  }

  /** A turn of the loop is over. */
  endTurn(): void {
    this.#limits.handledInTurn = 0;
  }

  /** Those that wait for answers to be read, and whether none has been for so long. */
  *parked(ms: number): Iterable<[Channel, 'taken' | 'stuck' | 'waiting']> {
    for (const [channel, queue] of this.#queues) {
      if (!queue.parked) continue;
      const unsentBytes = channel.socket.getBufferedAmount();
      const stuck = queue.isStuck(unsentBytes, ms);
      yield [channel, unsentBytes === 0 ? 'taken' : stuck ? 'stuck' : 'waiting'];
    }
  }

  /** The connection is gone, and what waits of it with it. */
  release(channel: Channel): void {
    this.of(channel)?.drop();
  }
}

/** Handles bytes of a connection from their start on, for a slice. @returns how many of them are done with */
type HandleSlice = (channel: Channel, bytes: Buffer) => number;

interface ReceiveLimits {
  bytes: number;
  readonly bytesMax: number;
  readonly bytesPerTurn: number;
  /** Of all connections, of what has waited. */
  handledInTurn: number;
}

/**
 * The part of what waits past the limit that a turn has to catch up with. 100 floods that are held back bring 4 KB each in a turn:
 * so 26 MB wait past the limit then, and a turn takes 0.12 s.
 */
const caughtUpPerTurn = 1 / 64;

/** Small frames are kept together in chunks that grow up to this: an object for each would weigh more than they do. */
const chunkBytes = 64 * 1024;

/** Bytes of one connection, as a stream: frames have no meaning in MQTT [MQTT-6.0.0-2]. */
export class ReceiveQueue implements SlicedWork {
  readonly #limits: ReceiveLimits;
  readonly #channel: Channel;
  readonly #handle: HandleSlice;
  readonly #onEmpty: () => void;
  /** Of its peer: once the socket is closed it is too late to ask. */
  readonly addressText: string;
  /** Called once all of it is handled: the connection is to be closed behind it, and what comes meanwhile is not taken. */
  onHandled: (() => void) | undefined = undefined;
  #chunks: Buffer[] = [];
  /** Of the first chunk, what is handled; of the last one, what is filled. */
  #start = 0;
  #end = 0;
  #bytes = 0;
  #putBack: Buffer | undefined;
  #parkedMs = 0;
  #held = false;
  #unsentBytes = 0;
  #dropped = false;
  /** Handled in this turn. */
  #handledBytes = 0;

  constructor(limits: ReceiveLimits, channel: Channel, handle: HandleSlice, onEmpty: () => void) {
    this.#limits = limits;
    this.#channel = channel;
    this.#handle = handle;
    this.#onEmpty = onEmpty;
    this.addressText = channel.remoteAddress();
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** It waits until the client has read its answers, and is in no turn. */
  get parked(): boolean {
    return this.#parkedMs > 0;
  }

  /** @param unsentBytes answers that the client is to read first */
  park(unsentBytes: number): void {
    this.#parkedMs = performance.now();
    this.#unsentBytes = unsentBytes;
  }

  unpark(): void {
    this.#parkedMs = 0;
  }

  get held(): boolean {
    return this.#held;
  }

  /** Its next packet waits for something else than its turn: it is in none until it is let go. */
  hold(): void {
    this.#held = true;
  }

  /** @returns whether it was held */
  letGo(): boolean {
    const held = this.#held;
    this.#held = false;
    return held;
  }

  /** @returns whether it is parked, and none of the answers has gone for so long */
  isStuck(unsentBytes: number, ms: number): boolean {
    if (!this.parked) return false;
    if (unsentBytes < this.#unsentBytes) this.park(unsentBytes);
    return performance.now() - this.#parkedMs >= ms;
  }

  /** @param bytes copied: the receive buffer is not ours to keep */
  push(bytes: Buffer): void {
    const last = this.#chunks.at(-1);
    if (last === undefined || last.length - this.#end < bytes.length) {
      if (last !== undefined) this.#chunks[this.#chunks.length - 1] = last.subarray(0, this.#end);
      const grown = last === undefined ? 0 : Math.min(chunkBytes, last.length * 2);
      this.#chunks.push(Buffer.allocUnsafeSlow(Math.max(bytes.length, grown)));
      this.#end = 0;
    }
    bytes.copy(this.#chunks.at(-1)!, this.#end);
    this.#end += bytes.length;
    this.#count(bytes.length);
  }

  /** While bytes are handled: a packet of them has to wait, and is handled again before what is left. */
  putBack(packet: Buffer): void {
    this.#putBack = packet;
  }

  get overdue(): boolean {
    const { bytes, bytesMax, bytesPerTurn, handledInTurn } = this.#limits;
    const behind = bytes > 2 * bytesMax || handledInTurn < (bytes - bytesMax) * caughtUpPerTurn;
    if (behind && this.#handledBytes < bytesPerTurn) return true;
    this.#handledBytes = 0;
    return false;
  }

  goOn(): boolean {
    if (this.#dropped) return false;
    const chunk = this.#chunks[0]!;
    const filled = this.#chunks.length === 1 ? this.#end : chunk.length;
    const handled = this.#handle(this.#channel, chunk.subarray(this.#start, filled));
    if (this.#dropped) return false;
    // None: its first packet waits for something else than its turn.
    this.#handledBytes += handled === 0 ? this.#limits.bytesPerTurn : handled;
    this.#limits.handledInTurn += handled;
    this.#start += handled;
    this.#count(-handled);
    if (this.#start === filled) {
      this.#chunks.shift();
      this.#start = 0;
    }
    if (this.#putBack !== undefined) this.#unshift(this.#putBack);
    if (this.#chunks.length > 0) return !this.parked && !this.#held;
    this.drop();
    return false;
  }

  /** Forgets what waits. */
  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this.#count(-this.#bytes);
    this.#chunks = [];
    this.#onEmpty();
  }

  #unshift(packet: Buffer): void {
    this.#putBack = undefined;
    if (this.#chunks.length === 0) this.#end = packet.length;
    else this.#chunks[0] = this.#chunks[0]!.subarray(this.#start);
    if (this.#chunks.length === 1) this.#end -= this.#start;
    this.#start = 0;
    this.#chunks.unshift(packet);
    this.#count(packet.length);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#limits.bytes += bytes;
  }
}
