import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readConfig } from '../../../gateway/config.js';

const secret = 'x'.repeat(32);

function problemOf(flags: Record<string, unknown>): string {
  try {
    readConfig({ flags });
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

t.test('settings of --auth that do not go together are refused with a sentence', async (t) => {
  const bad: [Record<string, unknown>, RegExp][] = [
    [{ auth: 'ldap' }, /--auth must be jwt and redis/],
    [{ auth: 'jwt,jwt', authJwtSecret: secret }, /--auth has jwt twice/],
    [{ auth: 'jwt' }, /--auth jwt needs a key/],
    [{ authJwtSecret: secret }, /--auth-jwt-secret is set, but no token is looked at: add --auth jwt/],
    [{ auth: 'jwt', authJwtSecret: 'x'.repeat(31) }, /has 31 characters: take at least 32/],
    [
      { auth: 'jwt', authJwtSecret: secret, authJwtKeyFile: '/x' },
      /--auth-jwt-secret and --auth-jwt-key-file are both/,
    ],
    [{ auth: 'jwt', authJwtJwks: 'ftp://x' }, /--auth-jwt-jwks must be a URL/],
    [{ auth: 'redis' }, /--auth redis needs to know where/],
    [{ authRedis: 'redis://h' }, /--auth-redis is set, but no user is looked for/],
    [
      { auth: 'redis', authRedis: 'redis://h', authRedisPasswordHash: 'sha1' },
      /--auth-redis-password-hash must be plain/,
    ],
    [
      { auth: 'redis', authRedis: 'redis://h', authRedisUserKey: 'users' },
      /--auth-redis-user-key must be a key with %u/,
    ],
    [{ aclRules: 'allow subscribe a/#/b' }, /--acl-rules has "allow subscribe a\/#\/b". In a topic filter/],
    [{ aclRules: 'permit subscribe a' }, /--acl-rules must be rules/],
    [{ aclNomatch: 'maybe' }, /--acl-nomatch must be one of deny, allow/],
  ];
  for (const [flags, sentence] of bad) t.match(problemOf(flags), sentence);
  t.notMatch(problemOf({ auth: 'jwt', authJwtSecret: 'the secret' }), /the secret/);
  t.notMatch(problemOf({ authRedis: 'redis://u:password@h' }), /password/);
});

t.test('good ones are read, and open a public address', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'encke-auth-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'secret');
  writeFileSync(file, `${secret}\n`);
  const rules = 'deny all secret/#;allow subscribe user/%u/#';
  const flags = { auth: 'jwt,redis', authJwtSecretFile: file, authRedis: 'redis://h', aclRules: rules };
  t.match(readConfig({ flags: { ...flags, host: '0.0.0.0', apiHost: '0.0.0.0' } }), {
    auth: ['jwt', 'redis'],
    authJwtSecret: secret,
    aclRules: rules.split(';'),
  });
});
