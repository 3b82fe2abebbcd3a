import type { Router } from '../../router/router.js';
import type { Session } from '../../router/session/session.js';
import { matches } from '../../router/topic-filter.js';
import type { Channel } from './channel.js';
import type { Permissions } from './permissions.js';

/** Ends subscriptions and drops messages of a session that the user of its connection may not have, or no longer. */
export class SubscriptionReview {
  readonly #permissions: Permissions;
  readonly #router: Router;

  constructor(permissions: Permissions, router: Router) {
    this.#permissions = permissions;
    this.#router = router;
  }

  /** @param operatorsOf the filters that the operator has it subscribed to, whatever the rules are */
  reviewFilters(channel: Channel, session: Session, operatorsOf: () => readonly string[]): void {
    if (this.#permissions.allowAll(channel)) return;
    const operators = operatorsOf();
    for (const { filter } of this.#router.subscriptionsOf(session)) {
      if (this.#permissions.allows(channel, 'subscribe', filter) || operators.includes(filter)) continue;
      this.#router.unsubscribe(filter, session);
    }
  }

  /** Whether a will may still be published there. */
  mayPublish(channel: Channel, topic: string): boolean {
    return this.#permissions.allows(channel, 'publish', topic);
  }

  /**
   * Messages that have waited for its client. Call before they are sent.
   * @param operatorsOf the filters that the operator has it subscribed to, whatever the rules are
   */
  reviewMessages(channel: Channel, session: Session, operatorsOf: () => readonly string[]): void {
    if (session.idle || this.#permissions.allowAll(channel)) return;
    const operators = operatorsOf();
    session.keepOnly(
      (id) =>
        this.#permissions.allows(channel, 'subscribe', id) || operators.some((filter) => matches(filter, id)),
    );
  }
}
