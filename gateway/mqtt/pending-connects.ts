import { type Clock, tickMs, ticksPerSec } from '../clock.js';
import type { RefusalReason } from '../close-reason.js';
import type { Config } from '../config.js';
import type { Connections } from '../connections.js';
import { addressKeyOf, addressKeyText, addressText, type Peer } from '../peer-address.js';
import type { SampledLog } from '../sampled-log.js';

/**
 * Connections without an accepted CONNECT: how many there may be, in all and from one address. What uWebSockets has of
 * their frames is in no statistics and in no budget, and a stranger needs no password for it; so their number is what
 * bounds it. An entry is here for a moment only: a connection costs nothing once its CONNECT is accepted.
 *
 * One that dawdles makes room for one that comes, or strangers who say nothing would keep everybody out. A connection that
 * has just come is left its time, so a storm of clients that say CONNECT does not throw itself out.
 */
export class PendingConnects {
  /** A connection has so much time to say CONNECT. */
  readonly connectTicks: number;
  readonly #config: Config;
  readonly #log: SampledLog;
  readonly #connections: Connections;
  readonly #clock: Clock;
  /** The addresses of the connections, in the order in which these have come. */
  readonly #keyOfSlot = new Map<number, string>();
  readonly #byAddress = new Map<string, number>();

  constructor(config: Config, log: SampledLog, connections: Connections, clock: Clock) {
    this.#connections = connections;
    this.#clock = clock;
    this.connectTicks = config.mqttIdleTimeout * ticksPerSec;
    this.#config = config;
    this.#log = log;
  }

  /** Now. */
  get count(): number {
    return this.#keyOfSlot.size;
  }

  /**
   * Says why nobody may come from there now, or undefined.
   * @param evict called with the slot of one that makes room, which leaves before this returns, and with what the log says
   */
  refusalOf(peer: Peer, evict: Evict): RefusalReason | undefined {
    const key = addressKeyOf(peer);
    if (
      this.#config.mqttMaxPendingConnectsPerAddress > 0 &&
      (this.#byAddress.get(key) ?? 0) >= this.#config.mqttMaxPendingConnectsPerAddress
    ) {
      const reason = 'too-many-pending-from-address';
      if (!this.#evictOldest(key, reason, evict)) return this.#refuse(reason, peer);
    }
    const reason = 'too-many-pending-connects';
    if (this.#config.mqttMaxPendingConnects === 0 || this.count < this.#config.mqttMaxPendingConnects)
      return undefined;
    return this.#evictOldest(undefined, reason, evict) ? undefined : this.#refuse(reason, peer);
  }

  enter(slot: number, peer: Peer): void {
    const key = addressKeyOf(peer);
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

  /** @param from this address, or any @returns whether the oldest was old enough to go */
  #evictOldest(from: string | undefined, reason: PendingRefusal, evict: Evict): boolean {
    for (const [slot, key] of this.#keyOfSlot) {
      if (this.#connections.due[slot] === 0) continue; // it waits for an authenticator, which has a deadline of its own
      const pendingMs = this.#ageMs(slot);
      if (pendingMs < this.#config.mqttPendingConnectGraceMs) return false;
      if (from !== undefined && key !== from) continue;
      evict(slot, { pendingMs, ...this.#limits[reason] });
      return true;
    }
    return false;
  }

  /**
   * At least: a tick that has begun before it does not count. From a column that is there already, as a Map's table of a ramp
   * is garbage.
   */
  #ageMs(slot: number): number {
    return (this.#clock.tick - this.#connections.due[slot]! + this.connectTicks - 1) * tickMs;
  }

  #refuse<Reason extends PendingRefusal>(reason: Reason, peer: Peer): Reason {
    this.#log.warn(
      reason,
      { address: addressText(peer), ...this.#limits[reason], largestHolder: this.#largestHolder() },
      'WebSocket refused: so many connections have not said CONNECT yet. Behind a proxy all clients have its address',
    );
    return reason;
  }

  #largestHolder(): Record<string, unknown> {
    let [address, most] = ['', 0];
    for (const [key, count] of this.#byAddress) if (count > most) [address, most] = [key, count];
    return { address: addressKeyText(address), holds: most };
  }

  get #limits(): Record<PendingRefusal, Record<string, unknown>> {
    return {
      'too-many-pending-connects': {
        setting: '--mqtt-max-pending-connects',
        limit: this.#config.mqttMaxPendingConnects,
      },
      'too-many-pending-from-address': {
        setting: '--mqtt-max-pending-connects-per-address',
        limit: this.#config.mqttMaxPendingConnectsPerAddress,
      },
    };
  }
}

type PendingRefusal = Extract<RefusalReason, `too-many-pending-${string}`>;

type Evict = (slot: number, details: Record<string, unknown>) => void;
