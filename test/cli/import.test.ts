import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { passwordCheckOf } from '../../access/password-check.js';
import { RedisServer } from '../redis-server.js';
import { until } from '../until.js';
import { cleanEnvironment, command, encke, type Surroundings } from './encke.js';
import './no-settings.js';
import { isOneSentence, isUsageError } from './usage-error.js';

/** `encke user import`: files of any size, bad lines among good ones, and imports that are cut off. */

t.setTimeout(180_000);

const server = await RedisServer.start();
const redis = server.client();
t.teardown(() => server.stop());
t.beforeEach(() => redis.flushall());

const load = (args: readonly string[], surroundings: Surroundings = {}) =>
  encke(['user', 'import', '--auth-redis', server.url, ...args], { timeoutMs: 120_000, ...surroundings });

const hashOf = async (key: string) => ({ ...(await redis.hgetall(key)) });

t.test('lines of JSON: passwords, hashes, rules; a user that is there is replaced', async (t) => {
  await redis.hset('mqtt_user:alice', { password: 'old', salt: 'x', is_superuser: '1' });
  await redis.hset('mqtt_acl:alice', { old: '3' });
  const lines = [
    { name: 'alice', password: 'secret', subs: ['a/#', 'b'], pubs: ['b'] },
    { name: 'bob', hash: 'abcd', salt: 'NaCl', superuser: true },
    { name: 'größe 日本', password: 'pa"ss,wörd' },
    { name: 'crowd', password: 'x', subs: Array.from({ length: 1_000 }, (_, n) => `t/${n}`) },
  ];
  const stdin = `\ufeff${lines.map((line) => JSON.stringify(line)).join('\r\n')}`;
  const outcome = await load(['-', '--json'], { stdin });
  t.match(outcome, { code: 0, stderr: '' });
  t.match(JSON.parse(outcome.stdout), { imported: 4, rules: 1_002, bad: 0, doneLine: 4 });
  t.same(await hashOf('mqtt_user:alice'), { password: 'secret' }, 'no salt, no superuser');
  t.same(await hashOf('mqtt_acl:alice'), { 'a/#': '1', b: '3' });
  t.same(await hashOf('mqtt_user:bob'), { password: 'abcd', salt: 'NaCl', is_superuser: '1' });
  t.same(await hashOf('mqtt_user:größe 日本'), { password: 'pa"ss,wörd' });
  t.equal(await redis.hlen('mqtt_acl:crowd'), 1_000);
});

t.test('CSV: the header says which cells there are, quotes are as in RFC 4180', async (t) => {
  const stdin = [
    'name,password,superuser,subs,pubs',
    'alice,secret,0,a/#;b,b',
    '"bo""b,",  spaces ,1,,',
    '"quoted","p",,"x;y",z',
  ].join('\n');
  t.match(await load(['-'], { stdin }), { code: 0, stdout: /^imported 3 users with 5 rules/ });
  t.same(await hashOf('mqtt_acl:alice'), { 'a/#': '1', b: '3' });
  t.same(await hashOf('mqtt_user:bo"b,'), { password: '  spaces ', is_superuser: '1' });
  t.same(await hashOf('mqtt_acl:quoted'), { x: '1', y: '1', z: '2' });
  const hashed = await load(['-', '--auth-redis-password-hash', 'pbkdf2,sha256,1000,20'], {
    stdin: 'name,password\nalice,secret',
  });
  t.equal(hashed.code, 0);
  const { password, salt } = (await hashOf('mqtt_user:alice')) as { password: string; salt: string };
  const check = passwordCheckOf('pbkdf2,sha256,1000,20');
  t.equal(await check.matches(Buffer.from('secret'), password, salt), true);
  t.equal(await redis.exists('mqtt_acl:alice'), 0, 'replaced by one without rules');
});

