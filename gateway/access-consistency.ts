import { problemOfRuleFilter, ruleOf } from '../access/rules.js';
import { flagOf } from './setting.js';
import type { Config } from './settings.js';

/** A secret is at least as long as the hash (RFC 7518 3.2). */
const secretLengthMin = 32;
const jwtKeys = ['authJwtSecret', 'authJwtKeyFile', 'authJwtJwks'] as const;

/** Settings of --auth that do not go together. @returns what is wrong, as a sentence that says how to mend it */
export function inconsistencyOfAccess(config: Config): string | undefined {
  return givenTwice(config) ?? jwtWithoutKey(config) ?? redisWithoutUrl(config) ?? badRule(config);
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

function redisWithoutUrl({ auth, authRedis }: Config): string | undefined {
  if (auth.includes('redis') === (authRedis !== '')) return undefined;
  return authRedis === ''
    ? '--auth redis needs to know where the users are: set --auth-redis to a URL such as redis://127.0.0.1:6379.'
    : '--auth-redis is set, but no user is looked for there: add --auth redis, or leave it out.';
}

function badRule({ aclRules }: Config): string | undefined {
  for (const text of aclRules) {
    const problem = problemOfRuleFilter(ruleOf(text).filter);
    if (problem !== undefined) return `--acl-rules has "${text}". ${problem}`;
  }
  return undefined;
}
