import {
  type Audience,
  audienceBytes,
  grantOf,
  membersOf,
  sizeOf,
  subscriberOf,
  withMember,
  withoutMember,
} from './audience.js';
import type { FilterNode } from './filter-node.js';
import { mapEntryBytes, textBytes } from './heap-cost.js';
import { loginBytes } from './login-cost.js';
import { Logins } from './logins.js';
import type { Subscriber } from './subscriber.js';
import { noLocal, type SubscriptionOptions } from './subscription-options.js';
import { hasWildcard } from './topic-filter.js';
import { TopicTree } from './topic-tree.js';
import { visitsWith } from './tree-visits.js';

/**
 * Logins, both ways:
 *
 *     id         -> audience      in a Map
 *     filter     -> audience      in a tree by level
 *     subscriber -> ids, filters  on the subscriber itself, see Subscriber.logins
 *
 * The common case, one id with one subscriber and options 0 (QoS 0), takes one Map entry and the id's own string. Owns
 * both directions, so they cannot disagree.
 */
export class Subscriptions {
  readonly #byId = new Map<string, Audience>();
  readonly tree = new TopicTree();
  #logins = 0;
  #subscribers = 0;
  /** Without the tree's nodes, which count themselves. */
  #bytes = 0;
  /**
   * While a fan-out walks audiences, nothing returns to its compact form. A subscriber that leaves must leave the Set
   * that is being walked, and must keep its Logins; otherwise it would get the message again.
   */
  walked = false;
  /** Subscriptions with No Local, now. Without any, the publisher of a message is not needed. */
  noLocal = 0;
  /** Number of logouts, which tells a fan-out to check its subscribers again. */
  departures = 0;

  /** Ids with at least one subscriber. */
  get ids(): number {
    return this.#byId.size;
  }

  /** Filters with wildcards with at least one subscriber. */
  get filters(): number {
    return this.tree.size;
  }

  /** Pairs of an id or filter and a subscriber. */
  get logins(): number {
    return this.#logins;
  }

  /**
   * Most bytes in V8's heap: for each login its string, its entry at the subscriber and in the audience; for each id
   * its string and its Map entry; for each filter its nodes in the tree.
   */
  get bytes(): number {
    return this.#bytes + this.tree.bytes;
  }

  /** Subscribers with at least one id or filter. */
  get subscribers(): number {
    return this.#subscribers;
  }

  /** The subscribers of exactly this id. */
  of(id: string): Audience | undefined {
    return this.#byId.get(id);
  }

  countOf({ logins }: Subscriber): number {
    if (logins === undefined) return 0;
    return typeof logins === 'string' ? 1 : logins.size;
  }

  listOf(subscriber: Subscriber): { filter: string; options: SubscriptionOptions }[] {
    const { logins } = subscriber;
    if (logins === undefined) return [];
    return Array.from(typeof logins === 'string' ? [logins] : logins, (filter) => {
      return { filter, options: this.optionsOf(filter, subscriber) ?? 0 };
    });
  }

  has(filter: string, subscriber: Subscriber): boolean {
    return this.optionsOf(filter, subscriber) !== undefined;
  }

