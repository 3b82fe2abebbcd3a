import { LinkedList, type Place } from './linked-list.js';
import type { Session } from './session.js';
import type { SessionOwner } from './session-owner.js';
import type { EvictionReason } from './sessions-stats.js';

/** The worth of a session that ends; the lowest that there is goes first. */
export const awayTiers = { noFilters: 0, nothingWaiting: 1, messagesWaiting: 2 } as const;
export type AwayTier = (typeof awayTiers)[keyof typeof awayTiers];

/** The away sessions of one address, or of one user name. */
class AwayGroup {
  readonly reason: 'address-full' | 'user-name-full';
  readonly key: string;
  size = 0;
  /** Among those of its size, from 2 on. */
  place: Place<AwayGroup> | undefined = undefined;
  /** By tier. Fields, as most addresses have one session: an array would be 50 bytes more of each. */
  #noFilters: LinkedList<Away> | undefined = undefined;
  #nothingWaiting: LinkedList<Away> | undefined = undefined;
  #messagesWaiting: LinkedList<Away> | undefined = undefined;

  constructor(reason: 'address-full' | 'user-name-full', key: string) {
    this.reason = reason;
    this.key = key;
  }

  append(away: Away): Place<Away> {
    return this.#listOf(away.tier).append(away);
  }

  remove(place: Place<Away>): void {
    this.#listOf(place.item.tier).remove(place);
  }

  /** The one with the least to lose, and of those the one that has been away longest. */
  get first(): Session {
    const first = this.#noFilters?.first ?? this.#nothingWaiting?.first ?? this.#messagesWaiting?.first;
    return first!.session; // a group without sessions is not kept
  }

  #listOf(tier: AwayTier): LinkedList<Away> {
    switch (tier) {
      case awayTiers.noFilters:
        this.#noFilters ??= new LinkedList();
        return this.#noFilters;
      case awayTiers.nothingWaiting:
        this.#nothingWaiting ??= new LinkedList();
        return this.#nothingWaiting;
      case awayTiers.messagesWaiting:
        this.#messagesWaiting ??= new LinkedList();
        return this.#messagesWaiting;
    }
  }
}

/** One session whose client is away. */
class Away {
  readonly session: Session;
  readonly owner: SessionOwner | undefined;
  readonly sinceSec: number;
  tier: AwayTier;
  readonly age: Place<Away>;
  readonly ofAddress: AwayGroup;
  readonly ofUserName: AwayGroup | undefined;
  inAddress: Place<Away>;
  inUserName: Place<Away> | undefined;

  constructor(
    session: Session,
    owner: SessionOwner | undefined,
    sinceSec: number,
    tier: AwayTier,
    byAge: LinkedList<Away>,
    ofAddress: AwayGroup,
    ofUserName: AwayGroup | undefined,
  ) {
    this.session = session;
    this.owner = owner;
    this.sinceSec = sinceSec;
    this.tier = tier;
    this.age = byAge.append(this);
    this.ofAddress = ofAddress;
    this.ofUserName = ofUserName;
    this.inAddress = ofAddress.append(this);
    this.inUserName = ofUserName?.append(this);
  }

  move(tier: AwayTier): void {
    this.leaveGroups();
    this.tier = tier;
    this.inAddress = this.ofAddress.append(this);
    this.inUserName = this.ofUserName?.append(this);
  }

  leaveGroups(): void {
    this.ofAddress.remove(this.inAddress);
    if (this.inUserName !== undefined) this.ofUserName!.remove(this.inUserName);
  }
}

/**
 * Sessions that outlive their connection, and of those whose client is away when, and whose they are: so that one address or
 * user name cannot take the room of all others. Where there is no room, one goes of whoever has the most of them: 100,000
 * CONNECTs from one address end one another, and no session of anybody else.
 *
 *     known     session -> its owner while its client is here, else Away
 *     groups    10.0.0.1 ─> no filters: s4, s9 · nothing waiting: s2      size 3
 *               "alice"  ─> nothing waiting: s2                           size 1
 *     bySize    [ , , , {10.0.0.1}]     from 2 on                         the largest is found at once
 */
export class AwaySessions {
  readonly #known = new Map<Session, SessionOwner | Away>();
  readonly #byAge = new LinkedList<Away>();
  readonly #groups = {
    'address-full': new Map<string, AwayGroup>(),
    'user-name-full': new Map<string, AwayGroup>(),
  };
  readonly #bySize: (LinkedList<AwayGroup> | undefined)[] = [];
  #largestSize = 0;
  #size = 0;

  /** How many are away. */
  get size(): number {
    return this.#size;
  }

  /** Its client is here. */
  present(session: Session, owner: SessionOwner | undefined): void {
    this.#takeOut(session);
    // Not deleted, as it will be away again: a Map keeps the places of what is deleted.
    if (owner !== undefined) this.#known.set(session, owner);
    else this.#known.delete(session);
  }

  /** Its client has gone. */
  add(session: Session, tier: AwayTier, sinceSec: number): void {
    const owner = this.ownerOf(session);
    // Those of whom it is not known, as from before the process was started, are one more group, without a limit.
    const ofAddress = this.#groupOf('address-full', owner?.address ?? unknown);
    const ofUserName =
      owner?.userName === undefined ? undefined : this.#groupOf('user-name-full', owner.userName);
    this.#known.set(session, new Away(session, owner, sinceSec, tier, this.#byAge, ofAddress, ofUserName));
    this.#size++;
    this.#resize(ofAddress, 1);
    if (ofUserName !== undefined) this.#resize(ofUserName, 1);
  }

  /** It has ended. */
  forget(session: Session): void {
    this.#takeOut(session);
    this.#known.delete(session);
  }

  /** Something waits in it now, or nothing any more. Does nothing where its client is here. */
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

  /** @returns the one that has been away longest, if it went at this second or before */
  expired(lastSec: number): Session | undefined {
    const { first } = this.#byAge;
    return first !== undefined && first.sinceSec <= lastSec ? first.session : undefined;
  }

  /** @returns the session that goes where an address or a user name has more than it may, now that this one is away */
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

  /** @returns the session that goes to make room for one more, of whoever has the most; where nobody has two, the one with the least to lose */
  get first(): Session | undefined {
    return this.#bySize[this.#largestSize]?.first?.first ?? this.#leastToLose();
  }

  /** Of those that have been away longest. */
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
    this.#size--;
    away.leaveGroups();
    this.#resize(away.ofAddress, -1);
    if (away.ofUserName !== undefined) this.#resize(away.ofUserName, -1);
  }

  #groupOf(reason: 'address-full' | 'user-name-full', key: string): AwayGroup {
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

/** Sessions that are looked at to end one where nobody has two: 20 µs. */
const lookedAtMax = 1_000;

/** Address of sessions of which none is known. */
const unknown = '';
