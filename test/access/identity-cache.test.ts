import t from 'tap';
import { ExpiringIdentity, UserIdentity } from '../../access/identity.js';
import { IdentityCache } from '../../access/identity-cache.js';
import { Rules } from '../../access/rules.js';
import { SharedRules } from '../../access/shared-rules.js';
import { until } from '../until.js';

const alice = new UserIdentity('alice', Rules.none);

t.test('a kept answer is found by all that it depends on', async (t) => {
  const cache = new IdentityCache({ bytesMax: 100_000, ageSec: 60 });
  const key = cache.keyOf('redis', 'alice', Buffer.from('secret'), undefined);
  cache.set(key, alice);
  t.equal(cache.get(cache.keyOf('redis', 'alice', Buffer.from('secret'), undefined)), alice);
  const others = [
    cache.keyOf('redis', 'alice', Buffer.from('secret'), ''),
    cache.keyOf('redis', 'alice', Buffer.from('secret')),
    cache.keyOf('redis', 'alices', Buffer.from('ecret'), undefined),
    cache.keyOf('redis', 'alice6:secret', undefined, undefined),
    new IdentityCache({ bytesMax: 100_000, ageSec: 60 }).keyOf(
      'redis',
      'alice',
      Buffer.from('secret'),
      undefined,
    ),
  ];
  for (const other of others) {
    t.not(other, key);
    t.equal(cache.get(other), undefined);
  }
  t.match(cache.counters, { hits: 1, misses: others.length });
  t.notMatch(key, /secret|alice/);
  cache.clear();
  t.equal(cache.get(key), undefined);
});

t.test('it is bounded by bytes: what came longest ago goes first', async (t) => {
  const cache = new IdentityCache({ bytesMax: 100_000, ageSec: 60 });
  const rules = Rules.inOrder(Array(20).fill({ permission: 'allow', action: 'all', filter: 'x'.repeat(50) }));
  for (let n = 0; n < 1_000; n++) cache.set(`key ${n}`, new UserIdentity(`user ${n}`, rules));
  t.ok(cache.bytes <= 100_000);
  t.ok(cache.count > 20 && cache.count < 100, `${cache.count} are kept`);
  t.equal(cache.get('key 0'), undefined);
  t.type(cache.get('key 999'), UserIdentity);
});

t.test('it is bounded by age, and by the end of the credentials', async (t) => {
  const cache = new IdentityCache({ bytesMax: 100_000, ageSec: 1 });
  cache.set('old', alice);
  cache.set('ended', new ExpiringIdentity('alice', Rules.none, Math.floor(Date.now() / 1000)));
  t.equal(cache.get('ended'), undefined);
  await until('it is too old', () => cache.get('old') === undefined);
  const none = new IdentityCache({ bytesMax: 100_000, ageSec: 0 });
  none.set('key', alice);
  t.equal(none.get('key'), undefined);
  t.same([none.count, none.bytes], [0, 0]);
});

t.test('equal lists of rules are one object', async (t) => {
  const shared = new SharedRules();
  const list = () => [{ permission: 'allow', action: 'subscribe', filter: 'user/%u/#' } as const];
  t.equal(shared.of(list()), shared.of(list()));
  t.equal(shared.of([]), Rules.none);
  t.not(shared.of([{ ...list()[0]!, action: 'publish' }]), shared.of(list()));
});

t.test('what is kept of a revoked user does not count any more, and that of others does', async (t) => {
  const cache = new IdentityCache({ bytesMax: 100_000, ageSec: 60 });
  const bob = new UserIdentity('bob', Rules.none);
  const unnamed = new UserIdentity(undefined, Rules.none);
  for (const identity of [alice, bob, unnamed]) cache.set(String(identity.userName), identity);
  cache.revoke('alice');
  t.equal(cache.get('alice'), undefined);
  t.equal(cache.get('bob'), bob);
  t.equal(cache.get('undefined'), unnamed);
  cache.revoke(undefined);
  t.equal(cache.get('undefined'), undefined);
  t.equal(cache.get('bob'), bob);
  const askedMs = performance.now();
  cache.revoke('alice');
  cache.set('alice', alice, undefined, askedMs);
  t.equal(cache.get('alice'), undefined, 'what was asked for before is not kept');
  await until('it is kept again', () => {
    cache.set('alice', alice);
    return cache.get('alice') === alice;
  });
  for (let n = 0; n <= 100_000; n++) cache.revoke(`user ${n}`);
  t.equal(cache.get('bob'), undefined, 'past so many names, all count as revoked');
});

t.test('a revoked user stays so for as long as an answer of a longer age is kept', async (t) => {
  const cache = new IdentityCache({ bytesMax: 100_000, ageSec: 0.01 });
  cache.set('key', alice, 3_600);
  cache.revoke('alice');
  const sinceMs = performance.now();
  await until('the age that all have is over', () => performance.now() > sinceMs + 20);
  cache.revoke('bob');
  t.equal(cache.get('key'), undefined);
});
