import type { Identity } from '../access/identity.js';
import type { Config } from './config.js';
import { limitedNameOf } from './identities.js';
import { addressKeyOf, type Peer } from './peer-address.js';
import { type Bucket, Buckets } from './rate.js';

/** A sender has reached a limit. */
export interface PublishRateRefusal {
  readonly setting: 'rateLimitPublishesPerUser' | 'rateLimitPublishesPerAddress';
  readonly waitMs: number;
}

/** Says whether a sender may publish now, by the budgets of its user and of its address, as far as there are limits. */
export class PublishBudget {
  readonly #ofUser: Bucket | undefined;
  readonly #ofAddress: Bucket | undefined;

  constructor(ofUser: Bucket | undefined, ofAddress: Bucket | undefined) {
    this.#ofUser = ofUser;
    this.#ofAddress = ofAddress;
  }

  /** @returns the limit that keeps the sender from publishing now; undefined where none does */
  refusal(): PublishRateRefusal | undefined {
    const nowMs = performance.now();
    const ofUser = this.#ofUser?.waitMs(nowMs) ?? 0;
    if (ofUser > 0) return { setting: 'rateLimitPublishesPerUser', waitMs: ofUser };
    const ofAddress = this.#ofAddress?.waitMs(nowMs) ?? 0;
    return ofAddress > 0 ? { setting: 'rateLimitPublishesPerAddress', waitMs: ofAddress } : undefined;
  }

  /** Counts a message that is published. */
  take(): void {
    const nowMs = performance.now();
    this.#ofUser?.take(nowMs);
    this.#ofAddress?.take(nowMs);
  }
}

type PublishRateSettings = Pick<Config, 'rateLimitPublishesPerUser' | 'rateLimitPublishesPerAddress'>;

/** Limits how fast users and addresses publish. Without such a limit, nothing is looked up and nothing stored. */
export class PublishRates {
  #perUser: Buckets | undefined;
  #perAddress: Buckets | undefined;
  /** Keeps the address of an MQTT connection that has published: to ask uWS for it takes a microsecond. */
  readonly #addressOfSlot: (string | undefined)[] = [];

  constructor(limits: PublishRateSettings) {
    this.limitTo(limits);
  }

  /** From now on these are the limits; all budgets are full again. */
  limitTo({ rateLimitPublishesPerUser, rateLimitPublishesPerAddress }: PublishRateSettings): void {
    this.#perUser = Buckets.ofSetting(rateLimitPublishesPerUser);
    this.#perAddress = Buckets.ofSetting(rateLimitPublishesPerAddress);
  }

  get limited(): boolean {
    return this.#perUser !== undefined || this.#perAddress !== undefined;
  }

  /**
   * Gives a budget, to be used soon: one that is not used is forgotten.
   * @param slot the slot of a connection that may publish again
   * @returns undefined where nothing limits this sender
   */
  budgetOf(identity: Identity, peer: Peer, slot?: number): PublishBudget | undefined {
    if (!this.limited) return undefined;
    const nowMs = performance.now();
    const name = limitedNameOf(identity);
    const ofUser = name === undefined ? undefined : this.#perUser?.of(name, nowMs);
    return new PublishBudget(ofUser, this.#perAddress?.of(this.#addressOf(peer, slot), nowMs));
  }

  /** Forgets the address of a connection that has gone. */
  release(slot: number): void {
    if (slot < this.#addressOfSlot.length) this.#addressOfSlot[slot] = undefined;
  }

  #addressOf(peer: Peer, slot: number | undefined): string {
    if (slot === undefined) return addressKeyOf(peer);
    this.#addressOfSlot[slot] ??= addressKeyOf(peer);
    return this.#addressOfSlot[slot];
  }
}