  /** Undefined if the subscriber does not have exactly this id or filter. */
  optionsOf(filter: string, subscriber: Subscriber): SubscriptionOptions | undefined {
    return grantOf(this.#audienceOf(filter, hasWildcard(filter)), subscriber);
  }

  /** @returns the publisher whose messages are not for this subscription: its own client, with No Local */
  unwantedOf(filter: string, subscriber: Subscriber): string | undefined {
    return noLocalIn(this.optionsOf(filter, subscriber)) === 0 ? undefined : subscriber.clientId;
  }

  /** False if the subscriber is logged in at another router: both would use its one field. */
  mayAdd(subscriber: Subscriber): boolean {
    const { logins } = subscriber;
    if (logins === undefined) return true;
    const first = typeof logins === 'string' ? logins : logins.first;
    return first === undefined || this.has(first, subscriber);
  }

  /** See Router. */
  visitsWith(filter: string): number {
    const { root } = this.tree;
    return hasWildcard(filter) ? visitsWith(root, filter.split('/')) : root.visits;
  }

  /** See Router. */
  costOf({ logins }: Subscriber): number {
    if (logins === undefined) return 0;
    return typeof logins === 'string' ? loginBytes(logins) : logins.costBytes + logins.bytes;
  }

  /** See Router. */
  visitsOf({ logins }: Subscriber, filter = ''): number {
    if (logins instanceof Logins) return logins.visitsWith(filter);
    return new Logins(logins ?? '').visitsWith(filter);
  }

  /** Number of different subscribers for a message to this id. */
  count(id: string): number {
    const exact = this.#byId.get(id);
    const nodes: FilterNode[] = [];
    if (this.tree.size === 0 || this.tree.match(id, nodes) === 0) return sizeOf(exact);
    const found = new Set<Subscriber>();
    for (const audience of [exact, ...nodes.map((node) => node.value)]) {
      if (audience !== undefined) for (const member of membersOf(audience)) found.add(subscriberOf(member));
    }
    return found.size;
  }

  /**
   * @returns `first` if nobody had this id or filter before, `joined` if others had it, `already` if this subscriber
   * had it, which then has the new options
   */
  add(filter: string, subscriber: Subscriber, options: SubscriptionOptions): 'first' | 'joined' | 'already' {
    const wildcard = hasWildcard(filter);
    const audience = this.#audienceOf(filter, wildcard);
    const granted = grantOf(audience, subscriber);
    if (granted === options) return 'already';
    const before = audienceBytes(audience);
    const others = granted === undefined ? audience : withoutMember(audience!, subscriber, this.walked);
    const joined = withMember(others, subscriber, options);
    this.noLocal += noLocalIn(options) - noLocalIn(granted);
    this.#put(filter, wildcard, joined);
    this.#bytes += audienceBytes(joined) - before;
    if (audience === undefined && !wildcard) this.#bytes += idBytes(filter);
    if (granted !== undefined) return 'already';
    this.#remember(filter, subscriber);
    return audience === undefined ? 'first' : 'joined';
  }

  /** @returns `last` if the id or filter has no subscriber left, `left` if others stay, `absent` without a login */
  remove(filter: string, subscriber: Subscriber): 'last' | 'left' | 'absent' {
    const outcome = this.#unlink(filter, subscriber);
    if (outcome !== 'absent') this.#forget(filter, subscriber);
    return outcome;
  }

  /** Removes so many logins of a subscriber. @param onLast as for `removeAll` */
  removeSome(subscriber: Subscriber, most: number, onLast: (filter: string) => void): void {
    const { logins } = subscriber;
    if (!(logins instanceof Logins) || logins.size <= most) return this.removeAll(subscriber, onLast);
    let left = most;
    for (const filter of logins) {
      if (this.remove(filter, subscriber) === 'last') onLast(filter);
      if (--left === 0) return;
    }
  }

  /** Removes all logins of a subscriber. @param onLast called for each id and filter without a subscriber left */
  removeAll(subscriber: Subscriber, onLast: (filter: string) => void): void {
    const { logins } = subscriber;
    if (logins === undefined || !this.mayAdd(subscriber)) return;
    subscriber.logins = undefined;
    this.#subscribers--;
    if (typeof logins === 'string') {
      this.#logins--;
      this.#bytes -= textBytes(logins);
      if (this.#unlink(logins, subscriber) === 'last') onLast(logins);
      return;
    }
    this.#logins -= logins.size;
    this.#bytes -= logins.bytes;
    for (const filter of logins) this.#bytes -= textBytes(filter);
    for (const filter of logins) if (this.#unlink(filter, subscriber) === 'last') onLast(filter);
  }

  #audienceOf(filter: string, wildcard: boolean): Audience | undefined {
    return wildcard ? this.tree.get(filter) : this.#byId.get(filter);
  }

  #put(filter: string, wildcard: boolean, audience: Audience): void {
    if (wildcard) this.tree.set(filter, audience);
    else this.#byId.set(filter, audience);
  }

  #unlink(filter: string, subscriber: Subscriber): 'last' | 'left' | 'absent' {
    const wildcard = hasWildcard(filter);
    const audience = this.#audienceOf(filter, wildcard);
    const granted = grantOf(audience, subscriber);
    if (audience === undefined || granted === undefined) return 'absent';
    this.departures++;
    this.noLocal -= noLocalIn(granted);
    const before = audienceBytes(audience);
    const rest = withoutMember(audience, subscriber, this.walked);
    this.#bytes += audienceBytes(rest) - before;
    if (rest === undefined) {
      if (wildcard) this.tree.delete(filter);
      else this.#byId.delete(filter);
      if (!wildcard) this.#bytes -= idBytes(filter);
      return 'last';
    }
    if (rest !== audience) this.#put(filter, wildcard, rest);
    return 'left';
  }

  #remember(filter: string, subscriber: Subscriber): void {
    const { logins } = subscriber;
    const before = loginsBytes(logins);
    if (logins === undefined) {
      subscriber.logins = filter;
      this.#subscribers++;
    } else if (typeof logins === 'string') {
      const several = new Logins(logins);
      several.add(filter);
      subscriber.logins = several;
    } else {
      logins.add(filter);
    }
    this.#logins++;
    this.#bytes += textBytes(filter) + loginsBytes(subscriber.logins) - before;
  }

  #forget(filter: string, subscriber: Subscriber): void {
    const { logins } = subscriber;
    const before = loginsBytes(logins);
    this.#logins--;
    subscriber.logins = this.#without(filter, logins);
    if (subscriber.logins === undefined) this.#subscribers--;
    this.#bytes += loginsBytes(subscriber.logins) - before - textBytes(filter);
  }

  #without(filter: string, logins: Subscriber['logins']): Subscriber['logins'] {
    if (!(logins instanceof Logins)) return undefined;
    logins.delete(filter);
    return logins.size > 1 || (logins.size === 1 && this.walked) ? logins : logins.first;
  }
}

/** Its string and its place in the Map. */
function idBytes(id: string): number {
  return textBytes(id) + mapEntryBytes;
}

/** In `noLocal`. */
function noLocalIn(options: SubscriptionOptions | undefined = 0): number {
  return (options & noLocal) === 0 ? 0 : 1;
}

function loginsBytes(logins: Subscriber['logins']): number {
  return logins instanceof Logins ? logins.bytes : 0;
}
