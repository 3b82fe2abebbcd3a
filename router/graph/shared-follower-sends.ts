import { assertLimit } from '../arguments.js';
import { type Engine, isCarried, type Outcome, type Wants } from '../engine/engine.js';
import { Message } from '../message.js';
import { MessageProperties } from '../message-properties.js';
import { type FollowerSendsStats, tooManySendsText } from './follower-sends.js';
import type { SharedGraph } from './shared-graph.js';

/** Besides the payload and the id of a message that waits. */
const sendBytes = 600;
/** A send to a million takes seconds; nodes remember it for longer than this. */
const sendMsMax = 60_000;

interface SharedSend {
  readonly message: Message;
  readonly wants: Wants | undefined;
  readonly bytes: number;
}

/**
 * Sends to an id and to all ids that follow it, where the graph and the subscribers are those of all nodes: page by page, each
 * one once the one before it has been taken. Sends to one id are in order, and different ids do not wait for each other.
 */
export class SharedFollowerSends {
  readonly #engine: Engine;
  readonly #graph: SharedGraph;
  readonly #bytesMax: number;
  readonly #byId = new Map<string, SharedSend[]>();
  /** Names the sends of this process among those of all. */
  readonly #name = Math.random().toString(36).slice(2);
  #number = 0;
  readonly stats: FollowerSendsStats = { underWay: 0, underWayBytes: 0, sent: 0, delivered: 0, refused: 0 };

  /** @throws RangeError */
  constructor(engine: Engine, graph: SharedGraph, followerSendsBytesMax = 64 * 1024 * 1024) {
    assertLimit('followerSendsBytesMax', followerSendsBytesMax);
    this.#engine = engine;
    this.#graph = graph;
    this.#bytesMax = followerSendsBytesMax;
  }

  /** @returns 0: they take it later */
  publish(message: Message, wants: Wants | undefined): 0 {
    const { stats } = this;
    const bytes = message.bytes + message.id.length + sendBytes;
    if (stats.underWay > 0 && stats.underWayBytes + bytes > this.#bytesMax) {
      stats.refused++;
      wants?.onOutcome({ delivered: 0, unanswered: 0, carried: 'no', reason: tooManySendsText });
      return 0;
    }
    stats.underWay++;
    stats.underWayBytes += bytes;
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

  /** Those to one id. Never rejects. */
  async #sendAll(id: string, all: SharedSend[]): Promise<void> {
    const { stats } = this;
    for (let send = all[0]; send !== undefined; send = all[0]) {
      const outcome = await this.#send(send.message, send.wants);
      all.shift();
      if (all.length === 0) this.#byId.delete(id);
      stats.underWay--;
      stats.underWayBytes -= send.bytes;
      if (outcome.carried === 'yes' && !outcome.repeated) stats.sent++;
      stats.delivered += outcome.delivered;
      const isPlain = outcome.carried === 'yes' && !outcome.repeated && send.wants?.count !== true;
      send.wants?.onOutcome(isPlain ? isCarried : outcome);
    }
  }

  async #send(message: Message, wants: Wants | undefined): Promise<Outcome> {
    const untilMs = performance.now() + sendMsMax;
    const copy = this.#copyOf(message);
    let total: Outcome = { delivered: 0, unanswered: 0, carried: 'no' };
    try {
      let after: string | undefined = '';
      while (after !== undefined) {
        const page: { ids: readonly string[]; next: string | undefined } = await this.#followers(
          message.id,
          after,
        );
        if (after === '') {
          // Only now: where the graph cannot be read, nobody has got it.
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

  async #followers(id: string, after: string): Promise<{ ids: readonly string[]; next: string | undefined }> {
    const page = await this.#graph.list('subscribers', id, this.#graph.copiesMax, after);
    return page ?? { ids: [], next: undefined };
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
