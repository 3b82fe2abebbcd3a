import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readConfig } from '../../../gateway/config.js';

const secret = 'x'.repeat(32);
const ofJwt = { auth: 'jwt', authJwtSecret: secret };
const ofLdap = { auth: 'ldap', authLdap: 'ldap://h', authLdapBindName: 'uid=%u' };
const ofRedis = { auth: 'redis', authRedis: 'redis://h' };

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
    [{ auth: 'kerberos' }, /--auth must be some of jwt, redis/],
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
    [{ auth: 'anonymous,jwt', authJwtSecret: secret }, /--auth has anonymous before others/],
    [{ auth: 'anonymous', aclNomatch: 'allow' }, /--auth anonymous with --acl-nomatch allow/],
    [{ ...ofJwt, aclRulesAnonymous: 'allow all a' }, /--acl-rules-anonymous is set, but nobody is let in/],
    [{ auth: 'anonymous', aclRulesAnonymous: 'allow all a#' }, /--acl-rules-anonymous has "allow all a#"/],
    [{ auth: 'ldap' }, /--auth ldap needs to know which directory/],
    [{ auth: 'ldap', authLdap: 'ldap://h' }, /--auth-ldap-bind-name to one such as uid=%u/],
    [{ ...ofLdap, authLdapBindName: 'uid=alice' }, /--auth-ldap-bind-name must be a name with %u/],
    [{ authLdap: 'ldap://h' }, /--auth-ldap is set, but no directory is asked/],
    [{ ...ofJwt, authLdapBindName: '%u' }, /--auth-ldap-bind-name is set, but no directory is asked/],
    [{ ...ofLdap, authLdap: 'http://h' }, /--auth-ldap must be a URL such as ldaps/],
    [{ ...ofLdap, authLdap: 'ldap://me:hidden@h' }, /--auth-ldap has more than a host and a port/],
    [{ ...ofLdap, authLdap: 'ldap://h/dc=example' }, /--auth-ldap has more than a host and a port/],
    [
      { ...ofLdap, auth: 'ldap,jwt', authJwtSecret: secret },
      /--auth has ldap before jwt.*put ldap behind it/,
    ],
    [{ auth: 'http' }, /--auth http needs to know whom to ask/],
    [{ authHttp: 'http://h/x' }, /--auth-http is set, but no service is asked/],
    [{ auth: 'http', authHttp: 'ftp://h/x' }, /--auth-http must be a URL/],
    [{ auth: 'http', authHttp: 'http://:99999/x' }, /--auth-http is no URL/],
    [{ auth: 'http', authHttp: 'http://me:hidden@h/x' }, /--auth-http has more than an address and a path/],
    [{ auth: 'http', authHttp: 'http://h/x?key=hidden' }, /--auth-http-token-file/],
    [{ ...ofJwt, authHttpUnavailable: 'allow' }, /--auth-http-unavailable is set, but no service is asked/],
    [{ ...ofJwt, authHttpTimeoutMs: '1000' }, /--auth-http-timeout-ms is set, but no service is asked/],
    [{ auth: 'file' }, /--auth file needs to know where/],
    [{ authFile: '/x' }, /--auth-file is set, but no user is looked for there/],
    [{ aclRules: 'allow subscribe a/#/b' }, /--acl-rules has "allow subscribe a\/#\/b". In a topic filter/],
    [{ aclRules: 'permit subscribe a' }, /--acl-rules must be rules/],
    [{ aclNomatch: 'maybe' }, /--acl-nomatch must be one of deny, allow/],
    [{ aclRules: 'deny all secret/#' }, /--acl-rules is set, but .* add --auth, or leave it out/],
    [{ aclNomatch: 'allow' }, /--acl-nomatch is set, but .* add --auth, or leave it out/],
    [{ ...ofRedis, authJwtIssuer: 'us' }, /--auth-jwt-issuer is set, but no token is looked at/],
    [{ ...ofRedis, authJwtAudience: 'encke' }, /--auth-jwt-audience is set, but no token/],
    [{ ...ofRedis, authJwtCookie: 'session' }, /--auth-jwt-cookie is set, but no token/],
    [{ ...ofRedis, authJwtUserClaim: 'email' }, /--auth-jwt-user-claim is set, but no token/],
    [{ authJwtLeewaySec: '0' }, /--auth-jwt-leeway-sec is set, but no token/],
    [
      { ...ofJwt, authRedisPasswordFile: '/x' },
      /--auth-redis-password-file is set, but no user is looked for/,
    ],
    [{ ...ofRedis, authRedisUserKey: 'u%u%c' }, /u%u%c has nothing between %u and %c/],
    [{ ...ofJwt, authRedisUserKey: 'u:%u' }, /--auth-redis-user-key is set, but no user/],
    [{ ...ofJwt, authRedisAclKey: 'a:%u' }, /--auth-redis-acl-key is set, but no user/],
    [{ authRedisPasswordHash: 'bcrypt' }, /--auth-redis-password-hash is set, but no user/],
    [
      { ...ofRedis, authRedisAclKey: 'acl:%c' },
      /--auth-redis-acl-key acl:%c has %c, and --auth-redis-user-key mqtt_user:%u has not/,
    ],
    [{ ...ofRedis, authRedisUserKey: 'u:%c' }, /--auth-redis-acl-key mqtt_acl:%u has %u, and/],
    [
      { auth: 'jwt', authJwtJwks: 'https://me:hidden@h/jwks.json' },
      /--auth-jwt-jwks has a user name or a password in it/,
    ],
    [{ auth: 'jwt', authJwtJwks: 'https://:99999/x' }, /--auth-jwt-jwks is no URL/],
  ];
  for (const [flags, sentence] of bad) t.match(problemOf(flags), sentence);
  t.notMatch(problemOf({ auth: 'jwt', authJwtSecret: 'the secret' }), /the secret/);
  t.notMatch(problemOf({ authRedis: 'redis://u:password@h' }), /password/);
  t.notMatch(problemOf({ auth: 'jwt', authJwtJwks: 'https://me:hidden@h/jwks.json' }), /hidden/);
  t.notMatch(problemOf({ auth: 'jwt', authJwtJwks: 'https://me:hidden @h/jwks.json' }), /hidden/);
  t.notMatch(problemOf({ ...ofLdap, authLdap: 'ldap://me:hidden@h' }), /hidden/);
  t.notMatch(problemOf({ auth: 'http', authHttp: 'http://me:hidden@h/x' }), /hidden/);
  t.notMatch(problemOf({ auth: 'http', authHttp: 'http://h/x?key=hidden' }), /hidden/);
  t.notMatch(problemOf({ auth: 'http', authHttp: 'http://h/ hidden' }), /hidden/);
  for (const flags of [
    ofLdap,
    { ...ofLdap, auth: 'jwt,ldap,anonymous', authJwtSecret: secret },
    { ...ofRedis, authRedisUserKey: 'u:%c', authRedisAclKey: 'a:%c' },
    { ...ofRedis, authRedisUserKey: 'u:%u:%c', authRedisAclKey: 'a:%c' },
  ])
    t.equal(problemOf(flags), '');
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
