import type { Router } from '../router/router.js';
import type { Subscriber } from '../router/subscriber.js';
import { addressKeyText, type Peer } from './address-limit.js';
import type { Config } from './config.js';

/** Entries of clients that hold little by now are looked for when there are so many. */
const entriesMax = 1_024;

/** A client, and its address, or what a single customer usually has of them. */
export interface Holder {
  readonly clientId: string;
  readonly address: string;
}

export type ShareRefusal = 'client-share' | 'address-share';

/** Budgets of which a client may have a share. */
export type SharedKey = 'loginsBytesTotalMax' | 'mqttSubscriptionsTotalMax' | 'mqttFilterVisitsMax';

/** Of bytes and of logins: a client that holds this part is remembered, so there are few, whatever the budget. */
const heavyShare = 1 / 256;

interface Shared {
  readonly key: SharedKey;
  /** With this filter, too. */
  readonly total: (filter: string) => number;
  readonly heldBy: (client: Subscriber, filter?: string) => number;
  /** No share is less than this. */
  readonly least: number;
  readonly heavyShare: number;
}

/**
 * The share of each client and each address in the common budgets: bytes of ids and filters, their number, and the places of
 * the tree of filters that messages have to look at. While all together have less than a share, nobody is refused for
 * one, and nothing is looked up. Only clients with much have an entry; a session whose client is away keeps its own.
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
        least: 1_000, // fewer are nothing, whatever somebody has made of the limit for all
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
   * @param clientId of that client @param peer where it is now
   * @param filter that it wants besides what it has
   * @param visits whether messages may have to look at more places with it
   * @returns the share that it would pass, and of what; undefined where there is none
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
      // A node that many clients of one address have in common is counted for each of them.
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

  /** Nearly every client, and nothing is allocated for it: garbage of a ramp grows the heap. */
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
