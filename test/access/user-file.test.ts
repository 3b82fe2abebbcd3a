import { spawnSync } from 'node:child_process';
import { createHash, pbkdf2Sync } from 'node:crypto';
import { hashSync } from 'bcrypt';
import t from 'tap';
import { passwordInFileOf } from '../../access/file/password-in-file.js';
import { parseUserFile, UserFileError } from '../../access/file/user-file.js';

/** The text of a file of users: who is in it, and what is wrong with it. */

const parse = (text: string) => parseUserFile(Buffer.from(text));

t.test('users, client ids, superusers and rules', async (t) => {
  const { users, clients, commonRules } = await parse(`\ufeff# all
    deny all secret/#
    allow subscribe public/a b/#

    user alice {plain}secret
      allow subscribe user/%u/#
      deny publish user/%u/in
      allow publish user/%u/+
    user "bob b" {plain}x y\r
      superuser
    carol:{plain}pw:with:colons
    client aa:bb:cc
      allow publish device/%c
    client "d \\"2\\"" {plain}p
    # end`);
  t.same([...users.keys()], ['alice', 'bob b', 'carol']);
  t.same([...clients.keys()], ['aa:bb:cc', 'd "2"']);
  t.same(commonRules, [
    { permission: 'deny', action: 'all', filter: 'secret/#' },
    { permission: 'allow', action: 'subscribe', filter: 'public/a b/#' },
  ]);
  const { rules } = users.get('alice')!;
  const may = (action: 'publish' | 'subscribe', topic: string) =>
    rules.permissionOf('alice', 'c', action, topic);
  t.equal(may('subscribe', 'user/alice/#'), 'allow');
  t.equal(may('publish', 'user/alice/in'), 'deny', 'the first that is about it');
  t.equal(may('publish', 'user/alice/out'), 'allow');
  t.equal(users.get('bob b')!.isSuperuser, true);
  t.equal(users.get('bob b')!.password, '{plain}x y');
  t.equal(users.get('carol')!.password, '{plain}pw:with:colons');
  t.equal(clients.get('aa:bb:cc')!.password, '');
  t.equal(clients.get('d "2"')!.password, '{plain}p');
  t.equal(
    clients.get('aa:bb:cc')!.rules.permissionOf(undefined, 'aa:bb:cc', 'publish', 'device/aa:bb:cc'),
    'allow',
  );
  t.same([...(await parse('')).users], []);
});

t.test('equal rules are one object', async (t) => {
  const { users } = await parse(
    'user a {plain}x\nallow all user/%u\nuser b {plain}x\nallow all user/%u\nuser c {plain}x\nallow all other',
  );
  t.equal(users.get('a')!.rules, users.get('b')!.rules);
  t.not(users.get('a')!.rules, users.get('c')!.rules);
});

