import type { Router } from '../../router/router.js';
import type { Session } from '../../router/session/session.js';
import type { Channel } from './channel.js';
import type { Permissions } from './permissions.js';

/** Ends the subscriptions of a session that goes on which the user of its connection may not have, or no longer. */
export class SubscriptionReview {
  readonly #permissions: Permissions;
  readonly #router: Router;

  constructor(permissions: Permissions, router: Router) {
    this.#permissions = permissions;
    this.#router = router;
  }

  review(channel: Channel, session: Session): void {
    if (this.#permissions.allowAll(channel)) return;
    for (const { filter } of this.#router.subscriptionsOf(session))
      if (!this.#permissions.allows(channel, 'subscribe', filter)) this.#router.unsubscribe(filter, session);
  }
}
