import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { IdentityCache } from '../../access/identity-cache.js';
import { passwordCheckOf } from '../../access/password-check.js';
import { RedisUsers } from '../../access/redis-users.js';
import { RedisServer } from '../redis-server.js';
import { cleanEnvironment, command, encke, type Surroundings } from './encke.js';
import './no-settings.js';
import { isOneSentence, isUsageError } from './usage-error.js';

/** Users and rules that `encke user` and `encke acl` write are those that `encke start --auth redis` reads. */

t.setTimeout(120_000);

const server = await RedisServer.start();
const redis = server.client();
t.teardown(() => server.stop());
t.beforeEach(() => redis.flushall());

const run = (words: string, args: readonly string[], surroundings: Surroundings = {}) =>
  encke([...words.split(' '), '--auth-redis', server.url, ...args], { timeoutMs: 60_000, ...surroundings });

/** Asks Redis as the gateway would, without the answers that a gateway keeps. */
async function login(userName: string, password: string, hash = 'plain', clientId?: string, keys = {}) {
  const troubles: unknown[] = [];
  const users = new RedisUsers({
    redis,
    userKey: 'mqtt_user:%u',
    aclKey: 'mqtt_acl:%u',
    check: passwordCheckOf(hash),
    cache: new IdentityCache({ bytesMax: 1, ageSec: 0 }),
    timeoutMs: 60_000,
    onTrouble: (error) => troubles.push(error),
    ...keys,
  });
  const result = await users.authenticate({
    transport: 'mqtt',
    address: '::1',
    userName,
    password: Buffer.from(password),
    ...(clientId === undefined ? {} : { clientId }),
  });
  if (troubles.length > 0) throw troubles[0];
  return result;
}

t.test('a user is added with its rules, logs in, gets another password, and is removed', async (t) => {
  const added = await run('user add', ['alice', '--subs', 'a/#', '--subs', 'b', '--pubs', 'b'], {
    stdin: 'secret\n',
  });
  t.same(added, { code: 0, stdout: 'added alice\n', stderr: '' });
  t.same({ ...(await redis.hgetall('mqtt_user:alice')) }, { password: 'secret' });
  t.same({ ...(await redis.hgetall('mqtt_acl:alice')) }, { 'a/#': '1', b: '3' });
  const result = await login('alice', 'secret');
  t.match(result, { outcome: 'accepted', identity: { userName: 'alice', isSuperuser: false } });

  const again = await run('user add', ['alice'], { stdin: 'other' });
  t.equal(again.code, 1);
  isOneSentence(t, 'there already', again, '"alice" is a user already');
  t.equal(await redis.hget('mqtt_user:alice', 'password'), 'secret', 'and nothing has changed');

  const hash = ['--auth-redis-password-hash', 'sha256,salt'];
  t.match(await run('user passwd', ['alice', ...hash], { stdin: 'new' }), { code: 0 });
  t.match(await login('alice', 'new', 'sha256,salt'), { outcome: 'accepted' });
  t.match(await login('alice', 'secret', 'sha256,salt'), { outcome: 'refused' });
  t.match(await run('user passwd', ['alice'], { stdin: 'plain again' }), { code: 0 });
  t.same({ ...(await redis.hgetall('mqtt_user:alice')) }, { password: 'plain again' }, 'no salt is left');
  t.match(await run('user passwd', ['bob'], { stdin: 'x' }), { code: 1, stderr: /There is no user "bob"/ });

  t.match(await run('user remove', ['alice']), { code: 0, stdout: 'removed alice and 2 rules\n' });
  t.equal(await redis.dbsize(), 0);
  t.match(await run('user remove', ['alice']), { code: 1, stderr: /There is no user "alice"/ });
});

