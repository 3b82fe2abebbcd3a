import type { Router } from '../../router/router.js';
import type { Session } from '../../router/session/session.js';
import type { Channel } from './channel.js';
import type { Permissions } from './permissions.js';

/** Ends what a session that goes on has, and the user of its connection may not have, or no longer. */
export class SubscriptionReview {
  readonly #permissions: Permissions;
  readonly #router: Router;

  constructor(permissions: Permissions, router: Router) {
    this.#permissions = permissions;
    this.#router = router;
  }

  reviewFilters(channel: Channel, session: Session): void {
    if (this.#permissions.allowAll(channel)) return;
    for (const { filter } of this.#router.subscriptionsOf(session))
      if (!this.#permissions.allows(channel, 'subscribe', filter)) this.#router.unsubscribe(filter, session);
  }

  /**
   * Messages that have waited for its client. Call before they are sent.
   * @param isOperators the operator has it subscribed to this id, whatever the rules are
   */
  reviewMessages(channel: Channel, session: Session, isOperators: (id: string) => boolean): void {
    if (session.idle || this.#permissions.allowAll(channel)) return;
    session.keepOnly((id) => this.#permissions.allows(channel, 'subscribe', id) || isOperators(id));
  }
}
