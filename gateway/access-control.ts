import type { Authenticator } from '../access/authenticator.js';
import { type Authorizer, RuleAuthorizer } from '../access/authorizer.js';
import { AuthenticatorChain } from '../access/chain.js';
import { FailedLogins } from '../access/failed-logins.js';
import type { Identity } from '../access/identity.js';
import { IdentityCache } from '../access/identity-cache.js';
import { ruleOf } from '../access/rules.js';
import { SharedToken } from '../access/shared-token.js';
import type { Config } from './config.js';
import { Identities } from './identities.js';
import { IdentityChanges } from './identity-changes.js';
import { PendingDecisions } from './pending-decisions.js';
import { onAccessChanges } from './reload/access-changes.js';
import type { SettingChanges } from './reload/setting-changes.js';
import type { SampledLog } from './sampled-log.js';

/** The parts that tell a transport which user a client is, and whether that user may do something. */
export interface AccessControl {
  /** There is a chain for each transport, as each has a shared token of its own, or none. */
  readonly http: AuthenticatorChain;
  readonly mqtt: AuthenticatorChain;
  readonly api: AuthenticatorChain;
  /** The chain of the operator's listener. */
  readonly admin: AuthenticatorChain;
  readonly authorizer: Authorizer;
  readonly identities: Identities;
  /** Says what clients are now that were found good before and are not in yet. */
  readonly changes: IdentityChanges;
  readonly pending: PendingDecisions;
  /** The identities whose credentials were good. */
  readonly cache: IdentityCache;
  /** Failed logins of all transports together. */
  readonly failedLogins: FailedLogins;
  /** A user is to be checked anew, whatever is known of it. @param userName undefined: of all without a name */
  revoke(userName: string | undefined): void;
  /** Makes the authenticators of settings that have changed. Without it they stay as they are. */
  makeAuthenticators: (config: Config) => Promise<readonly Authenticator[]>;
  /** Sets the one listener, which is called whenever users or rules have changed. */
  watch(listener: () => void): void;
  /** The identity that a user has now; undefined where it is gone. */
  renew(identity: Identity): Identity | undefined;
  /** The user of an identity that another node has given out; undefined where it is not known here. */
  recall(reference: string): Identity | undefined;
  /** Ends what authenticators hold open. */
  stop(): Promise<void>;
}

/**
 * @param authenticators for all transports, in the order in which they are asked
 * @param capacity most connections
 */
