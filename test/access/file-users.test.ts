import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSync } from 'bcrypt';
import t, { type Test } from 'tap';
import { FileUsers, type FileUsersOptions } from '../../access/file/file-users.js';
import { IdentityCache } from '../../access/identity-cache.js';
import { SlowChecks } from '../../access/slow-checks.js';
import { passwordAuthenticatorContract, passwordOfContract } from '../contracts/authenticator.js';
import { until } from '../until.js';
import { type GivenCredentials, identityIn, mqttCredentials } from './credentials.js';

/** Users in a real file, which changes. */

interface OpenedFile {
  readonly users: FileUsers;
  readonly path: string;
  readonly troubles: string[];
  readonly reads: { users: number; clients: number }[];
  readonly cache: IdentityCache;
}

async function open(t: Test, text: string, options: Partial<FileUsersOptions> = {}): Promise<OpenedFile> {
  const path = options.path ?? join(t.testdir({ users: text }), 'users');
  const troubles: string[] = [];
  const reads: OpenedFile['reads'] = [];
  const cache = new IdentityCache({ bytesMax: 1_000_000, ageSec: 60 });
  const users = await FileUsers.open({
    path,
    bytesMax: 1_000_000,
    cache,
    slowChecks: new SlowChecks(),
    timeoutMs: Number.POSITIVE_INFINITY,
    onRead: (counts) => reads.push(counts),
    onTrouble: (error) => troubles.push((error as Error).message),
    lookEveryMs: 10,
    ...options,
  });
  t.teardown(() => users.stop());
  return { users, path, troubles, reads, cache };
}

function ask(users: FileUsers, credentials: GivenCredentials) {
  return users.authenticate(mqttCredentials(credentials));
}

const forms: [name: string, hash: string][] = [
  ['plain', `{plain}${passwordOfContract}`],
  ['sha256', `{sha256}${createHash('sha256').update(passwordOfContract).digest('hex')}`],
  ['bcrypt', hashSync(passwordOfContract, 4)],
];
for (const [name, hash] of forms) {
  passwordAuthenticatorContract(`a file, ${name}`, async () => {
    const opened = await open(t, `alice:${hash}\nallow subscribe user/%u/#`);
    return { authenticator: opened.users };
  });
}

t.test('client ids, with a password and without', async (t) => {
  const { users } = await open(
    t,
    `user alice {plain}secret
     client open
       allow publish device/%c
     client closed {plain}p`,
  );
  const outcome = async (credentials: Parameters<typeof ask>[1]) => (await ask(users, credentials)).outcome;
  const { userName, rules } = identityIn(await ask(users, { clientId: 'open', userName: 'anything' }));
  t.equal(userName, undefined, 'a client id proves no name');
  t.equal(rules.permissionOf(userName, 'open', 'publish', 'device/open'), 'allow');
  t.equal(rules.permissionOf(userName, 'open', 'publish', 'device/closed'), undefined);
  t.equal(await outcome({ clientId: 'closed', password: 'p' }), 'accepted');
  t.equal(
    identityIn(await ask(users, { clientId: 'closed', userName: 'x', password: 'p' })).userName,
    undefined,
  );
  t.equal(await outcome({ clientId: 'closed' }), 'refused');
  t.equal(await outcome({ clientId: 'closed', password: '' }), 'refused');
  t.equal(await outcome({ clientId: 'other' }), 'unknown');
  t.equal(await outcome({}), 'unknown');
  t.equal(await outcome({ clientId: 'open', userName: 'alice', password: 'secret' }), 'accepted');
  t.equal(
    await outcome({ clientId: 'open', userName: 'alice', password: 'wrong' }),
    'refused',
    'a name that is in the file is not let in by its client id',
  );
});

t.test('a changed file is read again: new users, new rules, and those that are gone are out', async (t) => {
  const slow = hashSync('secret', 4);
  const { users, path, reads, troubles } = await open(
    t,
    `deny all common\nuser alice ${slow}\n allow all a\nuser bob ${slow}`,
  );
  let changes = 0;
  users.watch(() => changes++);
  const alice = { userName: 'alice', password: 'secret' };
  const bob = { userName: 'bob', password: 'secret' };
  t.equal((await ask(users, alice)).outcome, 'accepted');
  t.equal((await ask(users, bob)).outcome, 'accepted');
  t.notOk(ask(users, bob) instanceof Promise, 'its check is in the cache');
  t.same(users.commonRules, [{ permission: 'deny', action: 'all', filter: 'common' }]);

  writeFileSync(path, `user alice ${slow}\n allow all b\nuser carol {plain}x`);
  await until('it is read', () => reads.length === 1);
  t.same(reads, [{ users: 2, clients: 0 }]);
  t.equal(changes, 1);
  t.same(users.commonRules, []);
  t.equal((await ask(users, bob)).outcome, 'unknown', 'in spite of the cache');
  t.equal((await ask(users, { userName: 'carol', password: 'x' })).outcome, 'accepted');
  const { rules } = identityIn(await ask(users, alice));
  t.equal(rules.permissionOf('alice', undefined, 'publish', 'a'), undefined);
  t.equal(rules.permissionOf('alice', undefined, 'publish', 'b'), 'allow');

  writeFileSync(path, `user alice ${hashSync('other', 4)}`);
  await until('it is read', () => reads.length === 2);
  t.equal((await ask(users, alice)).outcome, 'refused', 'the old password, in spite of the cache');
  t.same(troubles, []);
});

