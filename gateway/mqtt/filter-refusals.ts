import { type Config, flagOf } from '../config.js';
import { type Connections, filterRefusalLogged } from '../connections.js';
import type { LoginShares, SharedKey } from '../login-shares.js';
import type { SampledLog } from '../sampled-log.js';
import type { SettingKey } from '../settings.js';
import type { Channel } from './channel.js';
import { loggedText } from './logged-text.js';
import { type IdSizeProblem, idSizeDetails, sizeDetails } from './size-details.js';

/** Why a filter is answered with 0x80: the name in /stats and in the log. */
const filterRefusals = [
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
  /** No rule allows the user all of it. */
  'not-allowed',
  /** `$share/…`, `$queue/…` and the like: see subscriptionKinds. */
  'subscription-kind',
] as const;

export type FilterRefusal = (typeof filterRefusals)[number];

/** Counts filters that are refused, and logs the first of each connection. */
export class FilterRefusals {
  readonly #connections: Connections;
  readonly #loginShares: LoginShares;
  readonly #config: Config;
  readonly #log: SampledLog;
  readonly counts = Object.fromEntries(filterRefusals.map((reason) => [reason, 0])) as Record<
    FilterRefusal,
    number
  >;

  constructor(connections: Connections, loginShares: LoginShares, config: Config, log: SampledLog) {
    this.#connections = connections;
    this.#loginShares = loginShares;
    this.#config = config;
    this.#log = log;
  }

  /** @param shareOf the budget of which the client, or its address, has its share */
  note(channel: Channel, filter: string, refusal: FilterRefusal, shareOf?: SharedKey): void {
    this.counts[refusal]++;
    const { flags } = this.#connections;
    if ((flags[channel.slot]! & filterRefusalLogged) !== 0) return;
    flags[channel.slot]! |= filterRefusalLogged;
    const config = this.#config;
    this.#log.warn(
      'filter-refused',
      {
        ...channel.describeWithAddress(),
        refusal,
        filter: loggedText(filter),
        ...limitOf(refusal, filter, config),
        ...(refusal in budgetOf && this.#loginShares.largestHolder(budgetOf[refusal as BudgetRefusal])),
        ...(shareOf !== undefined && { of: flagOf(shareOf), all: config[shareOf] }),
      },
      `topic filter refused (SUBACK 0x80): ${remedies[refusal]}. Other refusals of this connection are only counted`,
    );
  }
}

/** The budgets that are full when they are the reason. */
const budgetOf = {
  'logins-bytes': 'loginsBytesTotalMax',
  'too-many-total': 'mqttSubscriptionsTotalMax',
  'too-many-visits': 'mqttFilterVisitsMax',
} as const satisfies Partial<Record<FilterRefusal, SharedKey>>;

type BudgetRefusal = keyof typeof budgetOf;

/** The settings that refuse filters, besides those of the size of a filter. */
const settingOf: Record<Exclude<FilterRefusal, IdSizeProblem>, SettingKey | undefined> = {
  ...budgetOf,
  'too-many': 'mqttMaxSubscriptions',
  'client-share': 'budgetSharePerClient',
  'address-share': 'budgetSharePerAddress',
  'control-characters': 'allowControlCharacters',
  'not-allowed': undefined,
  'subscription-kind': undefined,
};

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
  'not-allowed': 'no rule allows its user to subscribe to all that it matches',
  'subscription-kind':
    'shared subscriptions and other kinds that begin with $ are not supported: subscribe to the filter behind it, or rewrite it with --mqtt-rewrite',
};

function limitOf(refusal: FilterRefusal, filter: string, config: Config): Record<string, unknown> {
  if (refusal === 'too-long' || refusal === 'too-many-levels') return idSizeDetails(config, refusal, filter);
  const setting = settingOf[refusal];
  return setting === undefined ? {} : sizeDetails(config, setting);
}
