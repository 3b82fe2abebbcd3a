import type { Router } from '../router/router.js';
import type { Subscriber } from '../router/subscriber.js';
import type { Config } from './config.js';
import { addressKeyText, type Peer } from './peer-address.js';

/** From this number on, entries of clients that now hold little are removed. */
const entriesMax = 1_024;

/** A client, and its address or IPv6 /64. */
export interface Holder {
  readonly clientId: string;
  readonly address: string;
}

export type ShareRefusal = 'client-share' | 'address-share';

/** Budgets of which a client may have a share. */
export type SharedKey = 'loginsBytesTotalMax' | 'mqttSubscriptionsTotalMax' | 'mqttFilterVisitsMax';

/** Part of the budget from which a client has an entry, so that there are few entries. */
const heavyShare = 1 / 256;

interface Shared {
  readonly key: SharedKey;
  /** Total with this filter. */
  readonly total: (filter: string) => number;
  readonly heldBy: (client: Subscriber, filter?: string) => number;
  /** Least size of a share. */
  readonly least: number;
  readonly heavyShare: number;
}

/**
 * The share of each client and each address in the common budgets: bytes of ids and filters, their number, and visits
 * of a message in the tree of filters. While all clients together use less than one share, nobody is refused, and
 * nothing is looked up. Only clients that hold much have an entry. A session of an absent client keeps its entry.
 */
export class LoginShares {
  readonly #router: Router;
  readonly #config: Config;
  readonly #shared: readonly Shared[];
  readonly #heavy = new Map<Subscriber, Holder>();

  constructor(router: Router, config: Config) {
    this.#router = router;
    this.#config = config;
    this.#shared = [
      {
        key: 'loginsBytesTotalMax',
        total: () => router.loginsBytes,
        heldBy: (client) => router.loginsBytesOf(client),
        least: 0,
        heavyShare,
      },
      {
        key: 'mqttSubscriptionsTotalMax',
        total: () => router.logins,
        heldBy: (client) => router.loginsOf(client),
        least: 1_000, // fewer filters than this are never too many, whatever the limit is
        heavyShare,
      },
      {
        key: 'mqttFilterVisitsMax',
        total: (filter) => router.visitsWith(filter),
        heldBy: (client, filter) => router.visitsOf(client, filter),
        least: 0,
        heavyShare: 1 / 64,
      },
    ];
  }

  /**
   * @param clientId of that client @param peer its current address
   * @param filter the new filter
   * @param visits whether messages need more visits with the filter
   * @returns the share that the client would exceed, and its budget; undefined if none
   */
  refusalOf(
    client: Subscriber,
    clientId: string,
    peer: Peer,
    filter: string,
    visits: 'unlimited' | 'same' | 'more',
  ): { refusal: ShareRefusal; key: SharedKey } | undefined {
    if (visits === 'unlimited' && this.#isLight(client)) return undefined;
    const { budgetSharePerClient, budgetSharePerAddress } = this.#config;
    for (const { key, total, heldBy, least, heavyShare } of this.#shared) {
      if (key === 'mqttFilterVisitsMax' && visits === 'unlimited') continue;
      const max = this.#config[key];
      const perClientMax = Math.max(least, max * budgetSharePerClient);
      const perAddressMax = Math.max(least, max * budgetSharePerAddress);
      const held = heldBy(client, filter);
      if (held >= max * heavyShare) this.#note(client, { clientId, address: addressKeyText(peer) });
      if (budgetSharePerClient < 1 && held > perClientMax && total(filter) > perClientMax)
        return { refusal: 'client-share', key };
      // A node of the tree that clients of one address share is counted for each of them.
      if (key === 'mqttFilterVisitsMax' && visits === 'same') continue;
      if (budgetSharePerAddress === 1 || total(filter) <= perAddressMax) continue;
      const address = this.#heavy.get(client)?.address;
      if (address !== undefined && this.#heldFrom(address, heldBy) > perAddressMax)
        return { refusal: 'address-share', key };
    }
    return undefined;
  }

  /** For the log line of a full budget. */
  largestHolder(key: SharedKey = 'loginsBytesTotalMax'): object {
    const { heldBy } = this.#shared.find((shared) => shared.key === key)!;
    let [largest, most]: [Holder | undefined, number] = [undefined, 0];
    for (const [client, holder] of this.#heavy) {
      const held = heldBy(client);
      if (held > most) [largest, most] = [holder, held];
    }
    return {
      largestHolder: largest === undefined ? 'none: many have a little each' : { ...largest, holds: most },
    };
  }

  /** True for nearly every client. Allocates nothing, because garbage of a ramp would grow the heap. */
  #isLight(client: Subscriber): boolean {
    const { loginsBytesTotalMax, mqttSubscriptionsTotalMax } = this.#config;
    return (
      this.#router.loginsOf(client) < mqttSubscriptionsTotalMax * heavyShare &&
      this.#router.loginsBytesOf(client) < loginsBytesTotalMax * heavyShare
    );
  }

  #note(client: Subscriber, holder: Holder): void {
    if (this.#heavy.size >= entriesMax && !this.#heavy.has(client)) this.#forgetLight();
    this.#heavy.set(client, holder);
  }

  #heldFrom(address: string, heldBy: Shared['heldBy']): number {
    let sum = 0;
    for (const [client, holder] of this.#heavy) if (holder.address === address) sum += heldBy(client);
    return sum;
  }

  #forgetLight(): void {
    for (const client of this.#heavy.keys()) {
      const isHeavy = this.#shared.some(
        ({ key, heldBy, heavyShare }) => heldBy(client) >= this.#config[key] * heavyShare,
      );
      if (!isHeavy) this.#heavy.delete(client);
    }
  }
}
