import { type Identity, nobody, unrestricted } from '../access/identity.js';
import { ConnectionPlaces } from './connection-places.js';

/** Connections ended in one tick of the sweeper: those of a storm come back over several, and not all at once. */
const endsPerTickMax = 500;

/** Of a Uint32, in the year 2106. An `exp` in milliseconds by mistake is beyond it, and would wrap to the past. */
const endSecMax = 0xffff_ffff;

/**
 * The identities of open connections, by slot. Where no authenticator is set nothing is stored; elsewhere a connection
 * costs one reference, and 4 bytes in a column where credentials end some day.
 */
export class Identities {
  readonly #bySlot: (Identity | undefined)[] = [];
  /** Of a connection that has none: nobody, unless nobody is ever asked. */
  readonly #ofOthers: Identity;
  /** Of users, where they have a limit. */
  readonly #users: ConnectionPlaces;
  /** When credentials end, seconds since 1970; 0 = never. Untouched pages of it take no memory. */
  readonly #endSec: Uint32Array;
  /** Slots below this may have an end. */
  #ending = 0;
  #lookedAtSec = 0;

  /**
   * @param required an authenticator is set for some transport
   * @param capacity most connections
   * @param perUserMax most connections of one user; 0 = no limit
   */
  constructor(required: boolean, capacity: number, perUserMax = 0) {
    this.#users = new ConnectionPlaces(required ? perUserMax : 0);
    this.#ofOthers = required ? nobody : unrestricted;
    this.#endSec = new Uint32Array(required ? capacity : 0);
  }

  of(slot: number): Identity {
    return this.#bySlot[slot] ?? this.#ofOthers;
  }

  /**
   * The user of this identity has as many connections as it may.
   * @param besides the slot of a connection that is about to go
   */
  isFull(identity: Identity, besides?: number): boolean {
    if (!this.#users.limited) return false;
    const name = limitedNameOf(identity);
    return name !== undefined && this.#users.isFull(name, besides);
  }

  /** The connection has been let in, or its credentials have been renewed. */
  set(slot: number, identity: Identity): void {
    if (identity === this.#ofOthers) return;
    this.#bySlot[slot] = identity;
    const name = this.#users.limited ? limitedNameOf(identity) : undefined;
    if (name !== undefined) this.#users.take(slot, name);
    const { expiresAtMs } = identity;
    this.#endSec[slot] = expiresAtMs === undefined ? 0 : Math.min(Math.ceil(expiresAtMs / 1000), endSecMax);
    if (expiresAtMs !== undefined) this.#ending = Math.max(this.#ending, slot + 1);
  }

  /** The connection has gone. A second call does nothing. */
  release(slot: number): void {
    if (slot >= this.#bySlot.length) return;
    this.#bySlot[slot] = undefined;
    this.#users.give(slot);
    this.#endSec[slot] = 0;
  }

  /**
   * Once a second, for the sweeper: 18,000 slots take about 20 µs.
   * @param end ends the connection of a slot whose credentials have ended
   */
  endExpired(end: (slot: number) => void): void {
    const nowSec = Math.floor(Date.now() / 1000);
    if (nowSec === this.#lookedAtSec) return;
    let ended = 0;
    for (let slot = 0; slot < this.#ending; slot++) {
      const endSec = this.#endSec[slot]!;
      if (endSec === 0 || endSec > nowSec) continue;
      this.#endSec[slot] = 0;
      end(slot);
      if (++ended === endsPerTickMax) return; // the others in the next tick
    }
    this.#lookedAtSec = nowSec;
  }
}

/** The name whose limits hold for this identity. A user without a name is nobody in particular, and a superuser may do everything. */
export function limitedNameOf({ isSuperuser, userName }: Identity): string | undefined {
  return isSuperuser ? undefined : userName;
}
