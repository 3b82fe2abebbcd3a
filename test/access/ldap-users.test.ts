import t, { type Test } from 'tap';
import { CircuitBreaker } from '../../access/circuit-breaker.js';
import { IdentityCache } from '../../access/identity-cache.js';
import { bindNameOf, ldapUserNameOf } from '../../access/ldap/ldap-name.js';
import { LdapUsers, type LdapUsersOptions } from '../../access/ldap/ldap-users.js';
import { passwordAuthenticatorContract, passwordOfContract } from '../contracts/authenticator.js';
import { LdapServer } from '../ldap-server.js';
import { until } from '../until.js';
import { mqttCredentials } from './credentials.js';

/** Users of a real slapd, which lets anonymous clients bind, as many do. */

const server = await LdapServer.start([
  { uid: 'alice', password: passwordOfContract },
  { uid: 'a,b+c=d', password: 'secret' },
  { uid: 'no password' },
]);
t.teardown(() => server.stop());

function open(t: Test, options: Partial<LdapUsersOptions> = {}) {
  const troubles: string[] = [];
  const users = new LdapUsers({
    url: server.url,
    bindName: LdapServer.bindName,
    timeoutMs: 20_000,
    connectionsMax: 3,
    cache: new IdentityCache({ bytesMax: 1_000_000, ageSec: 60 }),
    onTrouble: (error) => troubles.push((error as Error).message),
    ...options,
  });
  t.teardown(() => users.stop());
  return { users, troubles };
}

const withoutCache = () => new IdentityCache({ bytesMax: 1, ageSec: 0 });

async function outcome(users: LdapUsers, userName: string, password: string | Buffer): Promise<string> {
  return (await users.authenticate(mqttCredentials({ userName, password }))).outcome;
}

passwordAuthenticatorContract('LDAP', async () => ({ authenticator: open(t).users }), {
  refusesUnknown: true,
  hasRules: false,
});

t.test('names are escaped, and nobody gets another name by its spelling', async (t) => {
  const { users, troubles } = open(t, { cache: withoutCache() });
  t.equal(await outcome(users, 'a,b+c=d', 'secret'), 'accepted');
  for (const name of [
    'alice,ou=people',
    'alice,ou=people,dc=example,dc=com',
    'alice+cn=alice',
    'alice\\',
    'alice\\2c',
    '*',
    'ali*',
    'a\\*',
    'alice)(uid=*',
    'alice  ',
    ' alice',
    'a\u00adlice',
    'alice\ufe0f',
    'alice\u200b',
    'alice\0',
    'alice\n',
    '',
    'x'.repeat(300),
  ])
    t.equal(await outcome(users, name, passwordOfContract), 'refused', JSON.stringify(name));
  for (const name of ['ALICE', 'Alice', '\uff41lice']) {
    const credentials = { transport: 'http', address: '::1', userName: name } as const;
    const result = await users.authenticate({ ...credentials, password: Buffer.from(passwordOfContract) });
    t.match(result, { outcome: 'accepted', identity: { userName: 'alice' } }, name);
  }
  t.same(troubles, []);

  const dn = (name: string) => bindNameOf('uid=%u,dc=x', name);
  t.equal(dn('a.b_c-d@e'), 'uid=a.b_c-d@e,dc=x');
  t.equal(dn('a,b'), 'uid=a\\2cb,dc=x');
  t.equal(dn('#a b'), 'uid=\\23a\\20b,dc=x');
  t.equal(dn('$&'), 'uid=\\24\\26,dc=x');
  t.equal(dn('%u'), 'uid=\\25u,dc=x');
  t.equal(dn('äß'), 'uid=äß,dc=x');
  t.equal(dn('€'), 'uid=\\e2\\82\\ac,dc=x');
  t.equal(bindNameOf('%u@example.com', 'alice'), 'alice@example.com');
  for (const name of ['alice@other.com', 'alice,dc', 'a b', 'a\\b'])
    t.equal(bindNameOf('%u@example.com', name), undefined, name);
  t.equal(ldapUserNameOf('a b'), 'a b');
  t.equal(ldapUserNameOf('a  b'), undefined);
});

