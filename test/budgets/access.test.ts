import t from 'tap';
import { UserIdentity } from '../../access/identity.js';
import { type Rule, Rules } from '../../access/rules.js';
import { Identities } from '../../gateway/identities.js';
import { collectGarbage } from '../garbage.js';

/** The cost of a connected user in V8's heap. */

const users = 100_000;
const usersWithOwnRules = 20_000;

/** Bytes of heap for each of them. @param make what is kept for one; the first ones pay for what V8 compiles */
function bytesEach(count: number, make: (n: number) => void): number {
  for (let n = 0; n < 5_000; n++) make(n);
  collectGarbage();
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let n = 5_000; n < count; n++) make(n);
  collectGarbage();
  collectGarbage();
  return (process.memoryUsage().heapUsed - before) / (count - 5_000);
}

function ruleOf(filter: string): Rule {
  return { permission: 'allow', action: 'all', filter };
}

t.test('a user whose rules are shared costs a reference and its name', async (t) => {
  const shared = Rules.inOrder([ruleOf('user/%u/#')]);
  const identities = new Identities(true, users);
  const bytes = bytesEach(users, (n) => {
    const userName = Buffer.from(`user-${10_000_000 + n}`).toString(); // as it comes from a packet
    identities.set(n, new UserIdentity(userName, shared));
  });
  t.comment(`${bytes.toFixed(0)} B`);
  t.ok(bytes <= 88, `${bytes.toFixed(0)} B, at most 88: 40 the identity, 32 its name, 8 to 12 the reference`);
  t.equal(identities.of(users - 1).rules, shared);
});

t.test('a user with 20 rules of its own costs at most 32 bytes a rule', async (t) => {
  const kept: Rules[] = [];
  const bytes = bytesEach(usersWithOwnRules, (n) => {
    const rules = Array.from({ length: 20 }, (_, rule) => ruleOf(`device/${10_000_000 + n}/value-${rule}`));
    kept[n] = Rules.inOrder(rules);
  });
  t.comment(`${bytes.toFixed(0)} B, ${(bytes / 20).toFixed(1)} a rule of 24 characters`);
  t.ok(bytes / 20 <= 32, `${(bytes / 20).toFixed(1)} B a rule`);
  t.equal(kept.length, usersWithOwnRules);
});

t.test('where nobody is asked who they are, nothing is stored', async (t) => {
  const identities = new Identities(false, users);
  const bytes = bytesEach(users, (n) => identities.set(n, identities.of(n)));
  t.ok(bytes < 2, `${bytes} B`);
});
