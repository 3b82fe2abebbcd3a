import { addressKeyOf, addressText, type Peer } from '../address-limit.js';
import type { RefusalReason } from '../close-reason.js';
import type { Config } from '../config.js';
import type { SampledLog } from '../sampled-log.js';

/**
 * Connections without an accepted CONNECT: how many there may be, in all and from one address. What uWebSockets has of
 * their frames is in no statistics and in no budget, and a stranger needs no password for it; so their number is what
 * bounds it. An entry is here for a moment only: a connection costs nothing once its CONNECT is accepted.
 */
export class PendingConnects {
  readonly #max: number;
  readonly #perAddressMax: number;
  readonly #log: SampledLog;
  readonly #keyOfSlot = new Map<number, string>();
  readonly #byAddress = new Map<string, number>();

  constructor(config: Config, log: SampledLog) {
    this.#max = config.mqttMaxPendingConnects;
    this.#perAddressMax = config.mqttMaxPendingConnectsPerAddress;
    this.#log = log;
  }

  /** Now. */
  get count(): number {
    return this.#keyOfSlot.size;
  }

  /** Says why nobody may come from there now, or undefined. */
  refusalOf(peer: Peer): RefusalReason | undefined {
    if (this.#max > 0 && this.#keyOfSlot.size >= this.#max) {
      this.#warn('too-many-pending-connects', peer, '--mqtt-max-pending-connects', this.#max);
      return 'too-many-pending-connects';
    }
    const fromThere = this.#perAddressMax === 0 ? 0 : (this.#byAddress.get(addressKeyOf(peer)) ?? 0);
    if (this.#perAddressMax > 0 && fromThere >= this.#perAddressMax) {
      const setting = '--mqtt-max-pending-connects-per-address';
      this.#warn('too-many-pending-from-address', peer, setting, this.#perAddressMax);
      return 'too-many-pending-from-address';
    }
    return undefined;
  }

  enter(slot: number, peer: Peer): void {
    const key = this.#perAddressMax === 0 ? '' : addressKeyOf(peer);
    this.#keyOfSlot.set(slot, key);
    this.#byAddress.set(key, (this.#byAddress.get(key) ?? 0) + 1);
  }

  /** Its CONNECT was accepted, or it is gone. A second call does nothing. */
  leave(slot: number): void {
    const key = this.#keyOfSlot.get(slot);
    if (key === undefined) return;
    this.#keyOfSlot.delete(slot);
    const others = this.#byAddress.get(key)! - 1;
    if (others === 0) this.#byAddress.delete(key);
    else this.#byAddress.set(key, others);
  }

  #warn(reason: RefusalReason, peer: Peer, setting: string, limit: number): void {
    this.#log.warn(
      reason,
      { address: addressText(peer), setting, limit },
      'WebSocket refused: so many connections have not said CONNECT yet. Behind a proxy all clients have its address',
    );
  }
}
