import type { AccessControl } from './access-control.js';
import type { Connection } from './connection.js';
import { walkConnections } from './connection-walk.js';
import type { Connections } from './connections.js';

/**
 * Looks at all connections again when users or rules have changed: what is no longer allowed ends, in turns of bounded
 * time. Of changes that come while one is being carried out, one more walk carries out all.
 */
export class RightsReview {
  readonly #connections: Connections;
  readonly #access: AccessControl;
  #walking: Promise<void> | undefined;
  #again = false;

  constructor(connections: Connections, access: AccessControl) {
    this.#connections = connections;
    this.#access = access;
    access.watch(() => this.#begin());
  }

  #begin(): void {
    if (this.#walking !== undefined) {
      this.#again = true;
      return;
    }
    this.#walking = walkConnections(this.#connections, this.#review).then(() => {
      this.#walking = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.#begin();
    });
  }

  readonly #review = (connection: Connection): void => {
    const { identities } = this.#access;
    const former = identities.of(connection.slot);
    const identity = this.#access.renew(former);
    if (identity === undefined) return connection.end('credentials-revoked');
    if (identity !== former) identities.set(connection.slot, identity);
    connection.review();
  };
}
