import { publish, pubrel } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { Publication } from './publication.js';

interface Outgoing {
  id: number;
  publication: Publication;
  state: 'published' | 'received' | 'released';
  /** PUBLISH or PUBREL has been sent on this connection, and is not answered yet. */
  awaited: boolean;
}

/** The publishing side of one session: what it has sent at QoS 1 and 2 and what the server has not answered to the end. */
export class Outbox {
  /** In the order in which they were sent first, which is the order in which they are sent again. */
  readonly #outgoing = new Map<number, Outgoing>();
  /** Not known to be through; QoS 0 among them. */
  readonly #open = new Set<Publication>();
  #lastId = 0;

  get size(): number {
    return this.#outgoing.size;
  }

  publish(publication: Publication): Buffer {
    const { topic, text, qos } = publication;
    publication.sends++;
    this.#open.add(publication);
    if (qos === 0) return publish(topic, text);
    const id = this.#freeId();
    this.#outgoing.set(id, { id, publication, state: 'published', awaited: true });
    return publish(topic, text, { qos, id });
  }

  /** The session goes on with a new connection: what is not answered is sent again [MQTT-4.4.0-1]. */
  repeat(): Buffer[] {
    return [...this.#outgoing.values()].map((outgoing) => {
      const { id, publication, state } = outgoing;
      outgoing.awaited = true;
      if (state !== 'published') {
        outgoing.state = 'released';
        return pubrel(id);
      }
      publication.sends++;
      return publish(publication.topic, publication.text, { qos: publication.qos, id, dup: true });
    });
  }

  /** PUBACK, PUBREC or PUBCOMP. @returns what is wrong with it */
  answer(type: string, id: number, now: number): string | undefined {
    const outgoing = this.#outgoing.get(id);
    const wanted = outgoing === undefined || !outgoing.awaited ? 'nothing' : answerTo(outgoing);
    if (outgoing === undefined || type !== wanted) return `${type} ${id} came, and ${wanted} was due`;
    outgoing.awaited = false;
    if (type !== 'PUBCOMP') this.#acknowledged(outgoing.publication, now);
    if (type === 'PUBREC') outgoing.state = 'received';
    else this.#outgoing.delete(id);
    return undefined;
  }

  /** PUBREL for the oldest that PUBREC has come for, when there is one. */
  release(): Buffer | undefined {
    const received = [...this.#outgoing.values()].find(({ state }) => state === 'received');
    if (received === undefined) return undefined;
    received.state = 'released';
    received.awaited = true;
    return pubrel(received.id);
  }

  /** The server has worked on all that it will ever see of what was sent until now, but for what is sent again. */
  settle(now: number): void {
    const repeated = new Set([...this.#outgoing.values()].map(({ publication }) => publication));
    for (const publication of this.#open) {
      if (repeated.has(publication)) continue;
      publication.doneAt = now;
      this.#open.delete(publication);
    }
  }

  /** The session is over: nothing is sent again. */
  discard(now: number): void {
    this.#outgoing.clear();
    this.settle(now);
  }

  #acknowledged(publication: Publication, now: number): void {
    publication.acknowledged = true;
    publication.doneAt = now;
    this.#open.delete(publication);
  }

  #freeId(): number {
    do this.#lastId = (this.#lastId % 1000) + 1;
    while (this.#outgoing.has(this.#lastId));
    return this.#lastId;
  }
}

function answerTo({ publication, state }: Outgoing): string {
  if (publication.qos === 1) return 'PUBACK';
  return state === 'published' ? 'PUBREC' : 'PUBCOMP';
}
