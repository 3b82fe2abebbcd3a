import t, { type Test } from 'tap';
import { RedisServer } from '../../../redis-server.js';
import { SeededRandom } from '../../../seeded-random.js';
import { until } from '../../../until.js';
import { Functions, type Read, run } from './functions.js';

/** History of each id: number, age, and from which place on it is complete. */

async function nodeOf(t: Test): Promise<{ server: RedisServer; node: Functions }> {
  const server = await RedisServer.start();
  t.teardown(() => server.stop());
  return { server, node: await Functions.open(server) };
}

const texts = ({ entries }: Read) => entries.map(({ body }) => body);

t.test('the last so many are kept, and the floor is the place of the last that is not', async (t) => {
  const { node } = await nodeOf(t);
  const places: number[] = [];
  for (let i = 1; i <= 25; i++) {
    places.push(await node.send('123', `${i}`, '3:60000'));
    const kept = await node.read('123', 0, '3:60000');
    t.strictSame(
      texts(kept),
      Array.from({ length: Math.min(3, i) }, (_, n) => `${Math.max(0, i - 3) + n + 1}`),
    );
    if (i <= 3) t.ok(kept.floor < places[0]!);
    else t.equal(kept.floor, places[i - 4]);
  }
  t.strictSame(texts(await node.read('123', places[23]!, '3:60000')), ['25']);
  t.strictSame(texts(await node.read('123', places[24]!, '3:60000')), []);
  const length = await node.redis.llen('encke:h:123');
  t.ok(length <= 5, `${length} are kept of an id that keeps 3`);
});

t.test('a message is given for its age, and not longer', async (t) => {
  const { node } = await nodeOf(t);
  const rule = '10:400';
  const first = await node.send('123', 'old', rule);
  await until('half of its age is over', async () => (await node.place()).nowMs * 1000 > first + 200_000);
  const second = await node.send('123', 'young', rule);
  let floor = 0;
  await until('the first is too old', async () => {
    const kept = await node.read('123', 0, rule);
    const { nowMs } = await node.place();
    if (kept.entries.length === 2) return false;
    // The place is in microseconds, and this clock in whole milliseconds, rounded down.
    t.ok((nowMs + 1) * 1000 > first + 400_000, 'not before its age');
    t.strictSame(texts(kept), ['young']);
    floor = kept.floor;
    return true;
  });
  t.ok(floor >= first && floor < second, 'the floor is behind the one that is not given');
  t.ok((await node.redis.pttl('encke:h:123')) > 400, 'the list outlives what is given of it');
  await until('the list is gone', async () => (await node.redis.exists('encke:h:123')) === 0);
  const none = await node.read('123', 0, rule);
  t.strictSame(none.entries, []);
  t.ok(none.floor >= second, 'a cursor from before is told');
});

t.test('a list is told anew when it expires only where it would not outlive its last message', async (t) => {
  const { node } = await nodeOf(t);
  const rule = '10:4000';
  const told = async () =>
    Number(/cmdstat_pexpire:calls=(\d+)/.exec(await node.redis.info('commandstats'))?.[1] ?? 0);
  const aged = () => node.redis.pttl('encke:h:123');
  let before = await told();
  for (let n = 0; n < 200; n++) {
    await node.send('123', `${n}`, rule);
    if ((await aged()) < 4_900) t.fail(`after message ${n} it lasts only ${await aged()} ms`);
  }
  t.ok((await told()) - before <= 1 + 200 / 10, 'not with each message');
  await node.redis.del('encke:h:123');
  before = await told();
  await node.send('123', 'anew', rule);
  t.equal((await told()) - before, 1, 'a list that is new is told');
  await node.send('123', 'under a rule that keeps it longer', '10:60000');
  t.ok((await aged()) > 60_000);
  const dump = await node.redis.dumpBuffer('encke:h:123');
  await node.redis.flushall();
  await node.begin();
  await node.redis.restore('encke:h:123', 1_000, dump);
  await node.send('123', 'what was known of other data holds no more', rule);
  t.ok((await aged()) > 4_900);
});

t.test('an id that had nothing for longer than its age is complete from then on', async (t) => {
  const { node } = await nodeOf(t);
  const { seq, nowMs } = await node.place();
  const { floor } = await node.read('never', seq, '10:100');
  t.ok(floor <= Math.max(seq, nowMs * 1000));
  await until('the age is over', async () => (await node.place()).nowMs * 1000 > seq + 200_000);
  const later = await node.read('never', 0, '10:100');
  t.ok(later.floor > seq && later.floor < (await node.place()).nowMs * 1000);
});

