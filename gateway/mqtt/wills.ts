import { Message } from '../../router/message.js';
import type { Will } from './connect-packet.js';
import type { DeferredPublications } from './deferred-publications.js';

interface OwnedWill extends Will {
  /** Client id. */
  readonly publisher: string;
}

/** A will, its typed array, and its place in the map, besides topic and payload: 320 B measured. */
const entryBytes = 320;

/** Messages that clients want published when they end without DISCONNECT, by slot: most have none. */
export class Wills {
  readonly #deferred: DeferredPublications;
  readonly #bytesMax: number;
  readonly #wills = new Map<number, OwnedWill>();
  #bytes = 0;

  /** @param bytesMax of all wills together */
  constructor(deferred: DeferredPublications, bytesMax: number) {
    this.#deferred = deferred;
    this.#bytesMax = bytesMax;
  }

  /** All of them together, with what is around them. */
  get bytes(): number {
    return this.#bytes;
  }

  hasRoomFor(will: Will): boolean {
    return this.#bytes + bytesOf(will) <= this.#bytesMax;
  }

  set(slot: number, will: Will, publisher: string): void {
    this.#wills.set(slot, { ...will, publisher });
    this.#bytes += bytesOf(will);
  }

  /** Undefined where there is no will. */
  topicOf(slot: number): string | undefined {
    return this.#wills.get(slot)?.topic;
  }

  /** The client has said DISCONNECT, which discards its will [MQTT-3.1.2-10]; or its user may not publish it any more. */
  delete(slot: number): void {
    this.#take(slot);
  }

  /** The connection has ended: what is still here is due [MQTT-3.1.2-8]. */
  publish(slot: number): void {
    const will = this.#take(slot);
    if (will === undefined) return;
    const { topic, payload, qos, retain, publisher } = will;
    this.#deferred.add(new Message(topic, payload, Date.now(), qos, retain, 0, publisher));
  }

  /** Publishes at once those that are due. */
  drain(): void {
    this.#deferred.drain();
  }

  #take(slot: number): OwnedWill | undefined {
    const will = this.#wills.get(slot);
    if (will === undefined) return undefined;
    this.#wills.delete(slot);
    this.#bytes -= bytesOf(will);
    return will;
  }
}

function bytesOf({ topic, payload }: Will): number {
  return topic.length + payload.length + entryBytes;
}
