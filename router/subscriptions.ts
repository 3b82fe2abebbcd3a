import type { Subscriber } from './subscriber.js';

/**
 * Who is logged in as what, both ways:
 *
 *     id         -> subscriber            one (nearly always)
 *                -> Set of subscribers    more than one
 *     subscriber -> id | [id, ...]        on the subscriber itself, see Subscriber.logins
 *
 * The common case, one id with one subscriber, costs one Map entry and the id's own string; a Set (about
 * 200 bytes) exists only while an id has company (or had until a fan-out was under way). Owns both directions, so they cannot disagree.
 */
export class Subscriptions {
  readonly #byId = new Map<string, Subscriber | Set<Subscriber>>();
  #logins = 0;
  #subscribers = 0;
  /** Fan-outs that are walking a Set right now; see `beginWalk`. */
  #walks = 0;

  /** Ids with at least one subscriber. */
  get ids(): number {
    return this.#byId.size;
  }

  /** Pairs of an id and a subscriber. */
  get logins(): number {
    return this.#logins;
  }

  /** Subscribers with at least one id. */
  get subscribers(): number {
    return this.#subscribers;
  }

  of(id: string): Subscriber | Set<Subscriber> | undefined {
    return this.#byId.get(id);
  }

  count(id: string): number {
    const entry = this.#byId.get(id);
    if (entry === undefined) return 0;
    return entry instanceof Set ? entry.size : 1;
  }

  /**
   * While a Set from `of` is walked, no Set is put back into the compact form: a subscriber that leaves then
   * must leave the very Set that is being walked, or it would still be delivered to.
   */
  beginWalk(): void {
    this.#walks++;
  }

  endWalk(): void {
    this.#walks--;
  }

  /**
   * @returns `first` when nobody was logged in as this id before, `joined` when somebody was,
   * `already` when this very subscriber was
   */
  add(id: string, subscriber: Subscriber): 'first' | 'joined' | 'already' {
    const entry = this.#byId.get(id);
    if (entry === undefined) {
      this.#byId.set(id, subscriber);
    } else if (entry instanceof Set) {
      if (entry.has(subscriber)) return 'already';
      entry.add(subscriber);
    } else {
      if (entry === subscriber) return 'already';
      this.#byId.set(id, new Set([entry, subscriber]));
    }
    this.#remember(id, subscriber);
    return entry === undefined ? 'first' : 'joined';
  }

  /** @returns `last` when the id has nobody left, `left` when others stay, `absent` when it was not logged in */
  remove(id: string, subscriber: Subscriber): 'last' | 'left' | 'absent' {
    const outcome = this.#unlink(id, subscriber);
    if (outcome !== 'absent') this.#forget(id, subscriber);
    return outcome;
  }

  /** Takes a subscriber out of all its ids. @param onLast called for each id that has nobody left */
  removeAll(subscriber: Subscriber, onLast: (id: string) => void): void {
    const { logins } = subscriber;
    if (logins === undefined) return;
    subscriber.logins = undefined;
    this.#subscribers--;
    if (typeof logins === 'string') {
      this.#logins--;
      if (this.#unlink(logins, subscriber) === 'last') onLast(logins);
      return;
    }
    this.#logins -= logins.length;
    for (const id of logins) if (this.#unlink(id, subscriber) === 'last') onLast(id);
  }

  #unlink(id: string, subscriber: Subscriber): 'last' | 'left' | 'absent' {
    const entry = this.#byId.get(id);
    if (entry === subscriber) {
      this.#byId.delete(id);
      return 'last';
    }
    if (!(entry instanceof Set) || !entry.delete(subscriber)) return 'absent';
    if (entry.size === 0) {
      this.#byId.delete(id);
      return 'last';
    }
    if (entry.size === 1 && this.#walks === 0) for (const remaining of entry) this.#byId.set(id, remaining);
    return 'left';
  }

  #remember(id: string, subscriber: Subscriber): void {
    const { logins } = subscriber;
    if (logins === undefined) {
      subscriber.logins = id;
      this.#subscribers++;
    } else if (typeof logins === 'string') {
      subscriber.logins = [logins, id];
    } else {
      logins.push(id);
    }
    this.#logins++;
  }

  #forget(id: string, subscriber: Subscriber): void {
    const { logins } = subscriber;
    this.#logins--;
    if (Array.isArray(logins) && logins.length > 1) {
      const rest = logins.filter((other) => other !== id);
      subscriber.logins = rest.length === 1 ? rest[0] : rest;
      return;
    }
    subscriber.logins = undefined;
    this.#subscribers--;
  }
}
