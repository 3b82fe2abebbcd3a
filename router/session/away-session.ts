import { LinkedList, type ListNode } from './linked-list.js';
import type { Session } from './session.js';
import type { SessionOwner } from './session-owner.js';
import type { EvictionReason } from './sessions-stats.js';

/** The worth of a session. Of several, one with the lowest worth ends first. */
export const awayTiers = { noFilters: 0, nothingWaiting: 1, messagesWaiting: 2 } as const;
export type AwayTier = (typeof awayTiers)[keyof typeof awayTiers];

/** Why a session ends whose group has too many. */
export type GroupReason = Exclude<EvictionReason, 'sessions-full'>;

/** Sessions of absent clients of one address, or of one user name. */
export class AwayGroup {
  readonly reason: GroupReason;
  readonly key: string;
  size = 0;
  /** Entry among the groups of its size, from 2 on. */
  place: ListNode<AwayGroup> | undefined = undefined;
  /** Sessions by tier. Fields, because most addresses have one session: an array would take 50 bytes more. */
  #noFilters: LinkedList<Away> | undefined = undefined;
  #nothingWaiting: LinkedList<Away> | undefined = undefined;
  #messagesWaiting: LinkedList<Away> | undefined = undefined;

  constructor(reason: GroupReason, key: string) {
    this.reason = reason;
    this.key = key;
  }

  append(away: Away): ListNode<Away> {
    return this.#listOf(away.tier).append(away);
  }

  remove(place: ListNode<Away>): void {
    this.#listOf(place.item.tier).remove(place);
  }

  /** The session with the lowest worth; of several, the one that has been away longest. */
  get first(): Session {
    const first = this.#noFilters?.first ?? this.#nothingWaiting?.first ?? this.#messagesWaiting?.first;
    return first!.session; // an empty group is removed
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

/** A session of an absent client. */
export class Away {
  readonly session: Session;
  readonly owner: SessionOwner | undefined;
  readonly sinceSec: number;
  /** Second at which it ends; Infinity = never. */
  readonly dueSec: number;
  due: ListNode<Away> | undefined = undefined;
  tier: AwayTier;
  readonly age: ListNode<Away>;
  readonly ofAddress: AwayGroup;
  readonly ofUserName: AwayGroup | undefined;
  inAddress: ListNode<Away>;
  inUserName: ListNode<Away> | undefined;

  constructor(
    session: Session,
    owner: SessionOwner | undefined,
    sinceSec: number,
    dueSec: number,
    tier: AwayTier,
    byAge: LinkedList<Away>,
    ofAddress: AwayGroup,
    ofUserName: AwayGroup | undefined,
  ) {
    this.session = session;
    this.owner = owner;
    this.sinceSec = sinceSec;
    this.dueSec = dueSec;
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
