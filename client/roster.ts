import type { Query } from './endpoint.js';
import type { LinkMember } from './link-member.js';
import type { WireMessage } from './message.js';
import { joinCursor, type Place } from './places.js';

/**
 * The members of a link. Knows which ids and cursor to ask for, so that each member gets what it misses, and delivers.
 */

/** Ids of one member that need a request of their own before one request asks for all. */
export interface Group {
  readonly member: LinkMember;
  readonly ids: readonly string[];
  readonly query: Query;
}

export class Roster {
  readonly members = new Set<LinkMember>();
  /** Epoch of the last cursor from the server. */
  #epoch: string | undefined;

  /** Ids of all members, each once. */
  get ids(): string[] {
    return [...new Set([...this.members].flatMap(({ places }) => places.ids))];
  }

  /** Members with ids in the current request, and those ids. */
  get live(): [member: LinkMember, ids: string[]][] {
    return [...this.members]
      .map((member): [LinkMember, string[]] => [
        member,
        member.places.ids.filter((id) => member.places.get(id)!.live),
      ])
      .filter(([, ids]) => ids.length > 0);
  }

  /** A request for all ids begins. @returns the ids */
  begin(): string[] {
    for (const { places } of this.members) places.setLive();
    return this.ids;
  }

  /** Whether a request for these ids is still the right one. */
  matches(ids: readonly string[]): boolean {
    const all = [...this.members].flatMap(({ places }) => places.ids.map((id) => places.get(id)!));
    return all.every(({ live }) => live) && this.ids.length === ids.length;
  }

  /**
   * The cursor from which all members get what they miss: for each id, the place of the member that is farthest behind.
   * @param last places of the current request, for ids that it still has and no member wants any more
   */
  query(ids: readonly string[], last?: readonly Place[]): Query {
    const [first] = this.members;
    if (first?.raw !== undefined) return { cursor: first.raw };
    const wanted = ids.map((id) => this.#farthestBehind(id));
    const epoch = wanted.find((place) => place !== undefined)?.epoch;
    const gone = last?.[0]?.epoch === epoch ? last : undefined;
    const cursor = joinCursor(wanted.map((place, index) => place ?? gone?.[index]));
    return cursor === undefined ? { since: this.#since() } : { cursor };
  }

  /**
   * @returns ids that one request cannot ask for together with the others, because a request has one cursor of one
   * epoch, or one `since`; undefined where there are none
   */
  straggler(): Group | undefined {
    const epoch = this.#commonEpoch();
    const since = this.#since();
    for (const member of this.members) {
      if (member.raw !== undefined) {
        if (this.members.size > 1) return this.alone(member);
        continue;
      }
      const standings = member.places.ids.map((id) => ({ id, ...member.places.get(id)! }));
      const old = standings.find(({ place }) => place !== undefined && place.epoch !== epoch)?.place?.epoch;
      if (old !== undefined) {
        const all = standings.filter(({ place }) => place?.epoch === old);
        return group(member, all, { cursor: joinCursor(all.map(({ place }) => place)) });
      }
      const fresh = standings.filter(({ place, bare }) => place === undefined && !bare);
      const odd = epoch === undefined ? fresh.filter((standing) => standing.since !== since) : fresh;
      if (odd.length === 0) continue;
      const all = odd.filter((standing) => standing.since === odd[0]!.since);
      return group(member, all, { since: odd[0]!.since });
    }
    return undefined;
  }

  /** @returns a request that finds out whether the server accepts this member */
  alone(member: LinkMember): Group {
    const ids = member.places.ids.filter((id) => member.places.get(id)!.place !== undefined);
    const cursor = member.raw ?? joinCursor(ids.map((id) => member.places.get(id)!.place));
    if (cursor !== undefined && member.raw === undefined) return { member, ids, query: { cursor } };
    const all = member.places.ids;
    return { member, ids: all, query: cursor === undefined ? { since: this.#sinceOf(member) } : { cursor } };
  }

  /**
   * Delivers a message to all members that want it.
   * @param place undefined where its id has no history
   * @returns a promise while a member is not ready
   */
  deliver(wire: WireMessage, place: Place | undefined): Promise<unknown> | undefined {
    const waits: Promise<unknown>[] = [];
    for (const member of [...this.members]) {
      if (!member.places.get(wire.id)?.live) continue;
      const wait = member.deliver(wire, place);
      if (wait !== undefined) waits.push(wait);
    }
    return waits.length === 0 ? undefined : Promise.all(waits);
  }

  /** Moves all members to a cursor of these ids: everything before it has been delivered. */
  move(ids: readonly string[], places: readonly Place[] | undefined, except?: string): void {
    if (places === undefined) return;
    this.#epoch = places[0]?.epoch;
    for (const [index, id] of ids.entries()) {
      if (id === except) continue;
      for (const member of this.members) {
        if (member.places.get(id)?.live) member.move(id, places[index]);
      }
    }
  }

  /** Stores the places that a request for one member's ids has found, for the ids that it has not removed since. */
  learn(member: LinkMember, asked: ReadonlyMap<string, unknown>, places: readonly Place[] | undefined): void {
    if (places !== undefined) this.#epoch = places[0]?.epoch;
    for (const [index, [id, standing]] of [...asked].entries()) {
      if (member.places.get(id) !== standing) continue;
      if (places === undefined) member.places.setBare(id);
      else member.move(id, places[index]);
    }
  }

  get hasCursor(): boolean {
    return this.#commonEpoch() !== undefined;
  }

  #commonEpoch(): string | undefined {
    const epochs = [...this.members].flatMap(({ places }) =>
      places.ids.flatMap((id) => places.get(id)?.place?.epoch ?? []),
    );
    return this.#epoch !== undefined && epochs.includes(this.#epoch) ? this.#epoch : epochs[0];
  }

  #farthestBehind(id: string): Place | undefined {
    let behind: Place | undefined;
    for (const { places } of this.members) {
      const { place, live } = places.get(id) ?? {};
      if (live && place !== undefined && (behind === undefined || place.offset < behind.offset))
        behind = place;
    }
    return behind;
  }

  #since(): string | undefined {
    for (const member of this.members) {
      const { places } = member;
      if (places.ids.some((id) => places.get(id)!.place === undefined && !places.get(id)!.bare))
        return this.#sinceOf(member);
    }
    return undefined;
  }

  #sinceOf({ places }: LinkMember): string | undefined {
    const fresh = places.ids
      .map((id) => places.get(id)!)
      .find(({ place, bare }) => place === undefined && !bare);
    return fresh?.since;
  }
}

function group(member: LinkMember, standings: readonly { id: string }[], query: Query): Group {
  return { member, ids: standings.map(({ id }) => id), query };
}
