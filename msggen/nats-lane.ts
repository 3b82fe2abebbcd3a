/**
 * One connection to NATS, over which the global name of a router is asked to send. A message is on the wire until the
 * router that took it has answered; with a window of 1 those of one id cannot overtake each other, though it may be
 * another router that takes the next one.
 */
import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { connectToNats, type NameAddress } from './global-name.js';
import { type Lane, type LaneOwner, REST_AFTER_ERROR_MS } from './lane.js';
import type { Traffic } from './traffic.js';

/** How often it is looked whether an answer is overdue. */
const LOOK_MS = 250;
/** Of what a router says is wrong; kinds of errors are counted, and there are not to be too many. */
const ERROR_CHARACTERS_MAX = 80;

interface Sent {
  readonly dueMs: number;
  readonly sentMs: number;
}

export class NatsLane implements Lane {
  readonly #index: number;
  readonly #owner: LaneOwner;
  readonly #address: NameAddress;
  readonly #window: number;
  readonly #wait: boolean;
  readonly #answerTimeoutMs: number;
  readonly #inbox = createInbox();
  readonly #subject: string;
  /** On the wire, by number, the oldest first. */
  readonly #sent = new Map<number, Sent>();
  #number = 0;
  #nats: NatsConnection | undefined;
  #answers: Subscription | undefined;
  #look: NodeJS.Timeout | undefined;
  #resting: NodeJS.Timeout | undefined;
  /** There is a connection, and it does not rest after an error. */
  #free = false;

  /** @param wait for how many connections, on all nodes, each message reached */
  constructor(
    index: number,
    owner: LaneOwner,
    address: NameAddress,
    window: number,
    wait: boolean,
    answerTimeoutMs: number,
  ) {
    this.#index = index;
    this.#owner = owner;
    this.#address = address;
    this.#window = window;
    this.#wait = wait;
    this.#answerTimeoutMs = answerTimeoutMs;
    this.#subject = `${address.name}.send`;
  }

  get unanswered(): number {
    return this.#sent.size;
  }

  get traffic(): Traffic {
    const { outBytes = 0, inBytes = 0 } = this.#nats?.stats() ?? {};
    return { sentBytes: outBytes, receivedBytes: inBytes };
  }

  eachUnanswered(visit: (dueMs: number, sentMs: number) => void): void {
    for (const { dueMs, sentMs } of this.#sent.values()) visit(dueMs, sentMs);
  }

  /** Rejects as `whyNoNats` reads it. */
  async open(): Promise<void> {
    this.#nats = await connectToNats(this.#address, true);
    const callback = (_error: Error | null, answer: Msg) => this.#answered(answer);
    this.#answers = this.#nats.subscribe(`${this.#inbox}.*`, { callback });
    this.#look = setInterval(() => this.#giveUpOverdue(), LOOK_MS);
    this.#free = true;
    this.#watch(this.#nats);
  }

  serve(): void {
    if (!this.#free) return;
    const owner = this.#owner;
    while (this.#sent.size < this.#window && owner.take(this.#index)) {
      const text = owner.takenText();
      const number = this.#number++;
      this.#sent.set(number, { dueMs: owner.takenDueMs, sentMs: owner.nowMs });
      const line = owner.addresses.line(owner.takenId, text);
      const body = this.#wait ? line : line.replace(/}\n$/, ',"wait":false}');
      this.#nats!.publish(this.#subject, body, { reply: `${this.#inbox}.${number}` });
    }
  }

  conclude(): void {}

  async close(): Promise<void> {
    this.#free = false;
    clearInterval(this.#look);
    clearTimeout(this.#resting);
    this.#answers?.unsubscribe();
    await this.#nats?.close();
  }

  #answered(answer: Msg): void {
    const number = Number(answer.subject.slice(this.#inbox.length + 1));
    const sent = this.#sent.get(number);
    if (sent === undefined || this.#owner.over) return;
    this.#sent.delete(number);
    if (answer.data.length === 0 && answer.headers?.code === 503) return this.#fail('nobody under the name');
    const { delivered, error } = read(answer);
    if (error !== undefined) return this.#fail(`refused: ${error.slice(0, ERROR_CHARACTERS_MAX)}`);
    this.#owner.countSent(sent.dueMs, sent.sentMs);
    this.#owner.countDelivered(delivered);
    this.serve();
    this.#owner.settled();
  }

  #fail(kind: string): void {
    this.#owner.countError(kind, 1);
    this.#rest();
    this.#owner.settled();
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

  /** A router that has died answers nothing; its message may have been sent. */
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

  /** While NATS is away nothing is published: the client would keep it without a bound. */
  async #watch(nats: NatsConnection): Promise<void> {
    for await (const { type } of nats.status()) {
      if (type === 'disconnect') this.#lost();
      else if (type === 'reconnect') this.#goOn();
    }
  }

  #lost(): void {
    clearTimeout(this.#resting);
    this.#free = false;
    if (this.#owner.over) return;
    this.#owner.countLost('NATS went away');
    if (this.#sent.size > 0) this.#forsake('NATS went away', [...this.#sent]);
  }
}

function read(answer: Msg): { delivered: number; error?: string } {
  try {
    const { delivered, error } = answer.json<{ delivered?: unknown; error?: unknown }>();
    const count = typeof delivered === 'number' ? delivered : 0;
    return typeof error === 'string' ? { delivered: count, error } : { delivered: count };
  } catch {
    return { delivered: 0, error: 'the answer is not JSON' };
  }
}
