import { createHash, pbkdf2Sync } from 'node:crypto';
import { hash as bcryptHash } from 'bcrypt';
import { Redis } from 'ioredis';
import t from 'tap';
import type { AuthenticationResult } from '../../access/authenticator.js';
import { IdentityCache } from '../../access/identity-cache.js';
import { JwtAuthenticator } from '../../access/jwt.js';
import { keysOfSecret } from '../../access/jwt-keys.js';
import { passwordCheckOf } from '../../access/password-check.js';
import { passwordHashShape } from '../../access/password-hash.js';
import { RedisUsers, type RedisUsersOptions } from '../../access/redis-users.js';
import { SlowChecks } from '../../access/slow-checks.js';
import { passwordAuthenticatorContract, passwordOfContract } from '../contracts/authenticator.js';
import { RedisServer } from '../redis-server.js';
import { until } from '../until.js';
import { type GivenCredentials, identityIn, mqttCredentials } from './credentials.js';
import { secret, sign } from './tokens.js';

/** Users in a real Redis, in the layout of EMQ. */

const server = await RedisServer.start();
t.teardown(() => server.stop());
const redis = new Redis({
  port: server.port,
  protocol: 3,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  lazyConnect: true,
  commandTimeout: 1_000,
  socketTimeout: 1_000,
  retryStrategy: () => 20,
});
redis.on('error', () => undefined);
await redis.connect();
t.teardown(() => redis.disconnect());

function usersWith(options: Partial<RedisUsersOptions> = {}) {
  const troubles: Error[] = [];
  const cache = new IdentityCache({ bytesMax: 1_000_000, ageSec: 60 });
  const users = new RedisUsers({
    redis,
    userKey: 'mqtt_user:%u',
    aclKey: 'mqtt_acl:%u',
    check: passwordCheckOf('plain'),
    cache,
    slowChecks: new SlowChecks(),
    timeoutMs: Number.POSITIVE_INFINITY,
    onTrouble: (error) => troubles.push(error as Error),
    ...options,
  });
  return { users, troubles, cache };
}

function ask(users: RedisUsers, userName: string, password: string, more: GivenCredentials = {}) {
  return users.authenticate(mqttCredentials({ userName, password, ...more }));
}

passwordAuthenticatorContract('Redis', async () => {
  await redis.hset('mqtt_user:alice', { password: passwordOfContract });
  await redis.hset('mqtt_acl:alice', { 'user/%u/#': '1' });
  const own = redis.duplicate();
  await own.connect();
  const close = async () => void (await redis.del('mqtt_user:alice', 'mqtt_acl:alice'));
  return { authenticator: usersWith({ redis: own }).users, close };
});

t.test('a user has a password, rules, and may be a superuser', async (t) => {
  await redis.hset('mqtt_user:alice', { password: 'secret', is_superuser: '0' });
  await redis.hset('mqtt_acl:alice', { 'read/#': '1', 'write/+': '2', 'both/%u/%c': '3' });
  await redis.hset('mqtt_user:root', { password: 'secret', is_superuser: '1' });
  const { users, troubles } = usersWith();
  const { userName, rules, isSuperuser } = identityIn(await ask(users, 'alice', 'secret'));
  t.equal(userName, 'alice');
  t.equal(isSuperuser, false);
  const allowed = (action: 'publish' | 'subscribe', topic: string) =>
    rules.permissionOf('alice', 'c1', action, topic);
  t.equal(allowed('subscribe', 'read/#'), 'allow');
  t.equal(allowed('publish', 'read/x'), undefined);
  t.equal(allowed('publish', 'write/x'), 'allow');
  t.equal(allowed('subscribe', 'write/+'), undefined);
  t.equal(allowed('publish', 'both/alice/c1'), 'allow');
  t.equal(allowed('subscribe', 'both/alice/c1'), 'allow');
  t.equal(allowed('subscribe', 'both/+/c1'), undefined);
  t.equal(identityIn(await ask(users, 'root', 'secret')).isSuperuser, true);
  t.match(await ask(users, 'alice', 'wrong'), { outcome: 'refused', reason: 'bad-credentials' });
  t.match(await ask(users, 'alice', ''), { outcome: 'refused' });
  t.match(await ask(users, 'nobody', 'secret'), { outcome: 'unknown' });
  t.match(await ask(users, '', 'secret'), { outcome: 'unknown' });
  t.same(troubles, []);
});

