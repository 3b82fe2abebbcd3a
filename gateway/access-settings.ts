import { passwordHashShape } from '../access/password-hash.js';
import { redisUrlShape } from '../redis-access/addresses.js';
import { listOf, mebibyte, oneOf, type Setting, setting, text, wholeNumber } from './setting.js';

const ruleList = listOf(
  'rules "<allow|deny> <publish|subscribe|all> <filter>", separated by ;',
  /^(?:allow|deny) (?:publish|subscribe|all) \S+$/,
  ';',
);

/** Settings of who may connect, read and publish. */
export const accessSettings = {
  auth: setting(
    listOf(
      'some of jwt, redis, file, http, ldap, certificate and anonymous, comma-separated',
      /^(?:jwt|redis|file|http|ldap|certificate|anonymous)$/,
    ),
    [],
    'how clients and senders show who they are, in the order in which it is tried: jwt = tokens, redis = users in Redis, file = users in a file, http = your own service is asked, ldap = users of a directory, certificate = the name in a client certificate, anonymous = clients without credentials; none: all may read, and --api-token and --mqtt-token say who sends',
  ),
  authJwtSecret: {
    ...setting(
      text('at least 32 printable characters without spaces', /^$|^[\x21-\x7e]{16,}$/),
      '',
      'shared secret of tokens with HS256, HS384 (from 48 characters) or HS512 (from 64)',
    ),
    secret: true,
  },
  authJwtSecretFile: setting(
    text('the path of a file'),
    '',
    'file that holds the secret of --auth-jwt-secret, which anybody on the machine could read in the list of processes',
  ),
  authJwtKeyFile: setting(
    text('the path of a file'),
    '',
    'file with the public key or certificate of tokens in PEM, or with a key set (JWKS) in JSON',
  ),
  authJwtJwks: {
    ...setting(
      text('a URL such as https://example.com/.well-known/jwks.json', /^$|^https?:\/\/\S+$/),
      '',
      'where the key set of tokens is; fetched anew every 10 minutes, and for a key that is not in it',
    ),
    secret: true, // a password that somebody puts into it is refused, and not shown
  },
  authJwtIssuer: setting(
    listOf('names, comma-separated', /\S/),
    [],
    'claim iss of tokens that are taken; none: any',
  ),
  authJwtAudience: setting(
    listOf('names, comma-separated', /\S/),
    [],
    'claim aud of tokens that are taken, one of them; none: any',
  ),
  authJwtLeewaySec: setting(
    wholeNumber(0, 3600),
    5,
    'by how much the clock of the issuer of tokens may be wrong, seconds',
  ),
  authJwtUserClaim: setting(
    text('the name of a claim', /\S/),
    'sub',
    'claim of a token that has the user name',
  ),
  authJwtCookie: setting(
    text('the name of a cookie', /^[\w!#$%&'*+.^`|~-]*$/),
    '',
    'cookie that may hold the token of an HTTP request that has no Authorization, or of a WebSocket whose CONNECT has no password; none: no cookie is read',
  ),
  authJwtQuery: setting(
    text('the name of a parameter', /^[\w-]*$/),
    '',
    'parameter of the query that may hold the token of a stream, a poll or a WebSocket, for clients that can give it in no other way; addresses end up in logs of proxies; none: none is read',
  ),
  authRedis: {
    ...setting(
      text('a URL such as redis://127.0.0.1:6379', new RegExp(`^$|${redisUrlShape.source}`)),
      '',
      'Redis server with the users of --auth redis; certificates are those of --redis',
    ),
    secret: true, // the password
  },
  authRedisPasswordFile: setting(
    text('the path of a file'),
    '',
    'file that holds the password of the server of --auth-redis, for a URL without one',
  ),
  authRedisUserKey: setting(
    text('a key with %u or %c', /%[uc]/),
    'mqtt_user:%u',
    'key of the hash with the fields password, salt and is_superuser of a user; %u user name, %c client id; without %u users have no name',
  ),
  authRedisAclKey: setting(
    text('a key with %u or %c', /%[uc]/),
    'mqtt_acl:%u',
    'key of the hash with the rules of a user, with no name that the user key has not: field = topic filter, value 1 = subscribe, 2 = publish, 3 = both',
  ),
  authRedisPasswordHash: setting(
    text(
      'plain, md5, sha256, bcrypt, salt,sha256 or sha256,salt (the order of both; md5 too), or pbkdf2,<sha1|sha256|sha512>,<iterations>,<bytes>',
      passwordHashShape,
    ),
    'plain',
    'how passwords are stored',
  ),
  authFile: setting(
    text('the path of a file'),
    '',
    'file with the users of --auth file, their client ids and rules; read again when it changes',
  ),
  authFileBytesMax: setting(
    wholeNumber(1024, 1024 * mebibyte),
    16 * mebibyte,
    'longest file of users, bytes: 100,000 users are 7 to 15 MB, and take up to 4 times as much memory. A longer one is not read',
  ),
  authHttp: {
    ...setting(
      text('a URL such as https://example.com/encke/connect', /^$|^https?:\/\/\S+$/),
      '',
      'your own service, which --auth http asks with a POST for each connection',
    ),
    secret: true, // a password that somebody puts into it is refused, and not shown
  },
  authHttpTokenFile: setting(
    text('the path of a file'),
    '',
    'file with a token that the service of --auth-http gets as "Authorization: Bearer"',
  ),
  authHttpTimeoutMs: setting(
    wholeNumber(100, 7_000),
    3_000,
    'how long the service of --auth-http has for an answer, ms; less than --auth-timeout-ms, so that clients are told the reason',
  ),
  authHttpConnectionsMax: setting(
    wholeNumber(1, 1_024),
    32,
    'connections to the service of --auth-http, so many requests at once; others wait',
  ),
  authHttpUnavailable: setting(
    oneOf(['deny', 'allow']),
    'deny',
    'what becomes of new clients while the service of --auth-http cannot be asked; allow = they are let in without a name, and may do what --acl-rules allow to all',
  ),
  authLdap: {
    ...setting(
      text('a URL such as ldaps://ldap.example.com', /^$|^ldaps?:\/\/\S+$/),
      '',
      'directory whose users --auth ldap lets in: OpenLDAP, Active Directory',
    ),
    secret: true, // a password that somebody puts into it is refused, and not shown
  },
  authLdapBindName: setting(
    text('a name with %u, such as uid=%u,ou=people,dc=example,dc=com', /^$|%u/),
    '',
    'name of a user in the directory, with %u for the user name: uid=%u,ou=people,dc=example,dc=com, or %u@example.com in an Active Directory',
  ),
  authLdapTimeoutMs: setting(
    wholeNumber(100, 7_000),
    3_000,
    'how long the directory has for an answer, ms; less than --auth-timeout-ms, so that clients are told the reason',
  ),
  authLdapConnectionsMax: setting(
    wholeNumber(1, 1_024),
    8,
    'connections to the directory, so many passwords at once; others wait',
  ),
  authCertificateName: setting(
    oneOf(['cn', 'san']),
    'cn',
    'user name of --auth certificate: cn = the common name, san = the first alternative name',
  ),
  authCacheSec: setting(
    wholeNumber(0, 86_400),
    60,
    'how long credentials that were good are good without being checked again, seconds; so long a password that was changed still lets in; 0 = each is checked',
  ),
  authCacheBytesTotalMax: setting(
    wholeNumber(64 * 1024, 1024 * 1024 * mebibyte),
    32 * mebibyte,
    'most bytes of credentials that are kept as good; the ones used longest ago go first',
  ),
  // Long enough for a client that fetches a token over a slow line, and for 100,000 that are told 2,000 a second.
  authExpiryNoticeSec: setting(
    wholeNumber(0, 86_400),
    60,
    'how long before its credentials end a stream says so, seconds, so that its client can refresh them; at half of their time where they are shorter than twice this; 0 = it is not said',
  ),
  aclRules: setting(
    ruleList,
    [],
    'rules that hold for every user: deny rules come before those of the user, allow rules behind them; %u user name, %c client id: "deny all secret/#;allow all user/%u/#"',
  ),
  aclRulesAnonymous: setting(
    ruleList,
    [],
    'rules of the clients that --auth anonymous lets in, in order, between the deny rules and the allow rules of --acl-rules: "allow subscribe public/#"',
  ),
  aclNomatch: setting(
    oneOf(['deny', 'allow']),
    'deny',
    'what becomes of a publish or a subscription that no rule is about; it counts only where --auth is set',
  ),
  // uWebSockets.js cuts a request whose body does not go on after 8 to 12 s.
  authTimeoutMs: setting(
    wholeNumber(100, 7_000),
    5_000,
    'how long a CONNECT, a stream, a poll or a send waits for the check of its credentials, ms. Past it: 503, CONNACK 3',
  ),
  authPendingMax: setting(
    wholeNumber(1, 1_000_000),
    10_000,
    'clients that wait for the check of their credentials. Past it: 503, CONNACK 3',
  ),
  authPendingBytesTotalMax: setting(
    wholeNumber(64 * 1024, 1024 * 1024 * mebibyte),
    16 * mebibyte,
    'most bytes of requests that wait for the check of their credentials, and of what follows them, all together. Past it: 503',
  ),
} satisfies Record<string, Setting>;
