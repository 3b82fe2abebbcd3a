import { hasJoinedNames } from '../access/key-template.js';
import { problemOfRuleFilter, ruleOf } from '../access/rules.js';
import { accessSettings } from './access-settings.js';
import { flagOf } from './setting.js';
import type { Config } from './settings.js';

/** A secret is at least as long as the hash (RFC 7518 3.2). */
const secretLengthMin = 32;

interface DependentSettings {
  /** Undefined: any kind will do. */
  readonly kinds: readonly string[] | undefined;
  readonly keys: readonly (keyof typeof accessSettings)[];
  /** The part of the sentence that says what to do. */
  readonly because: string;
}

/** Settings that count for nothing without one of their kinds of --auth; limits, which do no harm, are not among them. */
const dependentSettings: readonly DependentSettings[] = [
  {
    kinds: ['jwt'],
    keys: ['authJwtIssuer', 'authJwtAudience', 'authJwtLeewaySec', 'authJwtUserClaim'],
    because: 'no token is looked at: add --auth jwt',
  },
  {
    kinds: ['jwt', 'http'],
    keys: ['authJwtCookie', 'authJwtQuery'],
    because: 'no token is looked at: add --auth jwt, or --auth http',
  },
  {
    kinds: ['redis'],
    keys: ['authRedisPasswordFile', 'authRedisUserKey', 'authRedisAclKey', 'authRedisPasswordHash'],
    because: 'no user is looked for in Redis: add --auth redis',
  },
  {
    kinds: ['http'],
    keys: ['authHttpTokenFile', 'authHttpTimeoutMs', 'authHttpConnectionsMax', 'authHttpUnavailable'],
    because: 'no service is asked: add --auth http',
  },
  {
    kinds: ['ldap'],
    keys: ['authLdapBindName', 'authLdapTimeoutMs', 'authLdapConnectionsMax'],
    because: 'no directory is asked: add --auth ldap',
  },
  {
    kinds: ['anonymous'],
    keys: ['aclRulesAnonymous'],
    because: 'nobody is let in without credentials: add --auth anonymous',
  },
  {
    kinds: ['certificate'],
    keys: ['authCertificateName'],
    because: 'no client certificate is looked at: add --auth certificate',
  },
  {
    kinds: undefined,
    keys: ['aclRules', 'aclNomatch'],
    because: 'without --auth no rule is looked at: add --auth',
  },
];

/** Parameters that streams, polls and refreshes have in their query. */
const parameters = new Set(['id', 'cursor', 'since', 'timeout', 'lastEventId', 'last-event-id', 'stream']);
const jwtKeys = ['authJwtSecret', 'authJwtKeyFile', 'authJwtJwks'] as const;

/** Settings of --auth that do not go together. @returns what is wrong, as a sentence that says how to mend it */
export function inconsistencyOfAccess(config: Config): string | undefined {
  return (
    givenTwice(config) ??
    jwtWithoutKey(config) ??
    withoutPlace(config, 'redis') ??
    withoutPlace(config, 'file') ??
    withoutPlace(config, 'http') ??
    badHookUrl(config) ??
    withoutPlace(config, 'ldap') ??
    ldapWithoutBindName(config) ??
    badLdapUrl(config) ??
    ldapMisplaced(config) ??
    anonymousMisplaced(config) ??
    badRule(config) ??
    unusedSetting(config) ??
    badKeySetUrl(config) ??
    parameterTaken(config) ??
    unprovedKey(config) ??
    joinedNames(config)
  );
}

function givenTwice({ auth }: Config): string | undefined {
  const twice = auth.find((kind, index) => auth.indexOf(kind) !== index);
  return twice === undefined ? undefined : `--auth has ${twice} twice: name it once.`;
}

function jwtWithoutKey(config: Config): string | undefined {
  const given = jwtKeys.filter((key) => config[key] !== '').map(flagOf);
  if (given.length > 1)
    return `${given.join(' and ')} are both set: tokens have one kind of key, leave one out.`;
  const { length } = config.authJwtSecret;
  if (length > 0 && length < secretLengthMin)
    return `--auth-jwt-secret has ${length} characters: take at least ${secretLengthMin}, as HS256 wants them.`;
  const isUsed = config.auth.includes('jwt');
  if (isUsed && given.length === 0)
    return `--auth jwt needs a key to check tokens with: set ${jwtKeys.map(flagOf).join(', ')}.`;
  if (!isUsed && given.length === 1)
    return `${given[0]} is set, but no token is looked at: add --auth jwt, or leave it out.`;
  return undefined;
}

/** Each of these kinds of --auth needs one setting, which says where the users are and counts for nothing without it. */
const placesOfUsers = {
  redis: {
    key: 'authRedis',
    missing: 'where the users are: set --auth-redis to a URL such as redis://127.0.0.1:6379.',
    because: 'no user is looked for there',
  },
  file: {
    key: 'authFile',
    missing: 'where the users are: set --auth-file to the path of a file.',
    because: 'no user is looked for there',
  },
  http: {
    key: 'authHttp',
    missing: 'whom to ask: set --auth-http to the URL of your service.',
    because: 'no service is asked',
  },
  ldap: {
    key: 'authLdap',
    missing: 'which directory: set --auth-ldap to a URL such as ldaps://ldap.example.com.',
    because: 'no directory is asked',
  },
} as const;