t.test('a bad file keeps the users before, and says so once', async (t) => {
  const { users, path, reads, troubles } = await open(t, 'alice:{plain}secret');
  const alice = { userName: 'alice', password: 'secret' };
  const bads: [text: string, message: RegExp][] = [
    ['bob:{plain}x\nnonsense\n', /line 2: It is none that is known/],
    [`bob:{plain}${'x'.repeat(1_000_000)}`, /it has 1000011 bytes, and at most 1000000 are read/],
  ];
  for (const [n, [text, message]] of bads.entries()) {
    writeFileSync(path, text);
    await until('it is told', () => troubles.length === n + 1);
    t.match(troubles[n], message);
    t.equal((await ask(users, alice)).outcome, 'accepted');
    t.equal((await ask(users, { userName: 'bob', password: 'x' })).outcome, 'unknown');
  }
  unlinkSync(path);
  await until('it is told', () => troubles.length === 3);
  t.match(troubles[2], /ENOENT/);
  mkdirSync(path);
  await until('it is told', () => troubles.length === 4);
  t.match(troubles[3], /it is no file/);
  t.equal((await ask(users, alice)).outcome, 'accepted');
  t.same(reads, []);
  rmSync(path, { recursive: true });
  writeFileSync(path, 'bob:{plain}x');
  await until('it is mended', () => reads.length === 1);
  t.equal((await ask(users, alice)).outcome, 'unknown');
  t.ok(troubles.length <= 5);
});

t.test('a file that is replaced by another one, and a link that is turned, as Kubernetes does', async (t) => {
  const directory = t.testdir({
    one: { users: 'a:{plain}x' },
    two: { users: 'b:{plain}x' },
    new: 'c:{plain}x',
  });
  symlinkSync('one', join(directory, 'data'));
  symlinkSync(join('data', 'users'), join(directory, 'link'));
  const { users, reads } = await open(t, '', { path: join(directory, 'link') });
  const knows = async (userName: string) =>
    (await ask(users, { userName, password: 'x' })).outcome === 'accepted';
  t.equal(await knows('a'), true);
  symlinkSync('two', join(directory, 'data.new'));
  renameSync(join(directory, 'data.new'), join(directory, 'data'));
  await until('it is read', () => reads.length === 1);
  t.equal(await knows('b'), true);
  t.equal(await knows('a'), false);
  renameSync(join(directory, 'new'), join(directory, 'two', 'users'));
  await until('it is read', () => reads.length === 2);
  t.equal(await knows('c'), true);
});

t.test('several changes within a moment are one, and no half of a file is read', async (t) => {
  const { users, path, reads, troubles } = await open(t, 'a:{plain}x', { lookEveryMs: 1_000 });
  for (let n = 0; n < 20; n++) {
    writeFileSync(path, n % 2 === 0 ? 'half of a li' : `b${n}:{plain}x`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until('it is read', () => reads.length > 0);
  t.equal((await ask(users, { userName: 'b19', password: 'x' })).outcome, 'accepted');
  t.equal(reads.length, 1);
  t.same(troubles, []);
});

/** Password checks that wait until the test lets them go on. */
class HeldChecks extends SlowChecks {
  release: () => void = () => undefined;
  readonly #released = new Promise<void>((resolve) => {
    this.release = resolve;
  });

  override async run(...args: Parameters<SlowChecks['run']>): Promise<boolean | undefined> {
    await this.#released;
    return super.run(...args);
  }
}

/** Counts the slow checks that are asked for. */
class CountedChecks extends SlowChecks {
  count = 0;

  override run(...args: Parameters<SlowChecks['run']>): Promise<boolean | undefined> {
    this.count++;
    return super.run(...args);
  }
}

t.test('a user that leaves the file while its password is compared is not let in', async (t) => {
  const slow = hashSync('secret', 4);
  const slowChecks = new HeldChecks();
  const { users, path, reads } = await open(t, `alice:${slow}\ncarol:${slow}`, { slowChecks });
  const both = ['alice', 'carol'].map((userName) => ask(users, { userName, password: 'secret' }));
  writeFileSync(path, `bob:${slow}\ncarol:${slow}\n superuser`);
  await until('it is read', () => reads.length === 1);
  slowChecks.release();
  t.equal((await both[0]!).outcome, 'refused');
  t.equal(identityIn(await both[1]!).isSuperuser, true, 'as the file has it now');
});

t.test('a name that is not in the file costs a check as well, where hashes are slow', async (t) => {
  const slowChecks = new CountedChecks();
  const text = `alice:${hashSync('secret', 4)}\nbob:{plain}x\nclient c`;
  const { users } = await open(t, text, { slowChecks });
  const checksOf = async (userName: string) => {
    const before = slowChecks.count;
    t.equal((await ask(users, { userName, password: 'secret' })).outcome, 'unknown');
    return slowChecks.count - before;
  };
  let asSlowAsAlice = 0;
  for (let n = 0; n < 64; n++) {
    const checks = await checksOf(`nobody ${n}`);
    t.equal(await checksOf(`nobody ${n}`), checks, 'the same each time, as for a name that there is');
    asSlowAsAlice += checks;
  }
  t.ok(asSlowAsAlice > 8 && asSlowAsAlice < 56, `${asSlowAsAlice} of 64 names`);
});

t.test('a file that cannot be used at the start is an error', async (t) => {
  await t.rejects(open(t, 'nonsense'), /line 1/);
  await t.rejects(open(t, '', { path: '/nowhere/users' }), { code: 'ENOENT' });
  await t.rejects(open(t, '', { path: '/dev/null' }), /it is no file/);
});
