import t, { type Test } from 'tap';
import { ExpiringIdentity, UserIdentity } from '../../../access/identity.js';
import { Rules } from '../../../access/rules.js';
import { Identities } from '../../../gateway/identities.js';

/** When connections are told that their credentials end, and when they end. */

const startSec = 1_800_000_000;

const until = (endSec: number) => new ExpiringIdentity('alice', Rules.none, endSec);

/** A clock that the test sets. */
function clockOf(t: Test, identities: Identities) {
  const { now } = Date;
  let nowSec = startSec;
  let takesMore = true;
  Date.now = () => nowSec * 1000;
  t.teardown(() => {
    Date.now = now;
  });
  return {
    /** @param sec since `startSec` @returns whoever is told, with the end, and whoever ends */
    at(sec: number): string[] {
      nowSec = startSec + sec;
      const log: string[] = [];
      identities.tick({
        tell: (slot, endSec) => {
          log.push(`tell ${slot} ${endSec - startSec}`);
          return takesMore;
        },
        end: (slot) => log.push(`end ${slot}`),
      });
      return log;
    },
    stall(stalls: boolean) {
      takesMore = !stalls;
    },
  };
}

t.test('credentials that end beyond the year 2106 do not end now', (t) => {
  const identities = new Identities(true, 4);
  const clock = clockOf(t, identities);
  const ends = [startSec - 1, startSec + 3600, startSec * 1000, 2 ** 32];
  for (const [slot, endSec] of ends.entries()) identities.set(slot, until(endSec));
  t.same(clock.at(0), ['end 0']);
  t.end();
});

t.test('each is told once, so long before, and then ends', (t) => {
  const identities = new Identities(true, 3, { noticeSec: 60 });
  const clock = clockOf(t, identities);
  for (const [slot, endSec] of [200, 300].entries()) identities.set(slot, until(startSec + endSec));
  identities.set(2, new UserIdentity('bob', Rules.none));
  t.same(clock.at(139), []);
  t.same(clock.at(140), ['tell 0 200']);
  t.same(clock.at(141), []);
  t.same(clock.at(199), []);
  t.same(clock.at(260), ['end 0', 'tell 1 300']);
  t.same(clock.at(300), ['end 1']);
  t.same(clock.at(10_000), []);
  t.end();
});

t.test('credentials that are shorter than twice the notice are told of at half of their time', (t) => {
  const identities = new Identities(true, 1, { noticeSec: 60 });
  const clock = clockOf(t, identities);
  identities.set(0, until(startSec + 20));
  t.same(clock.at(9), []);
  t.same(clock.at(10), ['tell 0 20']);
  identities.set(0, until(startSec + 30));
  t.same(clock.at(19), [], 'renewed: the new ones have half of their time, too');
  t.same(clock.at(20), ['tell 0 30']);
  t.end();
});

t.test('one that cannot be told now is told a second later, until its end', (t) => {
  const identities = new Identities(true, 1, { noticeSec: 60 });
  const clock = clockOf(t, identities);
  identities.set(0, until(startSec + 200));
  clock.stall(true);
  t.same(clock.at(140), ['tell 0 200']);
  t.same(clock.at(140), [], 'not in the same second');
  t.same(clock.at(141), ['tell 0 200']);
  clock.stall(false);
  t.same(clock.at(142), ['tell 0 200']);
  t.same(clock.at(143), []);
  t.end();
});

t.test('clients that cannot be told keep no other from its notice, nor from its end', (t) => {
  const [stalled, last] = [2_500, 2_500];
  const identities = new Identities(true, stalled + 1, { noticeSec: 60 });
  const clock = clockOf(t, identities);
  for (let slot = 0; slot < stalled; slot++) identities.set(slot, until(startSec + 200));
  identities.set(last, until(startSec + 201));
  clock.stall(true);
  const told: string[] = [];
  // Four ticks a second, as the sweeper has.
  for (let tick = 0; tick < 8; tick++) told.push(...clock.at(141 + Math.floor(tick / 4)));
  t.ok(told.includes(`tell ${last} 201`), 'within two seconds');
  identities.set(last, until(startSec + 150));
  const ended = clock.at(150);
  t.ok(ended.includes(`end ${last}`), 'in the tick in which it is due');
  t.ok(ended.length <= 501, 'and the budget of notices holds');
  t.end();
});

t.test('without a notice they just end, and a slot that is taken anew has nothing of the former end', (t) => {
  const identities = new Identities(true, 2);
  const clock = clockOf(t, identities);
  identities.set(0, until(startSec + 5));
  t.same(clock.at(4), []);
  t.same(clock.at(5), ['end 0']);
  identities.set(0, until(startSec + 50));
  identities.release(0);
  identities.set(0, new UserIdentity('bob', Rules.none));
  t.same(clock.at(60), []);
  t.end();
});

t.test('notices and ends of a storm come over several ticks', (t) => {
  const identities = new Identities(true, 1_200, { noticeSec: 60 });
  const clock = clockOf(t, identities);
  for (let slot = 0; slot < 1_200; slot++) identities.set(slot, until(startSec + 200));
  const told = [clock.at(140), clock.at(140), clock.at(140), clock.at(140)].map(({ length }) => length);
  t.same(told, [500, 500, 200, 0]);
  const ended = [clock.at(200), clock.at(200), clock.at(200)].map(({ length }) => length);
  t.same(ended, [500, 500, 200]);
  t.end();
});