function withoutPlace(config: Config, kind: keyof typeof placesOfUsers): string | undefined {
  const { key, missing, because } = placesOfUsers[kind];
  const isGiven = config[key] !== '';
  if (config.auth.includes(kind) === isGiven) return undefined;
  return isGiven
    ? `${flagOf(key)} is set, but ${because}: add --auth ${kind}, or leave it out.`
    : `--auth ${kind} needs to know ${missing}`;
}

/** The sentence does not have the URL, as there may be a secret in it. */
function badHookUrl({ authHttp }: Config): string | undefined {
  if (authHttp === '') return undefined;
  if (!URL.canParse(authHttp))
    return '--auth-http is no URL: give one such as https://example.com/encke/connect.';
  const { username, password, search, hash } = new URL(authHttp);
  if (username + password + search + hash === '') return undefined;
  return '--auth-http has more than an address and a path in it, and URLs end up in logs: put the secret of the service into a file, and name it in --auth-http-token-file.';
}

function ldapWithoutBindName({ auth, authLdapBindName }: Config): string | undefined {
  if (!auth.includes('ldap') || authLdapBindName !== '') return undefined;
  return '--auth ldap needs to know what names of users look like: set --auth-ldap-bind-name to one such as uid=%u,ou=people,dc=example,dc=com.';
}

/** The sentence does not have the URL, as there may be a password in it. */
function badLdapUrl({ authLdap }: Config): string | undefined {
  if (authLdap === '') return undefined;
  if (!URL.canParse(authLdap)) return '--auth-ldap is no URL: give one such as ldaps://ldap.example.com.';
  const { username, password, pathname, search, hash } = new URL(authLdap);
  if (username + password + pathname.replace(/^\/$/, '') + search + hash === '') return undefined;
  return '--auth-ldap has more than a host and a port in it: users bind with their own passwords, and what their names look like is said in --auth-ldap-bind-name.';
}

/** LDAP says the same of a user that there is not as of a wrong password, so none but anonymous could be asked behind it. */
function ldapMisplaced({ auth }: Config): string | undefined {
  const behind = auth.slice(auth.indexOf('ldap') + 1).find((kind) => kind !== 'anonymous');
  if (!auth.includes('ldap') || behind === undefined) return undefined;
  return `--auth has ldap before ${behind}, and a directory does not say which users it knows, so that ${behind} would never be asked for a password: put ldap behind it.`;
}

function anonymousMisplaced({ auth, aclNomatch }: Config): string | undefined {
  if (!auth.includes('anonymous')) return undefined;
  if (auth.at(-1) !== 'anonymous')
    return '--auth has anonymous before others, and a client id of --auth file would never be looked for: put it last.';
  if (aclNomatch === 'deny') return undefined;
  return '--auth anonymous with --acl-nomatch allow lets anybody do what no rule is about: leave --acl-nomatch out, and say in --acl-rules-anonymous what clients without credentials may do.';
}

/** An operator who has set one believes that it protects something. */
function unusedSetting(config: Config): string | undefined {
  for (const { kinds, keys, because } of dependentSettings) {
    const isUsed = kinds?.some((kind) => config.auth.includes(kind)) ?? config.auth.length > 0;
    if (isUsed) continue;
    const key = keys.find((key) => String(config[key]) !== String(accessSettings[key].default));
    if (key !== undefined) return `${flagOf(key)} is set, but ${because}, or leave it out.`;
  }
  return undefined;
}

/** The sentence does not have the URL, as there is a password in it. */
function badKeySetUrl({ authJwtJwks }: Config): string | undefined {
  if (authJwtJwks === '') return undefined;
  if (!URL.canParse(authJwtJwks))
    return '--auth-jwt-jwks is no URL: give one such as https://example.com/.well-known/jwks.json.';
  const { username, password } = new URL(authJwtJwks);
  if (username === '' && password === '') return undefined;
  return '--auth-jwt-jwks has a user name or a password in it, and a key set is fetched without: give its URL alone.';
}

function parameterTaken({ authJwtQuery }: Config): string | undefined {
  if (!parameters.has(authJwtQuery)) return undefined;
  return `--auth-jwt-query ${authJwtQuery} is a parameter of streams already: take another name, such as access_token.`;
}

/** Else a client would choose whose rules it has. */
function unprovedKey({ authRedisUserKey: userKey, authRedisAclKey: aclKey }: Config): string | undefined {
  const name = ['%u', '%c'].find((part) => aclKey.includes(part) && !userKey.includes(part));
  if (name === undefined) return undefined;
  return `--auth-redis-acl-key ${aclKey} has ${name}, and --auth-redis-user-key ${userKey} has not: a client could give any ${name === '%u' ? 'user name' : 'client id'} and have the rules of another. Put ${name} into both, or into none.`;
}

/** Else `ab` with client id `c` would be `a` with `bc`. */
function joinedNames({ authRedisUserKey, authRedisAclKey }: Config): string | undefined {
  const key = [authRedisUserKey, authRedisAclKey].find(hasJoinedNames);
  if (key === undefined) return undefined;
  return `${key} has nothing between %u and %c, so that several users would have one key: put a separator there, such as %u:%c.`;
}

function badRule(config: Config): string | undefined {
  for (const key of ['aclRules', 'aclRulesAnonymous'] as const) {
    for (const text of config[key]) {
      const problem = problemOfRuleFilter(ruleOf(text).filter);
      if (problem !== undefined) return `${flagOf(key)} has "${text}". ${problem}`;
    }
  }
  return undefined;
}
