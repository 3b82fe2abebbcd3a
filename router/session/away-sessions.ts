import { Away, AwayGroup, type AwayTier, awayTiers, type GroupReason } from './away-session.js';
import { ExpiryBuckets } from './expiry-buckets.js';
import { LinkedList } from './linked-list.js';
import type { Session } from './session.js';
import type { SessionOwner } from './session-owner.js';
import type { EvictionReason } from './sessions-stats.js';

/**
 * Sessions that outlive their connection, and for absent clients the time and the owner, so that one address or user
 * name cannot take the room of all others. Without room, a session of the owner with the most sessions ends. So 100,000
 * CONNECTs from one address end each other, and no session of others.
 *
 *     known     session -> its owner while its client is here, else Away
 *     groups    10.0.0.1 ─> no filters: s4, s9 · nothing waiting: s2      size 3
 *               "alice"  ─> nothing waiting: s2                           size 1
 *     bySize    [ , , , {10.0.0.1}]     from 2 on                         the largest is found at once
 */
export class AwaySessions {
  readonly #known = new Map<Session, SessionOwner | Away>();
  readonly #byAge = new LinkedList<Away>();
  readonly #expiries = new ExpiryBuckets<Away>();
  /** Expiry of sessions without their own; Infinity = never. */
  readonly #expirySec: number;
  /** Own expiries, of absent and present clients: a side table, because most have none. */
  readonly #ownExpirySec = new Map<Session, number>();
  readonly #groups = {
    'address-full': new Map<string, AwayGroup>(),
    'user-name-full': new Map<string, AwayGroup>(),
  };
  readonly #bySize: (LinkedList<AwayGroup> | undefined)[] = [];
  #largestSize = 0;
  #size = 0;

  constructor(expirySec = Infinity) {
    this.#expirySec = expirySec;
  }

  /** Number of absent clients. */
  get size(): number {
    return this.#size;
  }

  /** Its client is connected. */
  present(session: Session, owner: SessionOwner | undefined): void {
    this.#takeOut(session);
    // Not deleted, because it will be away again: a Map keeps the places of deleted entries.
    if (owner !== undefined) this.#known.set(session, owner);
    else this.#known.delete(session);
  }

  /** @param expirySec its own, from the next end of its connection; undefined = that of all others */
  setExpiry(session: Session, expirySec: number | undefined): void {
    if (expirySec !== undefined) this.#ownExpirySec.set(session, expirySec);
    else if (this.#ownExpirySec.size > 0) this.#ownExpirySec.delete(session);
  }

  /** Its own expiry. */
  expiryOf(session: Session): number | undefined {
    return this.#ownExpirySec.size === 0 ? undefined : this.#ownExpirySec.get(session);
  }

  /** Its client has gone. */
  add(session: Session, tier: AwayTier, sinceSec: number): void {
    const dueSec = sinceSec + (this.expiryOf(session) ?? this.#expirySec);
    const owner = this.ownerOf(session);
    // Sessions of unknown owners, such as from before the start of the process, are one group without a limit.
    const ofAddress = this.#groupOf('address-full', owner?.address ?? unknown);
    const ofUserName =
      owner?.userName === undefined ? undefined : this.#groupOf('user-name-full', owner.userName);
    const away = new Away(session, owner, sinceSec, dueSec, tier, this.#byAge, ofAddress, ofUserName);
    if (dueSec !== Infinity) away.due = this.#expiries.add(away, dueSec);
    this.#known.set(session, away);
    this.#size++;
    this.#resize(ofAddress, 1);
    if (ofUserName !== undefined) this.#resize(ofUserName, 1);
  }

  /** It has ended. */
  forget(session: Session): void {
    this.#takeOut(session);
    this.#known.delete(session);
    this.setExpiry(session, undefined);
  }

  /** Messages wait in it now, or none any more. Does nothing while its client is connected. */
  move(session: Session, tier: AwayTier): void {
    const away = this.#known.get(session);
    if (away instanceof Away) away.move(tier);
  }

  ownerOf(session: Session): SessionOwner | undefined {
    const known = this.#known.get(session);
    return known instanceof Away ? known.owner : known;
  }

  sinceSec(session: Session): number | undefined {
    const known = this.#known.get(session);
    return known instanceof Away ? known.sinceSec : undefined;
  }

  /** @returns a session that ends at this second or before */
  expired(nowSec: number): Session | undefined {
    return this.#expiries.due(nowSec)?.session;
  }

  /** @returns the session that ends because the address or user name of this one now has too many */
  beyond(
    session: Session,
    perAddressMax: number,
    perUserNameMax: number,
  ): [Session, EvictionReason] | undefined {
    const away = this.#known.get(session);
    if (!(away instanceof Away)) return undefined;
    const { ofAddress, ofUserName } = away;
    if (perAddressMax > 0 && ofAddress.size > perAddressMax && ofAddress.key !== unknown)
      return [ofAddress.first, 'address-full'];
    if (perUserNameMax > 0 && ofUserName !== undefined && ofUserName.size > perUserNameMax)
      return [ofUserName.first, 'user-name-full'];
    return undefined;
  }

  /**
   * @returns the session that makes room for one more: of the owner with the most; if nobody has two, the one with the
   * lowest worth
   */
  get first(): Session | undefined {
    return this.#bySize[this.#largestSize]?.first?.first ?? this.#leastToLose();
  }

  /** Searched among those that have been away longest. */
  #leastToLose(): Session | undefined {
    let least: Away | undefined;
    let looked = 0;
    for (const away of this.#byAge) {
      if (least === undefined || away.tier < least.tier) least = away;
      if (least.tier === awayTiers.noFilters || ++looked === lookedAtMax) break;
    }
    return least?.session;
  }

  #takeOut(session: Session): void {
    const away = this.#known.get(session);
    if (!(away instanceof Away)) return;
    this.#byAge.remove(away.age);
    if (away.due !== undefined) this.#expiries.remove(away.due, away.dueSec);
    this.#size--;
    away.leaveGroups();
    this.#resize(away.ofAddress, -1);
    if (away.ofUserName !== undefined) this.#resize(away.ofUserName, -1);
  }

  #groupOf(reason: GroupReason, key: string): AwayGroup {
    const groups = this.#groups[reason];
    let group = groups.get(key);
    if (group === undefined) {
      group = new AwayGroup(reason, key);
      groups.set(key, group);
    }
    return group;
  }

  #resize(group: AwayGroup, by: 1 | -1): void {
    if (group.place !== undefined) {
      const from = this.#bySize[group.size]!;
      from.remove(group.place);
      if (from.first === undefined) this.#bySize[group.size] = undefined;
    }
    group.size += by;
    group.place = undefined;
    if (group.size === 0) this.#groups[group.reason].delete(group.key);
    if (group.size > 1) {
      this.#bySize[group.size] ??= new LinkedList();
      group.place = this.#bySize[group.size]!.append(group);
      this.#largestSize = Math.max(this.#largestSize, group.size);
    }
    while (this.#largestSize > 0 && this.#bySize[this.#largestSize] === undefined) this.#largestSize--;
  }
}

/** Most sessions that are compared if nobody has two: 20 µs. */
const lookedAtMax = 1_000;

/** Address of sessions without a known one. */
const unknown = '';
