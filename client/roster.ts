import type { Query } from './endpoint.js';
import type { Member } from './member.js';
import type { WireMessage } from './message.js';
import { formatCursor, type Place } from './places.js';

/** The members of a link: what is to be asked for so that each gets what it misses, and who gets what comes. */

/** Ids of one member that are asked for alone, before all are asked for together. */
export interface Group {
  readonly member: Member;
  readonly ids: readonly string[];
  readonly query: Query;
}

export class Roster {
  readonly members = new Set<Member>();
  /** Of the cursor that the server gave last. */
  #epoch: string | undefined;

  /** Of all, each once. */
  get ids(): string[] {
    return [...new Set([...this.members].flatMap(({ places }) => places.ids))];
  }

  /** Members that have ids in the request that is under way, with these. */
  get live(): [member: Member, ids: string[]][] {
    return [...this.members]
      .map((member): [Member, string[]] => [
        member,
        member.places.ids.filter((id) => member.places.get(id)!.live),
      ])
      .filter(([, ids]) => ids.length > 0);
  }

  /** A request begins that asks for all ids. @returns them */
  begin(): string[] {
    for (const { places } of this.members) places.setLive();
    return this.ids;
  }

  /** Whether a request for these ids is what is wanted now. */
  matches(ids: readonly string[]): boolean {
    const all = [...this.members].flatMap(({ places }) => places.ids.map((id) => places.get(id)!));
    return all.every(({ live }) => live) && this.ids.length === ids.length;
  }

  /**
   * From where all of them get what they miss: the place of the one that is the farthest behind.
   * @param last where the request stands; for ids that nobody wants any more, and that it still has
   */
  query(ids: readonly string[], last?: readonly Place[]): Query {
    const [first] = this.members;
    if (first?.raw !== undefined) return { cursor: first.raw };
    const wanted = ids.map((id) => this.#farthestBehind(id));
    const epoch = wanted.find((place) => place !== undefined)?.epoch;
    const gone = last?.[0]?.epoch === epoch ? last : undefined;
    const cursor = formatCursor(wanted.map((place, index) => place ?? gone?.[index]));
    return cursor === undefined ? { since: this.#since() } : { cursor };
  }

  /**
   * @returns what cannot be asked for together with the rest, as one request has one cursor of one epoch, or one
   * `since`; undefined where there is nothing left
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
        return group(member, all, { cursor: formatCursor(all.map(({ place }) => place)) });
      }
      const fresh = standings.filter(({ place, bare }) => place === undefined && !bare);
      const odd = epoch === undefined ? fresh.filter((standing) => standing.since !== since) : fresh;
      if (odd.length === 0) continue;
      const all = odd.filter((standing) => standing.since === odd[0]!.since);
      return group(member, all, { since: odd[0]!.since });
    }
    return undefined;
  }

  /** @returns what finds out whether the server will have this one */
  alone(member: Member): Group {
    const ids = member.places.ids.filter((id) => member.places.get(id)!.place !== undefined);
    const cursor = member.raw ?? formatCursor(ids.map((id) => member.places.get(id)!.place));
    if (cursor !== undefined && member.raw === undefined) return { member, ids, query: { cursor } };
    const all = member.places.ids;
    return { member, ids: all, query: cursor === undefined ? { since: this.#sinceOf(member) } : { cursor } };
  }

  /**
   * A message has come.
   * @param place undefined where its id has no history
   * @returns a promise where one of the members has to be waited for
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

  /** A cursor has come, of these ids in this order: all before it has been delivered. */
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

  /** What one member was told of these ids, when they were asked for alone; of those that it has not removed since. */
  learn(member: Member, asked: ReadonlyMap<string, unknown>, places: readonly Place[] | undefined): void {
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

  #sinceOf({ places }: Member): string | undefined {
    const fresh = places.ids
      .map((id) => places.get(id)!)
      .find(({ place, bare }) => place === undefined && !bare);
    return fresh?.since;
  }
}

function group(member: Member, standings: readonly { id: string }[], query: Query): Group {
  return { member, ids: standings.map(({ id }) => id), query };
}