t.test('names with meaning elsewhere are names here', async (t) => {
  const { users } = usersWith();
  for (const name of ['*', 'a*', '$&', '$1', '%u', 'a\r\nb', "x' y", 'ä€😀', 'a:b']) {
    t.match(await ask(users, name, 'secret'), { outcome: 'unknown' }, name);
    await redis.hset(`mqtt_user:${name}`, { password: name });
    t.equal(identityIn(await ask(users, name, name)).userName, name);
  }
});

t.test('keys may be by client id, and a client without one is nobody', async (t) => {
  await redis.hset('device:d1', { password: 'p1' });
  const { users } = usersWith({ userKey: 'device:%c', aclKey: 'rules:%c' });
  t.equal((await ask(users, 'any', 'p1', { clientId: 'd1' })).outcome, 'accepted');
  t.equal((await ask(users, 'any', 'p1', { clientId: 'd2' })).outcome, 'unknown', 'nor by the cache');
  t.equal((await ask(users, 'any', 'p1')).outcome, 'unknown');
  await redis.hset('device:', { password: 'p1' });
  t.equal((await ask(users, 'any', 'p1')).outcome, 'unknown', 'nor where a key without a name is there');
  t.equal((await ask(users, 'any', 'p1', { clientId: '' })).outcome, 'unknown');
});

t.test('a user name that the password does not prove is not the name of the user', async (t) => {
  await redis.hset('device:d1', { password: 'p1', is_superuser: '0' });
  await redis.hset('device:d2', { password: 'p2', is_superuser: '1' });
  await redis.hset('rules:d1', { 'user/%u/#': '3', 'device/%c/#': '3' });
  const { users } = usersWith({ userKey: 'device:%c', aclKey: 'rules:%c' });
  for (const name of ['alice', '']) {
    const { userName, rules } = identityIn(await ask(users, name, 'p1', { clientId: 'd1' }));
    t.equal(userName, undefined);
    t.equal(rules.permissionOf(userName, 'd1', 'subscribe', 'user/alice/#'), undefined);
    t.equal(rules.permissionOf(userName, 'd1', 'subscribe', 'device/d1/#'), 'allow');
  }
  t.equal(identityIn(await ask(users, 'alice', 'p2', { clientId: 'd2' })).userName, undefined);
  await redis.hset('both:alice:d1', { password: 'p' });
  const both = usersWith({ userKey: 'both:%u:%c', aclKey: 'rules:%c' }).users;
  t.equal(identityIn(await ask(both, 'alice', 'p', { clientId: 'd1' })).userName, 'alice');
  await redis.hset('both:alice:x:d1', { password: 'p' });
  for (const [name, clientId] of [
    ['alice', 'x:d1'],
    ['alice:x', 'd1'],
  ] as const)
    t.equal((await ask(both, name, 'p', { clientId })).outcome, 'unknown', 'two users would have one key');
});