export function accessControlOf(
  config: Config,
  log: SampledLog,
  authenticators: readonly Authenticator[],
  capacity: number,
  settingChanges: SettingChanges,
): AccessControl {
  const onFault = (name: string, error: unknown) =>
    log.warn(
      'authenticator-fault',
      { authenticator: name, err: error },
      'this authenticator failed: its clients are answered 503 or CONNACK 3',
    );
  const failedLogins = failedLoginsOf(config, log, authenticators);
  const { authFailuresPerAddressMax, authFailuresPerNameMax } = config;
  const limit = authFailuresPerAddressMax + authFailuresPerNameMax > 0 ? failedLogins : undefined;
  let current = authenticators;
  let aclRules = config.aclRules.map(ruleOf);
  const linksWith = (token: string) => [...(token === '' ? [] : [new SharedToken(token)]), ...current];
  const chainWith = (token: string) => new AuthenticatorChain(linksWith(token), onFault, limit);
  /** The authenticators share one. */
  const cacheNow = () => current.find(({ cache }) => cache !== undefined)?.cache;
  const commonRules = () => [...aclRules, ...current.flatMap((each) => each.commonRules ?? [])];
  const authorizer = new RuleAuthorizer(commonRules(), config.aclNomatch);
  const renew = (identity: Identity) => {
    let now: Identity | undefined = identity;
    for (const each of current) if (now !== undefined && each.renew !== undefined) now = each.renew(now);
    return now;
  };
  const changes = new IdentityChanges(renew);
  let onChange = () => {};
  const changed = () => {
    authorizer.setCommon(commonRules());
    changes.note();
    onChange();
  };
  for (const each of authenticators) each.watch?.(changed);
  const [http, mqtt, api] = [chainWith(''), chainWith(config.mqttToken), chainWith(config.apiToken)];
  // An operator who has closed the API to others on the machine has closed this, too.
  const admin = chainWith(adminTokenOf(config));
  const pending = new PendingDecisions(config, changes);
  onAccessChanges(settingChanges, config, async (next, areAuthenticatorsNew) => {
    const rules = next.aclRules.map(ruleOf);
    const made = areAuthenticatorsNew ? await access.makeAuthenticators(next) : current;
    return () => {
      const former = current.filter((each) => !made.includes(each));
      current = made;
      aclRules = rules;
      for (const [chain, token] of [
        [http, ''],
        [mqtt, next.mqttToken],
        [api, next.apiToken],
        [admin, adminTokenOf(next)],
      ] as const)
        chain.take(linksWith(token));
      authorizer.setNomatch(next.aclNomatch);
      if (areAuthenticatorsNew) for (const each of current) each.watch?.(changed);
      changed();
      // They are stopped later, as clients may still wait for their answers.
      setTimeout(() => former.forEach((each) => void each.stop?.()), next.authTimeoutMs).unref();
    };
  });
  const access: AccessControl = {
    http,
    mqtt,
    api,
    admin,
    authorizer,
    identities: new Identities(http.required || mqtt.required, capacity, {
      perUserMax: config.connectionsPerUserMax,
      noticeSec: config.authExpiryNoticeSec,
    }),
    changes,
    pending,
    get cache() {
      return cacheNow() ?? noCache;
    },
    failedLogins,
    revoke: (userName) => {
      cacheNow()?.revoke(userName);
      for (const authenticator of current) authenticator.revoke?.(userName);
      changes.revoke(userName);
    },
    makeAuthenticators: async () => current,
    watch: (listener) => {
      onChange = listener;
    },
    renew,
    recall: (reference) => {
      for (const each of current) {
        const identity = each.recall?.(reference);
        if (identity !== undefined) return identity;
      }
      return undefined;
    },
    stop: () => http.stop(),
  };
  return access;
}

/** The operator's listener has the API's token where it has none of its own. */
function adminTokenOf({ adminToken, apiToken }: Config): string {
  return adminToken || apiToken;
}

function failedLoginsOf(
  config: Config,
  log: SampledLog,
  authenticators: readonly Authenticator[],
): FailedLogins {
  const { authFailuresPerAddressMax, authFailuresPerNameMax, authFailuresWindowSec } = config;
  const settings = {
    address: { setting: '--auth-failures-per-address-max', limit: authFailuresPerAddressMax },
    name: { setting: '--auth-failures-per-name-max', limit: authFailuresPerNameMax },
  };
  return new FailedLogins({
    perAddressMax: authFailuresPerAddressMax,
    perNameMax: authFailuresPerNameMax,
    windowSec: authFailuresWindowSec,
    bytesMax: config.authFailuresBytesTotalMax,
    canonicalNameOf: canonicalNameOf(authenticators),
    // Without the name: some clients give their token there.
    onLimit: (limit, address) =>
      log.warn(
        `failed-logins-of-${limit}`,
        { address, ...settings[limit], windowSec: authFailuresWindowSec },
        limit === 'address'
          ? 'so many logins of this address have failed that further ones are refused without being checked. Behind a proxy all clients have its address'
          : 'so many logins with one user name have failed, the last one from this address, that further ones are refused without being checked, but for addresses that it came from before',
      ),
  });
}

/** A name is folded as soon as one of the authenticators takes two spellings for one user. */
function canonicalNameOf(authenticators: readonly Authenticator[]) {
  const folding = authenticators.filter((each) => each.canonicalNameOf !== undefined);
  if (folding.length === 0) return undefined;
  return (userName: string) => folding.reduce((name, each) => each.canonicalNameOf!(name), userName);
}

/** The cache of a gateway none of whose authenticators has one. */
const noCache = new IdentityCache({ bytesMax: 1, ageSec: 0 });
