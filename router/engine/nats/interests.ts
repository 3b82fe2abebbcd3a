import type { Msg, MsgCallback, Subscription } from '@nats-io/transport-node';
import { InEffect } from './in-effect.js';
import { type Link, receiver } from './link.js';
import { subjectsOfFilter } from './subject.js';

/**
 * What this node is sent: a NATS subscription for each id and filter that somebody here is logged in as. NATS drops
 * them by itself when this node dies; the client makes them anew when its server does.
 */
export class Interests {
  readonly #link: Link;
  readonly #prefix: string;
  readonly #receiver: MsgCallback<Msg>;
  readonly #inEffect: InEffect;
  /** Nearly every filter is an id, with one subscription. */
  readonly #subscriptions = new Map<string, Subscription | Subscription[]>();
  /** Ids that history holds, and how often; and those of them that nobody is logged in as. */
  readonly #held = new Map<string, number>();
  readonly #heldOnly = new Set<string>();
  /** This node is no longer sent an id, or a filter. */
  onEnd: (filter: string) => void = () => {};

  /** @param prefix of the subjects, with its dot */
  constructor(link: Link, prefix: string, onMessage: (message: Msg) => void) {
    this.#link = link;
    this.#prefix = prefix;
    this.#inEffect = new InEffect(link);
    this.#receiver = receiver(onMessage);
  }

  /** Ids and filters. */
  get count(): number {
    return this.#subscriptions.size;
  }

  /** Calls back when NATS has all that is added and held, or that cannot be known now. */
  whenInEffect(ready: () => void): void {
    this.#inEffect.when(ready);
  }

  /** Who waits waits for that, too. */
  noteBeginning(begun: Promise<unknown>): void {
    this.#inEffect.noteBeginning(begun);
  }

  add(filter: string): void {
    if (!this.#heldOnly.delete(filter)) this.#subscribe(filter);
  }

  remove(filter: string): void {
    if (this.#held.has(filter)) this.#heldOnly.add(filter);
    else this.#unsubscribe(filter);
  }

  /** As if somebody were logged in as the id, until it is released as often. */
  hold(id: string): void {
    const holds = this.#held.get(id) ?? 0;
    this.#held.set(id, holds + 1);
    if (holds > 0 || this.#subscriptions.has(id)) return;
    this.#heldOnly.add(id);
    this.#subscribe(id);
  }

  release(id: string): void {
    const holds = this.#held.get(id) ?? 0;
    if (holds > 1) {
      this.#held.set(id, holds - 1);
      return;
    }
    this.#held.delete(id);
    if (this.#heldOnly.delete(id)) this.#unsubscribe(id);
  }

  /** Somebody here is logged in as the id, or history holds it. */
  has(id: string): boolean {
    return this.#subscriptions.has(id);
  }

  isHeld(id: string): boolean {
    return this.#held.has(id);
  }

  #subscribe(filter: string): void {
    if (this.#subscriptions.has(filter)) return;
    const made: Subscription[] = [];
    for (const subject of subjectsOfFilter(filter)) {
      const subscription = this.#link.subscribe(this.#prefix + subject, this.#receiver);
      if (subscription === undefined) return; // it is over
      made.push(subscription);
    }
    this.#inEffect.noteSubscribed();
    this.#subscriptions.set(filter, made.length === 1 ? made[0]! : made);
  }

  #unsubscribe(filter: string): void {
    const subscriptions = this.#subscriptions.get(filter);
    if (subscriptions === undefined) return;
    this.#subscriptions.delete(filter);
    this.onEnd(filter);
    if (!Array.isArray(subscriptions)) return subscriptions.unsubscribe();
    for (const subscription of subscriptions) subscription.unsubscribe();
  }
}