t.test('an empty password is never a bind, and no other way around one is', async (t) => {
  const { users, troubles } = open(t);
  for (const password of ['', '\0', `${passwordOfContract}\0`, '\0x', Buffer.from([0xff])])
    t.equal(await outcome(users, 'alice', password), 'refused', JSON.stringify(password));
  t.equal(await outcome(users, 'no password', 'x'), 'refused');
  t.equal(await outcome(users, 'no password', ''), 'refused');
  t.same(troubles, []);
});

t.test('a good password is known at once for a while, a wrong one is not', async (t) => {
  const { users } = open(t);
  const credentials = {
    transport: 'http',
    address: '::1',
    userName: 'alice',
    password: Buffer.from(passwordOfContract),
  } as const;
  await users.authenticate(credentials);
  t.notOk(users.authenticate(credentials) instanceof Promise);
  t.ok(users.authenticate({ ...credentials, password: Buffer.from('wrong') }) instanceof Promise);
});

t.test('a user that is revoked is asked about again', async (t) => {
  const { users } = open(t);
  const credentials = { transport: 'http', address: '::1', userName: 'alice' } as const;
  const given = { ...credentials, password: Buffer.from(passwordOfContract) };
  await users.authenticate(given);
  t.notOk(users.authenticate(given) instanceof Promise);
  users.cache.revoke('alice');
  const again = users.authenticate(given);
  t.ok(again instanceof Promise);
  t.equal((await again).outcome, 'accepted');
});

t.test('many at once share few connections, and each answer is that of its own user', async (t) => {
  const { users } = open(t, { cache: withoutCache() });
  const outcomes = await Promise.all(
    Array.from({ length: 60 }, (_, n) =>
      outcome(users, 'alice', n % 2 === 0 ? passwordOfContract : `wrong ${n}`),
    ),
  );
  t.same(
    outcomes,
    outcomes.map((_, n) => (n % 2 === 0 ? 'accepted' : 'refused')),
  );
});

t.test(
  'addresses take turns for the connections, and a wait for one says nothing of the server',
  async (t) => {
    const breaker = new CircuitBreaker(1_000_000);
    const { users, troubles } = open(t, { cache: withoutCache(), connectionsMax: 1, breaker });
    const done: string[] = [];
    const from = async (address: string) => {
      const given = { transport: 'http', address, userName: 'alice' } as const;
      await users.authenticate({ ...given, password: Buffer.from(passwordOfContract) });
      done.push(address);
    };
    const crowd = Array.from({ length: 20 }, () => from('10.0.0.1'));
    await Promise.all([...crowd, from('10.0.0.2')]);
    t.ok(done.indexOf('10.0.0.2') <= 2, `it was number ${done.indexOf('10.0.0.2') + 1} of 21`);

    const hasty = open(t, { cache: withoutCache(), connectionsMax: 1, breaker, timeoutMs: 300 });
    server.pause();
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => outcome(hasty.users, 'alice', 'x')));
    server.resume();
    t.ok(outcomes.every((each) => each === 'unavailable'));
    t.equal(breaker.isOpen, false, 'twenty have waited, and one of them for the server');
    t.same(troubles, []);
    t.equal(hasty.troubles.length, 1);
  },
);

t.test('a server that hangs, goes away and comes back: unavailable, and told', async (t) => {
  const breaker = new CircuitBreaker(100);
  const { users, troubles } = open(t, { cache: withoutCache(), timeoutMs: 300, breaker });
  await until('it is up', async () => (await outcome(users, 'alice', passwordOfContract)) === 'accepted');
  server.pause();
  await until('it hangs', async () => (await outcome(users, 'alice', passwordOfContract)) === 'unavailable');
  t.match(troubles.at(-1), /timed out|timeout/i);
  server.resume();
  await until('it answers', async () => (await outcome(users, 'alice', passwordOfContract)) === 'accepted');
  await server.kill();
  await until('it is left alone', async () => {
    t.equal(await outcome(users, 'alice', passwordOfContract), 'unavailable');
    return breaker.isOpen;
  });
  await server.restart();
  await until('it is back', async () => (await outcome(users, 'alice', passwordOfContract)) === 'accepted');
  t.equal(await outcome(users, 'alice', 'wrong'), 'refused');
  t.notMatch(troubles.join(' '), new RegExp(passwordOfContract));
});
