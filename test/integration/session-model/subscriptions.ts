import type { Publication } from './publication.js';

/** SUBSCRIBE or UNSUBSCRIBE of one filter. */
export interface SubscriptionChange {
  sentAt: number;
  /** Never, when the connection was lost before: then nobody knows whether the server has done it. */
  ackedAt: number;
  /** QoS; -1 = unsubscribed. */
  granted: number;
}

/** Filters of one session, as far as they are known from outside: a change happens between request and answer. */
export class Subscriptions {
  readonly #changes = new Map<string, SubscriptionChange[]>();

  add(filter: string, granted: number, sentAt: number): SubscriptionChange {
    const change = { sentAt, ackedAt: Number.POSITIVE_INFINITY, granted };
    const changes = this.#changes.get(filter) ?? [];
    changes.push(change);
    this.#changes.set(filter, changes);
    return change;
  }

  /** The lowest and the highest QoS at which a publication may have been due here; -1 = not at all. */
  dueAt({ topic, qos, sentAt, doneAt }: Publication): { lowest: number; highest: number } {
    let lowest = -1;
    let highest = -1;
    for (const [filter, changes] of this.#changes) {
      if (!filterMatches(filter, topic)) continue;
      const possible = possibleGrants(changes, sentAt, doneAt);
      lowest = Math.max(lowest, Math.min(...possible));
      highest = Math.max(highest, ...possible);
    }
    return { lowest: Math.min(lowest, qos), highest: Math.min(highest, qos) };
  }

  /** Forgets what no publication sent from now on can meet any more. */
  settle(now: number): void {
    for (const [filter, changes] of this.#changes) {
      const last = changes.findLastIndex(({ ackedAt }) => ackedAt <= now);
      if (last > 0) this.#changes.set(filter, changes.slice(last));
    }
  }
}

function possibleGrants(changes: SubscriptionChange[], from: number, to: number): number[] {
  const last = changes.findLastIndex(({ ackedAt }) => ackedAt <= from);
  const later = changes.slice(last + 1).filter(({ sentAt }) => sentAt <= to);
  return [last === -1 ? -1 : changes[last]!.granted, ...later.map(({ granted }) => granted)];
}

/** Section 4.7, for the topics of this model, none of which begins with $. */
function filterMatches(filter: string, topic: string): boolean {
  const pattern = filter.replace(/\/#$/, '(/.*)?').replace(/^#$/, '.*').replaceAll('+', '[^/]*');
  return new RegExp(`^${pattern}$`).test(topic);
}
