import { shapeOf } from '../../router/login-cost.js';
import type { Router } from '../../router/router.js';
import type { Session } from '../../router/session/session.js';
import { beyondThisServer, problemOfFilter } from '../../router/topic-filter.js';
import { type Config, flagOf } from '../config.js';
import { type Connections, filterRefusalLogged } from '../connections.js';
import { hasControlCharacter } from '../control-characters.js';
import type { LoginShares, SharedKey } from '../login-shares.js';
import type { SampledLog } from '../sampled-log.js';
import type { Channel } from './channel.js';
import type { RetainedReplays } from './retained-replays.js';
import { sizeDetails } from './size-details.js';

/** Why a filter is answered with 0x80: the name in /stats and in the log. */
export const filterRefusals = [
  /** The client has --mqtt-max-subscriptions filters. */
  'too-many',
  /** All clients together have --mqtt-subscriptions-total-max. */
  'too-many-total',
  /** All ids and filters together take --logins-bytes-total-max. */
  'logins-bytes',
  /** With it a message might have to look at more places than --mqtt-filter-visits-max. */
  'too-many-visits',
  /** The client has --budget-share-per-client of one of these budgets. */
  'client-share',
  /** The clients of its address together have --budget-share-per-address of one of them. */
  'address-share',
  /** Over --id-bytes-max. */
  'too-long',
  /** Over --topic-levels-max. */
  'too-many-levels',
  /** It has control characters, with --allow-control-characters false. */
  'control-characters',
  /** `$share/…`, `$queue/…` and the like: see subscriptionKinds. */
  'subscription-kind',
] as const;

export type FilterRefusal = (typeof filterRefusals)[number];

/**
 * First levels that brokers of the field take for a kind of subscription to what stands behind them: shared ones
 * (`$share/<group>/t`, `$queue/t`), and EMQ's own. As plain filters they would match nothing that is published to `t`,
 * so a client that was granted one would wait for ever.
 */
const subscriptionKinds: ReadonlySet<string> = new Set([
  '$share',
  '$queue',
  '$exclusive',
  '$local',
  '$fastlane',
]);

export function isSubscriptionKind(filter: string): boolean {
  return filter.startsWith('$') && subscriptionKinds.has(filter.split('/', 1)[0]!);
}

type Parts = {
  router: Router;
  replays: RetainedReplays;
  config: Config;
  connections: Connections;
  log: SampledLog;
  loginShares: LoginShares;
};

/** Which filters are taken; the one place where a refused one is counted, and logged once a connection. */
export class FilterAdmission {
  readonly #parts: Parts;
  readonly refused = Object.fromEntries(filterRefusals.map((reason) => [reason, 0])) as Record<
    FilterRefusal,
    number
  >;
  /** Of which budget a share was passed last. */
  #shareOf: SharedKey | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** It is no filter at all, by the standard. */
  isMalformed(filter: string): boolean {
    const { router } = this.#parts;
    const problem = problemOfFilter(filter, router.idBytesMax, router.topicLevelsMax);
    return problem !== undefined && !beyondThisServer.has(problem);
  }

  /**
   * Counts and logs a refusal.
   * @param filter that this session is to be subscribed to, well-formed or not
   * @returns whether it may be subscribed to; `malformed` is no filter at all, and is not counted
   */
  admit(channel: Channel, session: Session, filter: string): 'new' | 'known' | 'refused' | 'malformed' {
    const { router } = this.#parts;
    const problem = problemOfFilter(filter, router.idBytesMax, router.topicLevelsMax);
    if (problem !== undefined && !beyondThisServer.has(problem)) return 'malformed';
    if (problem === undefined && router.isLoggedIn(filter, session)) return 'known';
    const refusal = (problem as FilterRefusal | undefined) ?? this.#refusalOf(channel, session, filter);
    if (refusal === undefined) return 'new';
    this.#refuse(channel, filter, refusal);
    return 'refused';
  }