t.test('several ids in one call, in pieces of so many bytes', async (t) => {
  const { node } = await nodeOf(t);
  for (let i = 1; i <= 5; i++) {
    for (const id of ['a', 'b', 'c']) await node.send(id, `${id}${i}`.padEnd(91, '.'));
  }
  const got: Record<string, string[]> = { a: [], b: [], c: [] };
  const after: Record<string, number> = { a: 0, b: 0, c: 0 };
  let wanted = ['a', 'b', 'c'];
  let calls = 0;
  while (wanted.length > 0) {
    const { parts } = await node.readAll(
      wanted.map((id) => [id, after[id]!]),
      250,
    );
    t.ok(parts.length > 0);
    const bytes = parts.flatMap(({ entries }) => entries).length * 100;
    t.ok(bytes <= 300, `${bytes} bytes`);
    for (const [at, { entries, complete }] of parts.entries()) {
      const id = wanted[at]!;
      got[id]!.push(...entries.map(({ body }) => body.slice(0, 2)));
      after[id] = entries.at(-1)?.place ?? after[id]!;
      t.equal(complete || at === parts.length - 1, true);
    }
    wanted = wanted.slice(parts.at(-1)!.complete ? parts.length : parts.length - 1);
    calls++;
  }
  for (const id of ['a', 'b', 'c'])
    t.strictSame(
      got[id],
      [1, 2, 3, 4, 5].map((i) => `${id}${i}`),
    );
  t.ok(calls >= 6, `${calls} calls`);
  const one = await node.readAll([['a', 0]], 1);
  t.equal(one.parts[0]!.entries.length, 1, 'one is given, however large it is');
  t.equal(one.parts[0]!.complete, false);
});

t.test('a long history is read from its oldest on, without reading all of it', async (t) => {
  const { node } = await nodeOf(t);
  const rule = '5000:60000';
  const places: number[] = [];
  for (let i = 0; i < 5_000; i += 100) {
    const { seq } = await node.publish(
      Array.from({ length: 100 }, (_, n) => ({ id: '123', rule, body: `\0${i + n}` })),
    );
    for (let n = 99; n >= 0; n--) places.push(seq - n);
  }
  for (const at of [0, 1, 99, 100, 2_500, 4_998]) {
    const { entries } = await node.read('123', places[at]!, rule);
    t.equal(entries[0]!.body, `${at + 1}`);
    t.equal(entries.length, 4_999 - at);
  }
  t.strictSame(texts(await node.read('123', places[4_999]!, rule)), []);
});

t.test('where rules change, what was kept under the old ones is not taken for complete', async (t) => {
  const { server, node } = await nodeOf(t);
  const short = '2:300';
  const first = await node.send('123', 'one', short);
  const other = new Functions(server, run('b'));
  await other.begin({ rules: '[["#",100,3600000]]' });
  const long = '100:3600000';
  const changed = await other.read('123', first - 1, long);
  t.ok(changed.floor >= first, 'what is read under the new rules begins with the change');
  const second = await other.send('123', 'two', long);
  t.strictSame(texts(await other.read('123', first, long)), ['two']);
  t.ok((await other.read('123', second, long)).floor <= second);

  // The first node is still there, with its own rules: while both publish, nothing from before the last change is promised.
  const third = await node.send('123', 'three', short);
  t.ok((await other.read('123', second, long)).floor >= third, 'read by the node that did not write last');
  const fourth = await other.send('123', 'four', long);
  t.ok((await other.read('123', second, long)).floor >= third);
  t.strictSame(texts(await other.read('123', third, long)), ['four']);
  t.ok((await other.read('123', fourth, long)).floor <= fourth);
});

t.test('history against a model, with ids, rules and bursts by a seed', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const { node } = await nodeOf(t);
  const ids = ['a', 'b/c', '$x', 'ü'];
  const rules: Record<string, { text: string; messages: number; ageMs: number }> = {
    a: { text: '1:60000', messages: 1, ageMs: 60_000 },
    'b/c': { text: '8:60000', messages: 8, ageMs: 60_000 },
    $x: { text: '40:150', messages: 40, ageMs: 150 },
    ü: { text: '3:250', messages: 3, ageMs: 250 },
  };
  const sent = new Map<string, { place: number; body: string }[]>(ids.map((id) => [id, []]));
  let checks = 0;
  for (let step = 0; step < 1_500; step++) {
    if (random.chance(0.5)) {
      const batch = Array.from({ length: 1 + random.below(5) }, () => {
        const id = random.pick(ids);
        return { id, rule: rules[id]!.text, body: `${step}-${random.below(1_000)}` };
      });
      const { seq } = await node.publish(batch.map((message) => ({ ...message, body: `\0${message.body}` })));
      for (const [at, { id, body }] of batch.entries()) {
        sent.get(id)!.push({ place: seq - batch.length + 1 + at, body });
      }
    } else {
      const id = random.pick(ids);
      const { messages, ageMs, text } = rules[id]!;
      const all = sent.get(id)!;
      const after = all.length === 0 || random.chance(0.2) ? 0 : random.pick(all).place;
      const beforeUs = (await node.place()).nowMs * 1000;
      const { parts, begin } = await node.readAll([[id, after, text]]);
      const { floor, entries } = parts[0]!;
      const afterUs = ((await node.place()).nowMs + 1) * 1000;
      const from = Math.max(after, floor);
      const expected = all.filter(({ place }) => place > from);
      if (!t.strictSame(entries, expected, `${id} behind ${after}`)) return;
      // The floor is no higher than it has to be: age, count, or the beginning.
      const outside = all.at(-1 - messages)?.place ?? 0;
      if (floor > Math.max(begin, outside, afterUs - ageMs * 1000)) return void t.fail('floor is too high');
      if (floor < Math.max(begin, outside, beforeUs - ageMs * 1000)) return void t.fail('floor is too low');
      checks++;
    }
  }
  t.ok(checks > 500, `${checks} checks`);
});
