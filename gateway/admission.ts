import type { Identity } from '../access/identity.js';
import type { CloseReason, RefusalReason } from './close-reason.js';
import type { Connection } from './connection.js';
import { ConnectionPlaces } from './connection-places.js';
import type { Connections } from './connections.js';
import type { Counters } from './counters.js';
import type { Identities } from './identities.js';
import type { Outbound } from './outbound.js';
import { addressKeyOf, type Peer } from './peer-address.js';

/** Lets connections in, of whatever transport; and the one place where a connection is entered, and where it leaves. */
export class Admission {
  readonly #connections: Connections;
  readonly #outbound: Outbound;
  readonly #identities: Identities;
  readonly #counters: Counters;
  readonly #addresses: ConnectionPlaces;
  #stopping = false;

  constructor(
    connections: Connections,
    outbound: Outbound,
    identities: Identities,
    counters: Counters,
    connectionsPerAddressMax: number,
  ) {
    this.#connections = connections;
    this.#outbound = outbound;
    this.#identities = identities;
    this.#counters = counters;
    this.#addresses = new ConnectionPlaces(connectionsPerAddressMax);
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /**
   * Says why nobody can be let in from there now, or undefined.
   * @param identity undefined: it is not known yet, as before an MQTT CONNECT
   */
  refusalOf(peer: Peer, identity?: Identity): RefusalReason | undefined {
    if (this.#stopping) return 'stopping';
    if (this.#connections.full) return 'too-many-connections';
    if (this.#addresses.limited && this.#addresses.isFull(addressKeyOf(peer))) return 'too-many-from-address';
    if (identity !== undefined && this.#identities.isFull(identity)) return 'too-many-of-user';
    return undefined;
  }

  /**
   * A connection is open from now on. Its slot was taken before.
   * @param identity undefined: it is not known yet, as before an MQTT CONNECT
   */
  enter(connection: Connection, peer: Peer, identity?: Identity): void {
    this.#connections.put(connection);
    if (this.#addresses.limited) this.#addresses.take(connection.slot, addressKeyOf(peer));
    this.#counters.opened++;
    this.#counters.open[connection.transportName]++;
    if (identity !== undefined) this.#identities.set(connection.slot, identity);
  }

  /** It is gone: nothing of it is left here. */
  leave({ slot, transportName }: Connection, reason: CloseReason): void {
    this.#counters.close(reason);
    this.#counters.open[transportName]--;
    this.#outbound.release(slot);
    this.#addresses.give(slot);
    this.#identities.release(slot);
    this.#connections.release(slot);
  }

  /** From now on nobody is let in. */
  refuseAll(): void {
    this.#stopping = true;
  }

  /** The end of `refuseAll`. */
  admitAgain(): void {
    this.#stopping = false;
  }
}