  #refusalOf(channel: Channel, session: Session, filter: string): FilterRefusal | undefined {
    const { router, replays, config, loginShares } = this.#parts;
    if (isSubscriptionKind(filter)) return 'subscription-kind';
    const { mqttMaxSubscriptions, mqttSubscriptionsTotalMax, allowControlCharacters } = config;
    if (!allowControlCharacters && hasControlCharacter(filter)) return 'control-characters';
    if (mqttMaxSubscriptions > 0 && router.loginsOf(session) >= mqttMaxSubscriptions) return 'too-many';
    if (router.logins >= mqttSubscriptionsTotalMax) return 'too-many-total';
    if (router.loginsBytes + replays.bytes >= config.loginsBytesTotalMax) return 'logins-bytes';
    const visits = this.#visitsOf(filter);
    if (visits === 'too-many') return 'too-many-visits';
    const share = loginShares.refusalOf(session, session.clientId, channel.socket, filter, visits);
    this.#shareOf = share?.key;
    return share?.refusal;
  }

  /** What becomes of the places of the tree that a message may have to look at. */
  #visitsOf(filter: string): 'unlimited' | 'same' | 'more' | 'too-many' {
    const { router, config } = this.#parts;
    if (shapeOf(filter) === undefined) return 'unlimited';
    const visits = router.visitsWith(filter);
    if (visits > config.mqttFilterVisitsMax) return 'too-many';
    return visits > router.visitsWith('') ? 'more' : 'same';
  }

  #refuse(channel: Channel, filter: string, refusal: FilterRefusal): void {
    const { connections, config, log, loginShares } = this.#parts;
    this.refused[refusal]++;
    if ((connections.flags[channel.slot]! & filterRefusalLogged) !== 0) return;
    connections.flags[channel.slot]! |= filterRefusalLogged;
    log.warn(
      'filter-refused',
      {
        ...channel.describe(),
        address: channel.remoteAddress(),
        refusal,
        filter: filter.slice(0, loggedCharactersMax),
        ...limitOf(refusal, filter, config),
        ...(refusal in budgetOf && loginShares.largestHolder(budgetOf[refusal])),
        ...(this.#shareOf !== undefined && { of: flagOf(this.#shareOf), all: config[this.#shareOf] }),
      },
      `topic filter refused (SUBACK 0x80); others of this connection are only counted: ${remedies[refusal]}`,
    );
  }
}

/** Whose room is full when they are the reason. */
const budgetOf: Partial<Record<FilterRefusal, SharedKey>> = {
  'logins-bytes': 'loginsBytesTotalMax',
  'too-many-total': 'mqttSubscriptionsTotalMax',
  'too-many-visits': 'mqttFilterVisitsMax',
};

/** Of a topic or filter that stands in a log line. */
const loggedCharactersMax = 100;

const remedies: Record<FilterRefusal, string> = {
  'too-many': 'the client has as many filters as --mqtt-max-subscriptions allows',
  'too-many-total': 'all clients together have as many filters as --mqtt-subscriptions-total-max allows',
  'logins-bytes':
    'all ids and filters together take as much memory as --logins-bytes-total-max allows: raise it, or see who has so many',
  'too-many-visits':
    'so many filters with + overlap it that a message would have to look at more of them than --mqtt-filter-visits-max',
  'client-share':
    'this client has as much of what all share as --budget-share-per-client allows: have it subscribe to less, or raise it',
  'address-share':
    'the clients of this address have as much of what all share as --budget-share-per-address allows: set it to 1 where they come through a proxy',
  'too-long': 'it is longer than --id-bytes-max',
  'too-many-levels': 'it has more levels than --topic-levels-max',
  'control-characters': 'it has control characters, which --allow-control-characters false refuses',
  'subscription-kind':
    'shared subscriptions and other kinds that begin with $ are not supported: subscribe to the filter behind it, or rewrite it with --mqtt-rewrite',
};

function limitOf(refusal: FilterRefusal, filter: string, config: Config): Record<string, unknown> {
  switch (refusal) {
    case 'too-many':
      return sizeDetails(config, 'mqttMaxSubscriptions');
    case 'too-many-total':
      return sizeDetails(config, 'mqttSubscriptionsTotalMax');
    case 'logins-bytes':
      return sizeDetails(config, 'loginsBytesTotalMax');
    case 'too-many-visits':
      return sizeDetails(config, 'mqttFilterVisitsMax');
    case 'client-share':
      return sizeDetails(config, 'budgetSharePerClient');
    case 'address-share':
      return sizeDetails(config, 'budgetSharePerAddress');
    case 'too-long':
      return sizeDetails(config, 'idBytesMax', Buffer.byteLength(filter));
    case 'too-many-levels':
      return { levels: filter.split('/').length, ...sizeDetails(config, 'topicLevelsMax') };
    case 'control-characters':
      return sizeDetails(config, 'allowControlCharacters');
    case 'subscription-kind':
      return {};
  }
}