t.test('passwords come from standard input or a file, and never from an argument', async (t) => {
  const files = t.testdir({
    good: 'from a file\r\n',
    empty: '',
    two: 'a\nb\n\n',
    bytes: Buffer.from([0xff, 0xfe]),
  });
  t.match(await run('user add', ['a', '--password-file', join(files, 'good')]), { code: 0 });
  t.equal(await redis.hget('mqtt_user:a', 'password'), 'from a file');
  t.match(await run('user add', ['b', '--password-file', '-'], { stdin: 'piped' }), { code: 0 });
  t.equal(await redis.hget('mqtt_user:b', 'password'), 'piped');
  for (const [file, sentence] of [
    ['empty', /at least one character/],
    ['two', /one line/],
    ['bytes', /UTF-8/],
    ['away', /cannot be read \(ENOENT\)/],
  ] as const) {
    const outcome = await run('user add', ['c', '--password-file', join(files, file)]);
    t.equal(outcome.code, 1, file);
    isOneSentence(t, file, outcome, sentence);
  }
  isUsageError(t, 'an argument', await run('user add', ['c', 'secret']), 'too many arguments');
  isUsageError(t, 'a flag', await run('user add', ['c', '--password', 'secret']), '--password');
  t.equal(await redis.exists('mqtt_user:c'), 0);
});

t.test('at a terminal the password is asked for twice and not shown', async (t) => {
  const typed = async (answers: readonly string[]) => {
    const line = [...command, 'user', 'passwd', 'alice', '--auth-redis', server.url].join(' ');
    const child = spawn('script', ['-qec', line, '/dev/null'], { env: cleanEnvironment(), stdio: 'pipe' });
    let shown = '';
    let asked = 0;
    child.stdout.on('data', (text) => {
      shown += text;
      const questions = shown.match(/Password of alice: |Once more: /g)?.length ?? 0;
      while (asked < questions) child.stdin.write(answers[asked++] ?? '');
    });
    const [code] = await once(child, 'close');
    return { code, shown };
  };
  await redis.hset('mqtt_user:alice', { password: 'old' });
  const good = await typed(['se\x1b[Dcrex\x7ft\r', 'xx\x15secret\r']);
  t.equal(good.code, 0, good.shown);
  t.notMatch(good.shown, /secret|secrex/);
  t.match(good.shown, /changed the password of alice/);
  t.equal(await redis.hget('mqtt_user:alice', 'password'), 'secret');
  const ahead = await typed(['newer\rnewer\r']);
  t.equal(ahead.code, 0, 'both typed at once');
  t.notMatch(ahead.shown, /newer/);
  t.equal(await redis.hget('mqtt_user:alice', 'password'), 'newer');
  const different = await typed(['one\r', 'two\r']);
  t.equal(different.code, 1);
  t.match(different.shown, /not the same/);
  t.equal((await typed(['half\x03'])).code, 130, 'Ctrl-C');
  t.equal(await redis.hget('mqtt_user:alice', 'password'), 'newer');
});

t.test('hashes that other tools have made are stored as they are', async (t) => {
  // htpasswd -nbB bob secret
  const hash = '$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC';
  t.match(await run('user add', ['bob', '--hashed'], { stdin: `${hash}\n` }), { code: 0 });
  t.equal(await redis.hget('mqtt_user:bob', 'password'), hash);
  t.match(await run('user passwd', ['bob', '--hashed', '--salt', 'NaCl'], { stdin: 'abcd' }), { code: 0 });
  t.same({ ...(await redis.hgetall('mqtt_user:bob')) }, { password: 'abcd', salt: 'NaCl' });
  isUsageError(t, 'no hash', await run('user passwd', ['bob', '--salt', 'x'], { stdin: 'x' }), '--hashed');
});

