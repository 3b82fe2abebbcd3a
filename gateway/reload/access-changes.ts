import type { Config, SettingKey } from '../settings.js';
import type { SettingChanges } from './setting-changes.js';

/** Settings from which authenticators are made. */
const authenticatorKeys: readonly SettingKey[] = [
  'auth',
  'authJwtSecret',
  'authJwtKeyFile',
  'authJwtJwks',
  'authJwtIssuer',
  'authJwtAudience',
  'authJwtLeewaySec',
  'authJwtUserClaim',
  'authRedis',
  'authRedisPasswordFile',
  'authRedisUserKey',
  'authRedisAclKey',
  'authRedisPasswordHash',
  'authFile',
  'authFileBytesMax',
  'authHttp',
  'authHttpTokenFile',
  'authHttpTimeoutMs',
  'authHttpConnectionsMax',
  'authHttpUnavailable',
  'authLdap',
  'authLdapBindName',
  'authLdapTimeoutMs',
  'authLdapConnectionsMax',
  'authCacheSec',
  'authCacheBytesTotalMax',
  'aclRulesAnonymous',
];

const otherKeys: readonly SettingKey[] = ['apiToken', 'adminToken', 'mqttToken', 'aclRules', 'aclNomatch'];

/** A reload can neither add nor remove these: listeners ask for certificates, and failed logins count by LDAP's names. */
const settledAtStart = ['certificate', 'ldap'] as const;

/**
 * Has tokens, users and rules change while the process runs. Whether anybody is asked for credentials at all is settled at
 * the start, as nothing is kept for connections where nobody is.
 * @param prepare makes new authenticators where theirs have changed, and returns a function that takes everything
 */
export function onAccessChanges(
  changes: SettingChanges,
  config: Config,
  prepare: (next: Config, areAuthenticatorsNew: boolean) => Promise<() => void>,
): void {
  changes.on(
    [...authenticatorKeys, ...otherKeys],
    (next, changed) =>
      prepare(
        next,
        changed.some((key) => authenticatorKeys.includes(key)),
      ),
    (key, next) => {
      const areSome = config.auth.length > 0;
      if (key === 'auth')
        return (
          next.auth.length > 0 === areSome &&
          settledAtStart.every((kind) => next.auth.includes(kind) === config.auth.includes(kind))
        );
      if (key === 'apiToken' || key === 'mqttToken')
        return areSome || (next[key] === '') === (config[key] === '');
      return true;
    },
  );
}
