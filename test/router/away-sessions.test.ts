import t from 'tap';
import {
  AwaySessions,
  type AwayTier,
  awayTiers,
  type Session,
  type SessionOwner,
} from '../../router/index.js';
import { SeededRandom } from '../seeded-random.js';

/** Sessions whose client is away, against a list of them that is looked through each time. */

interface Listed {
  session: Session;
  tier: AwayTier;
  owner: SessionOwner | undefined;
  sinceSec: number;
}

const tiers: AwayTier[] = Object.values(awayTiers);

t.test('the session that goes first is the one that a search of all finds', async (t) => {
  const random = new SeededRandom();
  const away = new AwaySessions();
  let list: Listed[] = [];
  let nowSec = 0;
  const pick = <T>(items: readonly T[]): T => items[random.below(items.length)]!;
  const put = ({ session }: Listed, last: Listed) => {
    list = [...list.filter((each) => each.session !== session), last];
  };
  for (let step = 0; step < 5_000; step++) {
    nowSec += random.below(3);
    const kind = random.below(10);
    if (kind < 4 || list.length === 0) {
      const userName = pick([undefined, 'alice', 'bob']);
      const owner = pick([undefined, { address: `10.0.0.${random.below(6)}`, userName }]);
      const listed = { session: {} as Session, tier: pick(tiers), owner, sinceSec: nowSec };
      list.push(listed);
      if (owner !== undefined) away.present(listed.session, owner);
      away.add(listed.session, listed.tier, nowSec);
    } else if (kind < 7) {
      const moved = pick(list);
      const tier = pick(tiers);
      away.move(moved.session, tier);
      put(moved, { ...moved, tier });
    } else {
      const gone = pick(list);
      if (random.chance(0.5)) away.forget(gone.session);
      else away.present(gone.session, gone.owner);
      list = list.filter((each) => each !== gone);
    }
    check(step);
  }
  away.forget({} as Session);
  away.move({} as Session, awayTiers.noFilters);
  for (const { session } of list) away.forget(session);
  t.same([away.size, away.first], [0, undefined]);

  function check(step: number): void {
    if (away.size !== list.length) t.fail(`size at step ${step}, seed ${random.seed}`);
    const groups = groupsOf(list);
    const largest = Math.max(0, ...groups.map(({ length }) => length));
    if (largest > 1) {
      const candidates = groups.filter(({ length }) => length === largest).map(firstOf);
      if (!candidates.includes(away.first!)) t.fail(`first at step ${step}, seed ${random.seed}`);
    } else if (largest === 1) {
      // Where nobody has two, it has the least to lose.
      const least = Math.min(...list.map(({ tier }) => tier));
      if (list.find(({ session }) => session === away.first)?.tier !== least)
        t.fail(`first of one each, step ${step}, seed ${random.seed}`);
    }
    const one = list.at(-1);
    if (one?.owner === undefined) return;
    const sameAddress = list.filter(({ owner }) => owner?.address === one.owner!.address);
    const beyond = away.beyond(one.session, sameAddress.length - 1, 0);
    const expected = sameAddress.length === 1 ? undefined : firstOf(sameAddress);
    if (beyond?.[0] !== expected) t.fail(`beyond at step ${step}, seed ${random.seed}`);
    if (away.beyond(one.session, sameAddress.length, 0) !== undefined)
      t.fail(`within at step ${step}, seed ${random.seed}`);
  }
});

t.test('those that expire come longest first', async (t) => {
  const away = new AwaySessions(1);
  const sessions = [5, 6, 6, 9].map((sinceSec) => {
    const session = { sinceSec } as unknown as Session;
    away.add(session, awayTiers.noFilters, sinceSec);
    return session;
  });
  const seen: Session[] = [];
  for (let next = away.expired(7); next !== undefined; next = away.expired(7)) {
    seen.push(next);
    away.forget(next);
  }
  t.same(seen, sessions.slice(0, 3));
  t.equal(away.size, 1);
  t.equal(away.sinceSec(sessions[3]!), 9);
});

function groupsOf(list: readonly Listed[]): Listed[][] {
  const groups = new Map<string, Listed[]>();
  for (const each of list) {
    const keys = [`address ${each.owner?.address ?? ''}`];
    if (each.owner?.userName !== undefined) keys.push(`user ${each.owner.userName}`);
    for (const key of keys) groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups.values()];
}

function firstOf(group: readonly Listed[]): Session {
  const tier = tiers.find((wanted) => group.some((each) => each.tier === wanted));
  return group.find((each) => each.tier === tier)!.session;
}