t.test('passwords are compared with hashes that other tools have made', async (t) => {
  const hex = (digest: string, text: string) => createHash(digest).update(text).digest('hex');
  const stored: [hash: string, password: string][] = [
    ['plain', 'pa:ss wörd'],
    ['md5', hex('md5', 'pa:ss wörd')],
    ['sha256', hex('sha256', 'pa:ss wörd').toUpperCase()],
    ['salt,sha256', hex('sha256', 'NaClpa:ss wörd')],
    ['sha256,salt', hex('sha256', 'pa:ss wördNaCl')],
    ['salt,md5', hex('md5', 'NaClpa:ss wörd')],
    ['md5,salt', hex('md5', 'pa:ss wördNaCl')],
    ['bcrypt', await bcryptHash('pa:ss wörd', 4)],
    ['bcrypt', (await bcryptHash('pa:ss wörd', 4)).replace('$2b$', '$2y$')],
    ['pbkdf2,sha256,1000,20', pbkdf2Sync('pa:ss wörd', 'NaCl', 1000, 20, 'sha256').toString('hex')],
    ['pbkdf2,sha512,10,64', pbkdf2Sync('pa:ss wörd', 'NaCl', 10, 64, 'sha512').toString('hex')],
  ];
  for (const [hash, password] of stored) {
    t.match(hash, passwordHashShape);
    await redis.hset('mqtt_user:hashed', { password, salt: 'NaCl' });
    const { users } = usersWith({ check: passwordCheckOf(hash) });
    t.equal((await ask(users, 'hashed', 'pa:ss wörd')).outcome, 'accepted', hash);
    for (const wrong of ['pa:ss word', '', 'pa:ss wördx', password])
      if (wrong !== 'pa:ss wörd')
        t.equal((await ask(users, 'hashed', wrong)).outcome, 'refused', `${hash} ${wrong}`);
    t.equal((await ask(users, 'nobody', 'pa:ss wörd')).outcome, 'unknown', hash);
    await redis.hset('mqtt_user:hashed', { password: '' });
    const empty = usersWith({ check: passwordCheckOf(hash) }).users;
    if (hash !== 'plain')
      t.equal((await ask(empty, 'hashed', '')).outcome, 'refused', `${hash}: nothing stored`);
  }
  for (const bad of [
    '',
    'sha1',
    'salt',
    'salt,bcrypt',
    'salt,sha256,salt',
    'pbkdf2',
    'pbkdf2,sha256,0,20',
    'pbkdf2,sha256,1,200',
  ])
    t.notMatch(bad, passwordHashShape);
});

t.test('a user that there is not takes as long as one that there is, where the hash is slow', async (t) => {
  await redis.hset('mqtt_user:slow', { password: await bcryptHash('secret', 10) });
  const { users } = usersWith({
    check: passwordCheckOf('bcrypt'),
    cache: new IdentityCache({ bytesMax: 1, ageSec: 0 }),
  });
  const msOf = async (name: string) => {
    const startedMs = performance.now();
    await ask(users, name, 'wrong');
    return performance.now() - startedMs;
  };
  const times = { slow: [] as number[], nobody: [] as number[] };
  // In turns, so that a machine that is busy for a while is busy for both.
  for (let n = 0; n < 9; n++)
    for (const name of ['slow', 'nobody'] as const) times[name].push(await msOf(name));
  const median = (all: number[]) => all.sort((a, b) => a - b)[4]!;
  const [known, unknown] = [median(times.slow), median(times.nobody)];
  t.ok(unknown > known / 3, `${unknown} ms for one that there is not, ${known} ms for one that there is`);
});

t.test('the check for a user that there is not costs as much as the one before it', async (t) => {
  const compared: string[] = [];
  const check = {
    isSlow: true,
    matches: async (_given: Buffer, stored: string) => {
      compared.push(stored);
      return false;
    },
  };
  const { users } = usersWith({ check });
  for (const [n, start] of ['$2b$12$', '$2y$05$', '$2a$08$'].entries()) {
    await redis.hset('mqtt_user:slow', { password: `${start}${'x'.repeat(53)}` });
    await ask(users, 'slow', `wrong ${n}`);
    t.equal((await ask(users, 'nobody', `wrong ${n}`)).outcome, 'unknown');
    t.match(compared.at(-1), new RegExp(`^\\$2b${start.slice(3).replaceAll('$', '\\$')}[./A-Za-z0-9]{53}$`));
  }
});

t.test('tokens are checked beside a crowd of slow checks', async (t) => {
  await redis.hset('mqtt_user:slow', { password: await bcryptHash('secret', 6) });
  const { users, cache } = usersWith({ check: passwordCheckOf('bcrypt') });
  const options = { issuers: [], audiences: [], leewaySec: 0, userClaim: 'sub', cache };
  const jwt = new JwtAuthenticator({ ...keysOfSecret(secret), ...options });
  const token = await sign({ sub: 'alice' });
  let done = 0;
  const crowd = Array.from({ length: 256 }, async (_, n) => {
    await ask(users, 'slow', `wrong ${n}`);
    done++;
  });
  await Promise.race(crowd);
  t.equal((await jwt.authenticate({ transport: 'http', address: '::1', token })).outcome, 'accepted');
  t.ok(done < 128, `${done} of 256 were checked before`);
  await Promise.all(crowd);
});

