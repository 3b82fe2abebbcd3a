import type { Identity } from '../../access/identity.js';
import type { Sessions } from '../../router/session/sessions.js';
import type { Identities } from '../identities.js';
import type { Channel } from './channel.js';

/**
 * Which user has a client id: the one of the connection that it has now, else the one whose session waits for its client.
 * A client that may do everything is asked for nothing here.
 */
export class ClientIdOwners {
  readonly #sessions: Sessions;
  readonly #identities: Identities;

  constructor(sessions: Sessions, identities: Identities) {
    this.#sessions = sessions;
    this.#identities = identities;
  }

  /** Whether it is the client id of another user, who must lose neither connection nor session. */
  isAnothers(clientId: string, { isSuperuser, userName }: Identity): boolean {
    if (isSuperuser) return false;
    const session = this.#sessions.find(clientId);
    if (session === undefined) return false;
    const connection = session.connection as Channel | undefined;
    if (connection !== undefined) {
      const former = this.#identities.of(connection.slot);
      return former.userName !== userName || (userName === undefined && former.isSuperuser);
    }
    const owner = this.#sessions.ownerOf(session);
    return owner !== undefined && owner.userName !== userName;
  }

  /** Whether a session of this client id may go on: without user names, nobody knows whether it is the same user. */
  mayGoOn({ isSuperuser, userName }: Identity): boolean {
    return isSuperuser || userName !== undefined;
  }
}