t.test('bad lines are named, and the good ones done', async (t) => {
  const good = (name: string) => JSON.stringify({ name, password: 'x' });
  const bad: [line: string | Buffer, problem: RegExp][] = [
    ['{"name":"a"', /not JSON/],
    ['[]', /not a JSON object/],
    ['{"password":"x"}', /no name/],
    ['{"name":"a"}', /password or a hash/],
    ['{"name":"a","password":"x","hash":"y"}', /one of them/],
    ['{"name":"a","password":""}', /at least one character/],
    ['{"name":"a","password":7}', /password is a text/],
    ['{"name":"","password":"x"}', /at least one character/],
    ['{"name":"a","password":"x","salt":"y"}', /goes with a hash/],
    ['{"name":"a","password":"x","superuser":"yes"}', /true or false/],
    ['{"name":"a","password":"x","subs":"b"}', /list of topic filters/],
    ['{"name":"a","password":"x","subs":["b+"]}', /whole level/],
    ['{"name":"a","password":"x","pubs":[1]}', /It is a text/],
    ['{"name":"a","password":"x","acl":["b"]}', /"acl" is none of: name, clientId/],
    [Buffer.from([0x7b, 0xff]), /not UTF-8/],
    [`{"name":"a","password":"x","subs":["${'x'.repeat(1024 * 1024)}"]}`, /more than 1048576 bytes/],
    [
      JSON.stringify({ name: 'a', password: 'x', subs: Array.from({ length: 1_001 }, (_, n) => `t/${n}`) }),
      /1001 rules/,
    ],
  ];
  await redis.set('mqtt_user:text', 'no hash');
  const lines = [good('first'), ...bad.map(([line]) => line), good('text'), '', good('last')];
  const stdin = Buffer.concat(lines.flatMap((line) => [Buffer.from(line as string), Buffer.from('\n')]));
  const outcome = await load(['-'], { stdin });
  t.equal(outcome.code, 1);
  t.match(outcome.stdout, /^imported 2 users with 0 rules in .*, 18 bad lines/);
  for (const [n, [, problem]] of bad.entries()) {
    const [line] = new RegExp(`^line ${n + 2}: .*$`, 'm').exec(outcome.stderr) ?? [''];
    t.match(line, problem);
  }
  t.match(outcome.stderr, /^line 19: a key of it is no hash/m, 'one that Redis refuses');
  t.match(outcome.stderr, /18 lines are bad and were left out/);
  t.equal(await redis.exists('mqtt_user:a'), 0);
  t.equal(await redis.get('mqtt_user:text'), 'no hash');
  t.same([await redis.exists('mqtt_user:first'), await redis.exists('mqtt_user:last')], [1, 1]);

  const cells = await load(['-'], { stdin: 'name,password\na\nb,"x\nc,x"y\nd,x\n' });
  t.match(cells.stderr, /^line 2: it has 1 cells, and the header 2\.\nline 3: a quote.*\nline 4: a quote/);
  for (const stdin of ['alice,secret\nbob,secret', 'name,name\na,b', 'hello']) {
    const headless = await load(['-'], { stdin });
    isUsageError(t, stdin, headless, /line 1: it is neither JSON nor a header/);
  }
});

t.test('a name that could be another user is a bad line', async (t) => {
  const keys = ['--auth-redis-user-key', 'd:%u:%c', '--auth-redis-acl-key', 'r:%u:%c'];
  const stdin = 'name,clientId,password\na:b,c,x\nalice,c1,x\nalice,,x\n';
  const outcome = await load(['-', ...keys], { stdin });
  t.match(outcome.stderr, /^line 2: .*separates[\s\S]*^line 4: it has no clientId/m);
  t.same(await redis.keys('*'), ['d:alice:c1']);
});

t.test('an import goes on from a line, and the header is read all the same', async (t) => {
  const stdin = `name,password\n${Array.from({ length: 2_000 }, (_, n) => `user${n + 2},x`).join('\n')}`;
  const outcome = await load(['-', '--from-line', '1500', '--json'], { stdin });
  t.match(JSON.parse(outcome.stdout), { imported: 502, doneLine: 2_001 });
  t.equal(await redis.exists('mqtt_user:user1499'), 0);
  t.equal(await redis.exists('mqtt_user:user1500'), 1);
});

t.test('an interrupted import says what is done, and goes on there', async (t) => {
  const child = spawn(command[0], [...command.slice(1), 'user', 'import', '-', '--auth-redis', server.url], {
    env: cleanEnvironment(),
    stdio: 'pipe',
  });
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  child.stdin.on('error', () => undefined);
  let sent = 0;
  const line = () => `{"name":"user${++sent}","password":"x"}\n`;
  child.stdin.write(Array.from({ length: 3_000 }, line).join(''));
  await until('some are there', async () => (await redis.dbsize()) > 500);
  child.kill('SIGINT');
  const feeding = setInterval(() => child.stdin.write(line()), 5); // it looks between two lines
  const [code] = await once(child, 'close');
  clearInterval(feeding);
  t.equal(code, 130);
  const [, done, next] = /all up to line (\d+) is done: go on with --from-line (\d+)/.exec(stderr) ?? [];
  t.equal(Number(next), Number(done) + 1);
  t.equal(await redis.dbsize(), Number(done), 'no more and no less');
});