t.test('a slow check is not begun for a client that has been answered meanwhile', async (t) => {
  await redis.hset('mqtt_user:slow', { password: await bcryptHash('secret', 4) });
  let checks = 0;
  const check = {
    isSlow: true,
    matches: async () => {
      checks++;
      return true;
    },
  };
  const { users } = usersWith({ check, timeoutMs: 0 });
  t.equal((await ask(users, 'slow', 'secret')).outcome, 'unavailable');
  t.equal(checks, 0);
});

t.test('slow checks do not hold the event loop, and too many at once are refused', async (t) => {
  await redis.hset('mqtt_user:slow', { password: await bcryptHash('secret', 8) });
  const { users } = usersWith({ check: passwordCheckOf('bcrypt') });
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const answers = await Promise.all(Array.from({ length: 300 }, (_, n) => ask(users, 'slow', `wrong ${n}`)));
  clearInterval(timer);
  const outcomes = answers.map(({ outcome }) => outcome);
  t.ok(turns > 50, `${turns} turns of the loop meanwhile`);
  t.equal(outcomes.filter((outcome) => outcome === 'refused').length, 256);
  t.equal(outcomes.filter((outcome) => outcome === 'unavailable').length, 44);
});

t.test(
  'credentials that were good are known at once; a changed password is seen when they are old',
  async (t) => {
    await redis.hset('mqtt_user:cached', { password: 'old' });
    const { users, cache } = usersWith();
    const first = identityIn(await ask(users, 'cached', 'old'));
    const again = ask(users, 'cached', 'old');
    t.notOk(again instanceof Promise);
    t.equal(identityIn(again as AuthenticationResult), first);
    await redis.hset('mqtt_user:cached', { password: 'new' });
    t.equal((await ask(users, 'cached', 'old')).outcome, 'accepted');
    t.equal((await ask(users, 'cached', 'new')).outcome, 'accepted');
    cache.clear();
    t.equal((await ask(users, 'cached', 'old')).outcome, 'refused');
  },
);

t.test('a rule that cannot be read allows nothing, and is told', async (t) => {
  await redis.hset('mqtt_user:odd', { password: 'p' });
  await redis.hset('mqtt_acl:odd', { 'a/#/b': '3', good: '3', x: '4', y: 'subscribe' });
  const { users, troubles } = usersWith();
  const { rules } = identityIn(await ask(users, 'odd', 'p'));
  t.equal(rules.permissionOf('odd', undefined, 'publish', 'good'), 'allow');
  t.equal(rules.permissionOf('odd', undefined, 'publish', 'x'), undefined);
  t.equal(troubles.length, 3);
});

t.test(
  'a key of another type, and a Redis that is away, hangs and comes back: unavailable, and told',
  async (t) => {
    await redis.set('mqtt_user:text', 'no hash');
    const { users, troubles } = usersWith();
    t.match(await ask(users, 'text', 'p'), { outcome: 'unavailable', sentence: /cannot be reached/ });
    t.match(troubles[0]!.message, /WRONGTYPE/);
    await redis.set('mqtt_acl:alice2', 'no hash');
    await redis.hset('mqtt_user:alice2', { password: 'p' });
    t.match(await ask(users, 'alice2', 'p'), { outcome: 'unavailable' });
    server.pause();
    t.match(await ask(users, 'alice', 'secret'), { outcome: 'unavailable' });
    server.resume();
    await until('it answers again', async () => (await ask(users, 'nobody', 'p')).outcome === 'unknown');
    await server.kill();
    await until('it is away', async () => (await ask(users, 'nobody', 'p')).outcome === 'unavailable');
    await server.restart();
    await until('it is back', async () => (await ask(users, 'nobody', 'p')).outcome === 'unknown');
    t.ok(troubles.length >= 4);
  },
);
