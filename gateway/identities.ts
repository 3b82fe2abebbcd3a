import { type Identity, nobody, unrestricted } from '../access/identity.js';
import { ConnectionPlaces } from './connection-places.js';

/** Most notices, and most ends, in one tick of the sweeper: those of a storm come over several ticks, and not all at once. */
const perTickMax = 500;

/** The largest Uint32, in the year 2106. An `exp` in milliseconds by mistake is beyond it, and would wrap to the past. */
const endSecMax = 0xffff_ffff;

/** Called for connections whose credentials end. */
export interface ExpiryActions {
  /** Its credentials end soon, at this time in seconds since 1970. @returns false: not now, it is told a second later */
  readonly tell: (slot: number, endSec: number) => boolean;
  /** They have ended. */
  readonly end: (slot: number) => void;
}

interface IdentitiesLimits {
  readonly perUserMax?: number;
  readonly noticeSec?: number;
}

/**
 * The identities of open connections, by slot. Where no authenticator is set nothing is stored; elsewhere a connection
 * costs one reference, and where its credentials end some day 4 bytes in each of two columns.
 */
export class Identities {
  readonly #bySlot: (Identity | undefined)[] = [];
  /** The identity of a connection that has none: nobody, unless nobody is ever asked. */
  readonly #ofOthers: Identity;
  /** Connections of each user, where users have a limit. */
  readonly #users: ConnectionPlaces;
  readonly #noticeSec: number;
  /** When credentials end, seconds since 1970; 0 = never. Untouched pages of it take no memory. */
  readonly #endSec: Uint32Array;
  /** When the client is told that they end, seconds since 1970; 0 = not at all, or it has been told. */
  readonly #tellSec: Uint32Array;
  /** Slots below this may have an end. */
  #ending = 0;
  #lookedAtSec = 0;
  /** Where the next tick goes on to tell: clients that cannot be told come again each second, and others have their turn. */
  #tellFrom = 0;

  /**
   * @param required an authenticator is set for some transport
   * @param capacity most connections
   * @param limits `perUserMax`: most connections of one user, 0 = no limit. `noticeSec`: clients are told so long before
   * their credentials end (--auth-expiry-notice-sec), 0 = not at all
   */
  constructor(required: boolean, capacity: number, { perUserMax = 0, noticeSec = 0 }: IdentitiesLimits = {}) {
    this.#users = new ConnectionPlaces(required ? perUserMax : 0);
    this.#ofOthers = required ? nobody : unrestricted;
    this.#noticeSec = noticeSec;
    this.#endSec = new Uint32Array(required ? capacity : 0);
    this.#tellSec = new Uint32Array(required && noticeSec > 0 ? capacity : 0);
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
    if (expiresAtMs === undefined) return this.#setEnd(slot, 0, 0);
    const endSec = Math.min(Math.ceil(expiresAtMs / 1000), endSecMax);
    this.#setEnd(slot, endSec, this.#tellSecOf(endSec));
    this.#ending = Math.max(this.#ending, slot + 1);
  }

  /** The connection has gone. A second call does nothing. */
  release(slot: number): void {
    if (slot >= this.#bySlot.length) return;
    this.#bySlot[slot] = undefined;
    this.#users.give(slot);
    this.#setEnd(slot, 0, 0);
  }

  /** The sweeper calls it in each tick; it looks at the slots once a second: 18,000 take about 40 µs. */
  tick({ tell, end }: ExpiryActions): void {
    const nowSec = Math.floor(Date.now() / 1000);
    if (nowSec === this.#lookedAtSec) return;
    const allEnded = this.#endDue(end, nowSec);
    const allTold = this.#tellDue(tell, nowSec);
    if (allEnded && allTold) this.#lookedAtSec = nowSec;
  }

  /** Each that ends leaves its place in the budget to another. @returns false: there are more, for the next tick */
  #endDue(end: ExpiryActions['end'], nowSec: number): boolean {
    let left = perTickMax;
    for (let slot = 0; slot < this.#ending; slot++) {
      const endSec = this.#endSec[slot]!;
      if (endSec === 0 || endSec > nowSec) continue;
      if (left-- === 0) return false;
      this.#setEnd(slot, 0, 0);
      end(slot);
    }
    return true;
  }

  #tellDue(tell: ExpiryActions['tell'], nowSec: number): boolean {
    if (this.#noticeSec === 0) return true;
    let left = perTickMax;
    for (let n = 0; n < this.#ending; n++) {
      const slot = (this.#tellFrom + n) % this.#ending;
      const tellSec = this.#tellSec[slot]!;
      if (tellSec === 0 || tellSec > nowSec) continue;
      if (left-- === 0) {
        this.#tellFrom = slot;
        return false;
      }
      this.#tellSec[slot] = 0;
      if (!tell(slot, this.#endSec[slot]!)) this.#tellSec[slot] = nowSec + 1;
    }
    return true;
  }

  /** A token that is shorter than the notice is told of at half of its time: else its client would renew it all the time. */
  #tellSecOf(endSec: number): number {
    const leftSec = endSec - Math.floor(Date.now() / 1000);
    return this.#noticeSec === 0 ? 0 : endSec - Math.min(this.#noticeSec, Math.ceil(leftSec / 2));
  }

  /** Reads before it writes, as a page of zeros takes no memory. */
  #setEnd(slot: number, endSec: number, tellSec: number): void {
    if (this.#endSec[slot] !== endSec) this.#endSec[slot] = endSec;
    if (this.#tellSec[slot] !== tellSec) this.#tellSec[slot] = tellSec;
  }
}

/** The name whose limits hold for this identity. A user without a name is nobody in particular, and a superuser may do everything. */
export function limitedNameOf({ isSuperuser, userName }: Identity): string | undefined {
  return isSuperuser ? undefined : userName;
}
