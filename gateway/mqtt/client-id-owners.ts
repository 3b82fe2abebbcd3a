import { createHash } from 'node:crypto';
import type { Identity } from '../../access/identity.js';
import type { ClientUser } from '../../router/engine/cluster.js';
import type { Session } from '../../router/session/session.js';
import type { Sessions } from '../../router/session/sessions.js';
import type { Identities } from '../identities.js';
import type { Channel } from './channel.js';
import type { ConnectPacket } from './connect-packet.js';

/** No connection has this slot: its identity is that of all whom nobody asks. */
const noSlot = -1;
/** 96 bits: nobody finds a name with the key of another one. */
const userKeyChars = 16;

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

  /** Gives the user of a CONNECT, for other nodes. */
  claimantOf(packet: ConnectPacket, identity: Identity): ClientUser {
    return this.#userOf(userNameOf(identity, packet), identity);
  }

  /** Gives the user of a session, for other nodes. */
  userOf(session: Session): ClientUser {
    const owner = this.#sessions.ownerOf(session);
    const connection = session.connection as Channel | undefined;
    const identity = this.#identities.of(connection?.slot ?? noSlot);
    if (connection === undefined && owner === undefined)
      return { key: '', isSuperuser: identity.isSuperuser };
    return this.#userOf(owner?.userName ?? identity.userName, identity);
  }

  #userOf(userName: string | undefined, { isSuperuser }: Identity): ClientUser {
    // Where nobody is asked, all client ids are everybody's.
    const isKnown = !this.#identities.of(noSlot).isSuperuser;
    return { key: isKnown ? keyOf(userName, isSuperuser) : '', isSuperuser };
  }

  /** Whether a session of this client id may go on: without user names, nobody knows whether it is the same user. */
  mayGoOn({ isSuperuser, userName }: Identity): boolean {
    return isSuperuser || userName !== undefined;
  }
}

/** The name that was checked. A client that may do everything may give itself one, as with a token that all share. */
export function userNameOf({ isSuperuser, userName }: Identity, packet: ConnectPacket): string | undefined {
  return isSuperuser ? (userName ?? packet.userName) : userName;
}

/** Hashes a name, as some clients give their token there. Neither `*` nor `-` is the key of any name. */
function keyOf(userName: string | undefined, isSuperuser: boolean): string {
  if (userName === undefined) return isSuperuser ? '*' : '-';
  return createHash('sha256').update(userName).digest('base64').slice(0, userKeyChars);
}
