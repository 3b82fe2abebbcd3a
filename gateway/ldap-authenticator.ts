import type { Authenticator } from '../access/authenticator.js';
import { LdapUsers } from '../access/ldap/ldap-users.js';
import { isLoopback } from './auth/host-address.js';
import type { AuthenticatorParts } from './authenticator-parts.js';

/** The users of the directory of --auth-ldap. */
export function ldapUsersOf({ config, cache, log }: AuthenticatorParts): Authenticator {
  const { authLdap: url, authLdapBindName: bindName } = config;
  const { protocol, hostname } = new URL(url);
  if (protocol === 'ldap:' && !isLoopback(hostname.replace(/^\[|\]$/g, '')))
    log.warn(
      'ldap-without-tls',
      { url },
      'passwords go to the server of --auth-ldap as they are: give its URL as ldaps://, or see to it that nobody reads this network',
    );
  return new LdapUsers({
    url,
    bindName,
    timeoutMs: config.authLdapTimeoutMs,
    connectionsMax: config.authLdapConnectionsMax,
    cache,
    sharePerAddress: config.budgetSharePerAddress,
    onTrouble: (error) =>
      log.warn(
        'auth-ldap',
        { url, detail: (error as Error).message },
        'the directory of --auth-ldap cannot be asked: look whether it runs, and whether --auth-ldap-bind-name is what names of users look like there. New clients are answered 503 or CONNACK 3',
      ),
  });
}