t.test('a Redis that goes away ends it with what is done; so does one that takes no more', async (t) => {
  const small = await RedisServer.start({ maxmemory: '2mb', configuration: 'maxmemory-policy noeviction' });
  t.teardown(() => small.stop());
  const outcome = await encke(['user', 'import', '--auth-redis', small.url, '--generate', '50000'], {
    timeoutMs: 120_000,
  });
  t.equal(outcome.code, 1);
  t.match(outcome.stderr, /OOM/);
  t.notMatch(outcome.stderr, /^line \d+:/m, 'the lines are not at fault');
  const [, next] = /go on with --from-line (\d+)/.exec(outcome.stderr) ?? [];
  t.ok(Number(next) >= 1 && Number(next) < 50_000, `line ${next}`);
  const client = small.client();
  const done = Number(next) - 1;
  if (done > 0) t.equal(await client.exists(`mqtt_user:device_user${done}`), 1);
});

t.test('users of a test are made, each with its rules and its own password, or one for all', async (t) => {
  const outcome = await load(['--generate', '3000', '--rules', '20', '--json']);
  t.match(outcome, { code: 0, stderr: /its name, which is for tests/ });
  t.match(JSON.parse(outcome.stdout), { imported: 3_000, rules: 60_000, bad: 0 });
  t.same(await hashOf('mqtt_user:device_user3000'), { password: 'device_user3000' });
  const rules = await hashOf('mqtt_acl:device_user3000');
  t.equal(Object.keys(rules).length, 20);
  t.equal(rules['topic/device_user3000/t_20'], '3');
  t.ok(JSON.parse(outcome.stdout).redisBytes > 1_000_000);
  const shared = await load(
    ['--generate', '2', '--rules', '1', '--user-names', 'm{n}', '--topics', 't/{n}', '--password-file', '-'],
    { stdin: 'secret' },
  );
  t.match(shared, { code: 0, stderr: '' });
  t.same(
    [await hashOf('mqtt_user:m2'), await hashOf('mqtt_acl:m2')],
    [{ password: 'secret' }, { 't/2': '3' }],
  );
});

t.test('a terminal has a progress bar', async (t) => {
  const file = join(t.testdir({}), 'users.ndjson');
  const lines = Array.from({ length: 200 }, (_, n) => JSON.stringify({ name: `user${n}`, password: 'x' }));
  writeFileSync(file, lines.join('\n'));
  // A slow hash gives it time to be seen.
  const line = [...command, ...['user', 'import', file, '--auth-redis', server.url]].join(' ');
  const slow = `${line} --auth-redis-password-hash pbkdf2,sha256,50000,20`;
  const child = spawn('script', ['-qec', slow, '/dev/null'], { env: cleanEnvironment(), stdio: 'pipe' });
  let shown = '';
  child.stdout.on('data', (text) => {
    shown += text;
  });
  await once(child, 'close');
  t.match(shown, /\[#+\.*\] \d+ % [\d,]+ users, [\d,]+\/s/);
  t.match(shown, /imported 200 users/);
});

t.test('what does not go together is a usage error', async (t) => {
  isUsageError(t, 'nothing', await load([]), '--generate');
  isUsageError(t, 'both', await load(['-', '--generate', '1']), '--generate');
  isUsageError(t, 'rules of a file', await load(['-', '--rules', '3']), '--generate');
  isUsageError(t, 'no such file', await load(['/nowhere/users.csv']), 'ENOENT');
  isUsageError(t, 'no number', await load(['--generate', '1', '--user-names', 'x']), '{n}');
  const away = await encke(['user', 'import', '--auth-redis', 'redis://127.0.0.1:1', '--generate', '1']);
  t.equal(away.code, 1);
  t.match(away.stderr, /ECONNREFUSED/);
  isOneSentence(t, 'of one line', { ...away, stderr: away.stderr.replace(/^Note:.*\n/, '') }, '--auth-redis');
});
