/**
 * One connection to each Redis server. Calls the send function of a router's global name there. Redis answers calls in
 * their order, so messages of an id cannot overtake each other.
 */
import type { Redis } from 'ioredis';
import { connectionTo, indexOf, type NameAddress, refusalSentence } from './global-name.js';
import { type Lane, type LaneOwner, REST_AFTER_ERROR_MS } from './lane.js';
import { SocketTraffic, type Traffic } from './traffic.js';

/** Interval of the check for overdue answers. */
const LOOK_MS = 250;
/** Longest kind of error: errors are counted by kind, and must not have too many kinds. */
const ERROR_CHARACTERS_MAX = 80;

interface Sent {
  readonly dueMs: number;
  readonly sentMs: number;
  readonly server: number;
}

export class RedisLane implements Lane {
  readonly #index: number;
  readonly #owner: LaneOwner;
  readonly #address: NameAddress;
  readonly #window: number;
  readonly #answerTimeoutMs: number;
  readonly #function: string;
  readonly #servers: Redis[];
  readonly #traffics: SocketTraffic[];
  /** Messages on the wire, by number, the oldest first. */
  readonly #sent = new Map<number, Sent>();
  #number = 0;
  #look: NodeJS.Timeout | undefined;
  #resting: NodeJS.Timeout | undefined;
  /** Open, and not resting after an error. */
  #free = false;
  /** Servers whose connection is lost. */
  readonly #lost = new Set<number>();

  constructor(
    index: number,
    owner: LaneOwner,
    address: NameAddress,
    window: number,
    answerTimeoutMs: number,
  ) {
    this.#index = index;
    this.#owner = owner;
    this.#address = address;
    this.#window = window;
    this.#answerTimeoutMs = answerTimeoutMs;
    this.#function = `${address.name}_send`;
    this.#servers = address.shards.map((shard) => connectionTo(shard, address, true));
    this.#traffics = address.shards.map(() => new SocketTraffic());
  }

  get unanswered(): number {
    return this.#sent.size;
  }

  get traffic(): Traffic {
    const sum = (of: (traffic: Traffic) => number) => this.#traffics.reduce((all, each) => all + of(each), 0);
    return {
      sentBytes: sum(({ sentBytes }) => sentBytes),
      receivedBytes: sum(({ receivedBytes }) => receivedBytes),
    };
  }

  eachUnanswered(visit: (dueMs: number, sentMs: number) => void): void {
    for (const { dueMs, sentMs } of this.#sent.values()) visit(dueMs, sentMs);
  }

  async open(): Promise<void> {
    await Promise.all(this.#servers.map((redis) => redis.connect()));
    for (const [index, redis] of this.#servers.entries()) {
      this.#traffics[index]!.count(redis.stream as never);
      redis.on('close', () => this.#lose(index));
      redis.on('ready', () => this.#back(index));
    }
    this.#look = setInterval(() => this.#giveUpOverdue(), LOOK_MS);
    this.#free = true;
  }

  /** While a server is away the lane takes nothing: the next message may be for that server. */
  serve(): void {
    if (!this.#free || this.#lost.size > 0) return;
    const owner = this.#owner;
    for (const { stream } of this.#servers) stream.cork();
    while (this.#sent.size < this.#window && owner.take(this.#index)) {
      const id = owner.addresses.id(owner.takenId);
      const server = indexOf(id, this.#address);
      const number = this.#number++;
      this.#sent.set(number, { dueMs: owner.takenDueMs, sentMs: owner.nowMs, server });
      this.#servers[server]!.fcall(this.#function, 1, id, owner.takenText()).then(
        (copies) => this.#answered(number, Number(copies)),
        (error: Error) => this.#refused(number, error),
      );
    }
    for (const { stream } of this.#servers) stream.uncork();
  }

  conclude(): void {}

  async close(): Promise<void> {
    this.#free = false;
    clearInterval(this.#look);
    clearTimeout(this.#resting);
    for (const redis of this.#servers) {
      redis.removeAllListeners('close');
      redis.disconnect();
    }
  }

  #answered(number: number, copies: number): void {
    const sent = this.#take(number);
    if (sent === undefined) return;
    this.#owner.countSent(sent.dueMs, sent.sentMs);
    this.#owner.countDelivered(copies);
    this.serve();
    this.#owner.settled();
  }

  #refused(number: number, { message }: Error): void {
    if (this.#take(number) === undefined) return;
    this.#owner.countError(kindOf(message), 1);
    this.#rest();
    this.#owner.settled();
  }

  /** @returns undefined for a message that was given up */
  #take(number: number): Sent | undefined {
    const sent = this.#sent.get(number);
    if (sent === undefined || this.#owner.over) return undefined;
    this.#sent.delete(number);
    return sent;
  }

  #rest(): void {
    if (!this.#free) return;
    this.#free = false;
    this.#resting = setTimeout(() => this.#goOn(), REST_AFTER_ERROR_MS);
  }

  #goOn(): void {
    this.#free = true;
    this.serve();
    this.#owner.settled();
  }

  /** A server that stands still answers nothing; it may run the call later. */
  #giveUpOverdue(): void {
    const before = this.#owner.nowMs - this.#answerTimeoutMs;
    const overdue = [...this.#sent].filter(([, { sentMs }]) => sentMs <= before);
    if (overdue.length > 0) this.#forsake(`no answer in ${this.#answerTimeoutMs / 1000} s`, overdue);
  }

  #forsake(kind: string, messages: [number: number, sent: Sent][]): void {
    for (const [number, { dueMs, sentMs }] of messages) {
      this.#sent.delete(number);
      this.#owner.countUnanswered(kind, dueMs, sentMs);
    }
    this.serve();
    this.#owner.settled();
  }

  #lose(server: number): void {
    if (this.#lost.has(server)) return;
    this.#lost.add(server);
    if (this.#owner.over) return;
    this.#owner.countLost('Redis went away');
    const underWay = [...this.#sent].filter(([, sent]) => sent.server === server);
    if (underWay.length > 0) this.#forsake('Redis went away', underWay);
  }

  #back(server: number): void {
    this.#lost.delete(server);
    this.#traffics[server]!.count(this.#servers[server]!.stream as never);
    this.serve();
    this.#owner.settled();
  }
}

function kindOf(message: string): string {
  if (/Function not found/.test(message)) return 'nobody under the name';
  return `refused: ${(refusalSentence(message) ?? message).slice(0, ERROR_CHARACTERS_MAX)}`;
}