t.test('what is wrong is said with its line and a remedy, and without the password', async (t) => {
  const bad: [text: string, message: RegExp][] = [
    ['user alice', /^line 1: User "alice" has no password: write its hash behind the name/],
    ['\n\nusr alice hidden', /^line 3: It is none that is known: write "user <name> <password hash>"/],
    ['user alice hidden', /^line 1: user "alice": Its password is in no form that is known: .*htpasswd -nB/],
    ['alice:hidden', /no form that is known/],
    ['alice:', /has no password/],
    ['alice:{SHA}hidden', /no form that is known/],
    ['alice:$apr1$hidden$hidden', /no form that is known/],
    ['user alice {sha256}hidden', /A hash of \{sha256\} has 64 hexadecimal digits/],
    ['user alice {salt,sha256}abc', /wants "<salt>\$<hash>"/],
    [`user alice {md5}a$${'0'.repeat(32)}`, /has no salt/],
    ['user alice {plain}', /password is empty/],
    [`user alice $2b$31$${'x'.repeat(53)}`, /cost of 31: make it with one from 4 to 16/],
    ['user "alice {plain}x', /Behind "user" is a name, in double quotes/],
    ['user "" {plain}x', /A name has 1 to/],
    ['user "a\\u0000" {plain}x', /no NUL/],
    ['client', /Behind "client" is a name/],
    ['superuser', /stands below the user/],
    ['client c\nsuperuser', /^line 2: "superuser" is for those that have a password/],
    ['allow', /A rule says "allow publish"/],
    ['deny read a', /A rule says "deny publish"/],
    ['allow all a/#/b', /# is the whole last level/],
    ['user a {plain}x\nuser a {plain}y', /^line 2: user "a" is in the file already/],
    ['a:{plain}x\nuser a {plain}y', /^line 2: user "a" is in the file already/],
    ['client a\nclient a {plain}y', /^line 2: client "a" is in the file already/],
    [`user a {plain}x\n${'allow all b\n'.repeat(1001)}`, /^line 1002: A user has at most 1000 rules/],
  ];
  for (const [text, message] of bad) {
    const error = await parse(text).catch((caught: unknown) => caught);
    t.ok(error instanceof UserFileError, text);
    t.match((error as Error).message, message);
    t.notMatch((error as Error).message, /hidden/);
  }
  await t.rejects(parseUserFile(Buffer.from([0x61, 0xff])), /not UTF-8/);
});

const password = 'pa:ss wörd';
const hex = (digest: string, text: string) => createHash(digest).update(text).digest('hex');

t.test('forms of passwords, from here and of other tools', async (t) => {
  const forms: [text: string, isSlow: boolean][] = [
    [`{plain}${password}`, false],
    [`{md5}${hex('md5', password)}`, false],
    [`{sha256}${hex('sha256', password).toUpperCase()}`, false],
    [`{salt,sha256}Na$Cl$${hex('sha256', `Na$Cl${password}`)}`, false],
    [`{sha256,salt}NaCl$${hex('sha256', `${password}NaCl`)}`, false],
    [`{pbkdf2,sha256,1000,20}NaCl$${pbkdf2Sync(password, 'NaCl', 1000, 20, 'sha256').toString('hex')}`, true],
    [hashSync(password, 4), true],
    [`{bcrypt}${hashSync(password, 4)}`, true],
    [mosquittoLines.sha512, false],
    [mosquittoLines.pbkdf2, true],
    ...htpasswdForms(),
  ];
  for (const [text, isSlow] of forms) {
    const stored = passwordInFileOf(text);
    if (typeof stored === 'string') throw new Error(`${text}: ${stored}`);
    const matches = (given: string) => stored.check.matches(Buffer.from(given), stored.stored, stored.salt);
    t.equal(stored.check.isSlow, isSlow, text);
    t.equal(await matches(password), true, text);
    for (const wrong of ['', 'wrong', `${password}x`])
      t.equal(await matches(wrong), false, `${text}: ${wrong}`);
  }
});

/** Lines that mosquitto_passwd 2.0.11 has written for the password above. */
const mosquittoLines = {
  sha512:
    '$6$W98B7sqNJh0ZeKek$k5ShBPUUqPEkleahyIVmp6AT5+YCYI127InwGkfCVDJsU182lhQ2e/YOVwwFrirCCEg3zFVGv1GJnzD0ucHypw==',
  pbkdf2:
    '$7$101$gz835bSVFwJFA+Mh$rxG7/OIylqrTZcPCHGLijVeC7Godgi+1M5zmg7tNCnTUcyaeFHSB+Jw90I+7OwufrNlol6xW/YBTqaKBW6+uPA==',
} as const;

/** The real tool, where it is there; a line of it where it is not. */
function htpasswdForms(): [string, boolean][] {
  const made = spawnSync('htpasswd', ['-nbB', '-C', '5', 'alice', password], { encoding: 'utf8' });
  const line =
    made.status === 0
      ? made.stdout.trim()
      : 'alice:$2y$05$G2HRCpXPsxqxO7YY/UWGNuItCiZSqU7miOaXBMZLWtZbvFcEu1TE6';
  return [[line.slice(line.indexOf(':') + 1), true]];
}

t.test('100,000 users are read in slices', async (t) => {
  const hash = hashSync('x', 4);
  const lines = Array.from({ length: 100_000 }, (_, n) => `user user${n} ${hash}\n  allow all user/%u/#\n`);
  const bytes = Buffer.from(lines.join(''));
  let turns = 0;
  let isReading = true;
  const count = () => {
    turns++;
    if (isReading) setImmediate(count);
  };
  setImmediate(count);
  const { users } = await parseUserFile(bytes);
  isReading = false;
  t.equal(users.size, 100_000);
  t.ok(turns > 10, `${turns} turns of the loop meanwhile`);
});