t.test(
  'names that would be another user, or nobody, are refused; names with less rights are told',
  async (t) => {
    const both = ['--auth-redis-user-key', 'd:%u:%c', '--auth-redis-acl-key', 'r:%u:%c'];
    const refused: [args: string[], sentence: RegExp][] = [
      [[''], /at least one character/],
      [['x'.repeat(1025)], /1024 bytes/],
      [['a\ufffdb'], /UTF-8/],
      [['alice', ...both], /--client-id/],
      [['a:b', '--client-id', 'c', ...both], /separates/],
      [['a', '--client-id', 'b:c', ...both], /separates/],
      [['alice', '--client-id', 'c'], /no %c/],
      [['alice', '--auth-redis-user-key', 'x%u%c', '--client-id', 'c'], /separator/],
      [['alice', '--auth-redis-user-key', 'nothing'], /%u or %c/],
      [['alice', '--subs', 'a/#/b'], /last level/],
      [['alice', '--auth-redis-password-hash', 'sha3'], /sha256/],
    ];
    for (const [args, sentence] of refused)
      isUsageError(t, args.join(' '), await run('user add', args, { stdin: 'x' }), sentence);
    t.equal(await redis.dbsize(), 0);
    const slash = await run('user add', ['a/b'], { stdin: 'x' });
    t.match(slash, { code: 0, stderr: /Note: rules with %u allow nothing to "a\/b"/ });
    const colon = await run('user add', ['a:b'], { stdin: 'x' });
    t.match(colon, { code: 0, stderr: /Note: "a:b" cannot log in with a password over HTTP/ });
    t.match(await run('user add', ['alice', '--client-id', 'c1', ...both], { stdin: 'x' }), { code: 0 });
    t.match(await login('alice', 'x', 'plain', 'c1', { userKey: 'd:%u:%c', aclKey: 'r:%u:%c' }), {
      outcome: 'accepted',
    });
    const device = ['--auth-redis-user-key', 'dev:%c', '--auth-redis-acl-key', 'dev-acl:%c'];
    t.match(await run('user add', ['d1', '--pubs', 'x/%c', ...device], { stdin: 'x' }), { code: 0 });
    t.same({ ...(await redis.hgetall('dev-acl:d1')) }, { 'x/%c': '2' });
  },
);

t.test('rules are added to, listed and removed', async (t) => {
  await redis.hset('mqtt_user:alice', { password: 'x' });
  t.match(await run('acl add', ['alice', 'subscribe', 'a/#', 'b']), {
    code: 0,
    stdout: 'alice has 2 rules\n',
  });
  t.match(await run('acl add', ['alice', 'publish', 'b', 'user/%u']), { code: 0 });
  t.same({ ...(await redis.hgetall('mqtt_acl:alice')) }, { 'a/#': '1', b: '3', 'user/%u': '2' });
  await redis.hset('mqtt_acl:alice', { '\x1b[31m red': '7' });
  const listed = await run('acl list', ['alice']);
  t.equal(
    listed.stdout,
    `nothing    "\\u001b[31m red"\nsubscribe  a/#\nall        b\npublish    user/%u\n`,
    'nothing that a terminal would take for a command',
  );
  const json = (await run('acl list', ['alice', '--json'])).stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.same(json[1], { action: 'subscribe', filter: 'a/#' });
  t.match(await run('acl remove', ['alice', 'b', 'nowhere']), { code: 1, stderr: /1 of these rules/ });
  t.equal(await redis.hexists('mqtt_acl:alice', 'b'), 0, 'the others are removed all the same');
  t.match(await run('acl remove', ['alice', '--every']), { code: 0, stdout: 'removed 3 rules of alice\n' });
  t.equal(await redis.exists('mqtt_acl:alice'), 0);
  t.match(await run('acl add', ['alcie', 'all', 'x']), { code: 1, stderr: /There is no user "alcie"/ });
  t.match(await run('acl list', ['alcie']), { code: 1, stderr: /There is no user "alcie"/ });
  isUsageError(t, 'an action', await run('acl add', ['alice', 'read', 'x']), 'subscribe');
  isUsageError(t, 'a filter', await run('acl add', ['alice', 'all', 'a+']), 'whole level');
  isUsageError(t, 'neither', await run('acl remove', ['alice']), '--every');
  isUsageError(t, 'both', await run('acl remove', ['alice', 'a', '--every']), '--every');
  const many = Array.from({ length: 999 }, (_, n) => [`many/${n}`, 1]).flat();
  await redis.hset('mqtt_acl:alice', ...many);
  t.match(await run('acl add', ['alice', 'all', 'one', 'two']), { code: 1, stderr: /1001 rules, and 1000/ });
});

