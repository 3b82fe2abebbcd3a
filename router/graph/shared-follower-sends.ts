import type { Engine, Outcome, Wants } from '../engine/engine.js';
import { Message } from '../message.js';
import { MessageProperties } from '../message-properties.js';
import { type FollowerSendsStats, SendsUnderWay } from './sends-under-way.js';
import type { FriendsPage, SharedGraph } from './shared-graph.js';

/** Bytes that a message takes while it waits, besides its payload and id. */
const sendBytes = 600;
/** A send to a million takes seconds; nodes remember it for longer than this. */
const sendMsMax = 60_000;

interface SharedSend {
  readonly message: Message;
  readonly wants: Wants | undefined;
  readonly bytes: number;
}

/**
 * Sends to an id and to all ids that follow it, where the graph and the subscribers are those of all nodes. A send goes page by
 * page: each page waits for the counts of the page before. Sends to one id are in order; different ids do not wait for each other.
 */
export class SharedFollowerSends {
  readonly #engine: Engine;
  readonly #graph: SharedGraph;
  readonly #underWay: SendsUnderWay;
  readonly #byId = new Map<string, SharedSend[]>();
  /** Names the sends of this process among those of all. */
  readonly #name = Math.random().toString(36).slice(2);
  #number = 0;

  /** @throws RangeError */
  constructor(engine: Engine, graph: SharedGraph, followerSendsBytesMax?: number) {
    this.#engine = engine;
    this.#graph = graph;
    this.#underWay = new SendsUnderWay(followerSendsBytesMax);
  }

  get stats(): FollowerSendsStats {
    return this.#underWay.stats;
  }

  /** @returns 0: subscribers take it later */
  publish(message: Message, wants: Wants | undefined): 0 {
    const bytes = message.bytes + message.id.length + sendBytes;
    if (!this.#underWay.begin(bytes, wants)) return 0;
    const send = { message, wants, bytes };
    const others = this.#byId.get(message.id);
    if (others !== undefined) others.push(send);
    else {
      const all = [send];
      this.#byId.set(message.id, all);
      void this.#sendAll(message.id, all);
    }
    return 0;
  }

  /** Makes all sends to one id, one after the other. Never rejects. */
  async #sendAll(id: string, all: SharedSend[]): Promise<void> {
    for (let send = all[0]; send !== undefined; send = all[0]) {
      const outcome = await this.#send(send.message, send.wants);
      all.shift();
      if (all.length === 0) this.#byId.delete(id);
      const told = this.#underWay.end(send.bytes, outcome, send.wants?.count === true);
      send.wants?.onOutcome(told);
    }
  }

  async #send(message: Message, wants: Wants | undefined): Promise<Outcome> {
    const untilMs = performance.now() + sendMsMax;
    const copy = this.#copyOf(message);
    const graph = this.#graph;
    let total: Outcome = { delivered: 0, unanswered: 0, carried: 'no' };
    try {
      let after: string | undefined = '';
      while (after !== undefined) {
        // Each `after` is of a page before, so there is a page.
        const page: FriendsPage = (await graph.list('subscribers', message.id, graph.copiesMax, after))!;
        if (after === '') {
          // The id itself gets it only now: if the graph cannot be read, nobody has got it.
          total = await this.#sendToId(message, wants?.idempotencyKey ?? '');
          if (total.carried !== 'yes' || total.repeated) return total;
        }
        if (performance.now() > untilMs) throw new Error('It took too long.');
        if (page.ids.length > 0) total = await this.#sendToPage(copy, page.ids, total);
        after = page.next;
      }
      return total;
    } catch (error) {
      const { message: why } = error as Error;
      if (total.carried !== 'yes') return { ...total, reason: `${why} Nobody got it. Send it again later.` };
      const reason = `${why} It is not known which of the followers got it.`;
      return { ...total, carried: 'unknown', reason };
    }
  }

  #sendToId(message: Message, idempotencyKey: string): Promise<Outcome> {
    return new Promise((onOutcome) => {
      this.#engine.publish(message, { onOutcome, count: true, idempotencyKey });
    });
  }

  #copyOf({ id, payload, timeMs, qos, publisher, properties: given }: Message): Message {
    const send = `${this.#name}-${this.#number++}`;
    const properties = new MessageProperties({ ...given, about: id, send });
    return new Message(id, payload, timeMs, qos, false, 0, publisher, properties);
  }

  async #sendToPage(copy: Message, followers: readonly string[], total: Outcome): Promise<Outcome> {
    const { delivered, unanswered } = await this.#graph.copy(copy, followers);
    return {
      ...total,
      delivered: total.delivered + delivered,
      unanswered: Math.max(total.unanswered, unanswered),
    };
  }
}