t.test('users are listed a page at a time, as text and as JSON', async (t) => {
  const pipeline = redis.pipeline();
  for (let n = 0; n < 5_000; n++) pipeline.hset(`mqtt_user:user${n}`, { password: 'x' });
  pipeline.hset('mqtt_user:root', { password: 'x', is_superuser: '1' });
  pipeline.hset('mqtt_user:a b', { password: 'x' }).hset('mqtt_acl:a b', { x: 1, y: 2 });
  pipeline.set('mqtt_user:text', 'no hash').hset('other', { password: 'x' });
  await pipeline.exec();
  const { code, stdout, stderr } = await run('user list', ['--json']);
  t.equal(code, 0, stderr);
  const users = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.equal(new Set(users.map(({ name }) => name)).size, 5_002);
  t.same(
    users.find(({ name }) => name === 'root'),
    { name: 'root', superuser: true, rules: 0 },
  );
  t.same(
    users.find(({ name }) => name === 'a b'),
    { name: 'a b', superuser: false, rules: 2 },
  );
  const text = await run('user list', []);
  t.match(text.stdout, /^"a b" {2}2 rules$/m);
  t.match(text.stdout, /^root {2}superuser$/m);
  t.equal((await run('user list', ['--limit', '3'])).stdout.trim().split('\n').length, 3);
  const calls = String(await redis.info('commandstats'));
  t.notMatch(calls, /cmdstat_keys:/, 'KEYS would hold Redis');
});

t.test(
  'a Redis that is away, wants a password, hangs or has other types is told in a sentence',
  async (t) => {
    const locked = await RedisServer.start({
      acl: ['default off', 'keeper on >right-password ~mqtt_* +@all'],
    });
    t.teardown(() => locked.stop());
    const files = t.testdir({ password: 'right-password\n' });
    const keeper = locked.url.replace('//', '//keeper@');
    const at = (url: string, args: string[]) =>
      encke(['user', ...args, '--auth-redis', url], { stdin: 'x', timeoutMs: 60_000 });
    const refused = await at(locked.url.replace('//', '//keeper:wrong@'), ['add', 'alice']);
    t.equal(refused.code, 1);
    isOneSentence(t, 'a wrong password', refused, '--auth-redis-password-file');
    t.notMatch(refused.stderr, 'wrong@');
    const file = ['--auth-redis-password-file', join(files, 'password')];
    t.match(await at(keeper, ['add', 'alice', ...file]), { code: 0 });
    const other = await at(keeper, ['add', 'alice', '--auth-redis-user-key', 'else:%u', ...file]);
    isOneSentence(t, 'keys that are not its own', other, 'does not allow');
    isUsageError(
      t,
      'no such file',
      await at(keeper, ['list', '--auth-redis-password-file', '/nowhere']),
      'ENOENT',
    );
    isUsageError(t, 'two', await at(`${locked.url},${server.url}`, ['list']), 'one');
    await redis.set('mqtt_user:text', 'x');
    isOneSentence(t, 'a text', await run('user passwd', ['text'], { stdin: 'x' }), 'no hash');
    await locked.kill();
    const away = await at(keeper, ['list', ...file]);
    t.equal(away.code, 1);
    isOneSentence(t, 'away', away, 'ECONNREFUSED', '--auth-redis');
  },
);

t.test('where Redis is may be in the variables of encke start', async (t) => {
  const environment = { ENCKE_AUTH_REDIS: server.url, ENCKE_AUTH_REDIS_USER_KEY: 'u:%u' };
  t.match(await encke(['user', 'add', 'alice'], { environment, stdin: 'x', timeoutMs: 60_000 }), { code: 0 });
  t.equal(await redis.exists('u:alice'), 1);
});

t.test('each part of a command has a help with its own words', async (t) => {
  for (const [group, parts] of [
    ['user', ['add', 'passwd', 'remove', 'list', 'import']],
    ['acl', ['add', 'remove', 'list']],
  ] as const) {
    t.match((await encke([group])).code, 2);
    isUsageError(t, group, await encke([group, 'frobnicate']), 'frobnicate', `encke ${group} --help`);
    for (const part of parts) {
      const { code, stdout } = await encke([group, part, '--help']);
      t.equal(code, 0);
      t.match(stdout, new RegExp(`^Usage: encke ${group} ${part} `));
      t.notMatch(stdout, /undefined|\[object|NaN/);
      isUsageError(t, part, await encke([group, part, '--no-such-flag']), `encke ${group} ${part} --help`);
    }
  }
});
