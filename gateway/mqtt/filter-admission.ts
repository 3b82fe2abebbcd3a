import { shapeOf } from '../../router/login-cost.js';
import type { Router } from '../../router/router.js';
import type { Session } from '../../router/session/session.js';
import { hasControlCharacter } from '../../router/topic.js';
import { beyondThisServer, problemOfFilter } from '../../router/topic-filter.js';
import type { Config } from '../config.js';
import type { LoginShares, SharedKey, ShareRefusal } from '../login-shares.js';
import type { Channel } from './channel.js';
import type { FilterRefusal, FilterRefusals } from './filter-refusals.js';
import type { Permissions } from './permissions.js';
import type { RetainedReplays } from './retained-replays.js';
import type { Rewrite } from './rewrite.js';
import type { IdSizeProblem } from './size-details.js';

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

export interface FilterAdmissionParts {
  readonly router: Router;
  readonly rewrite: Rewrite;
  readonly replays: Pick<RetainedReplays, 'bytes'>;
  readonly loginShares: LoginShares;
  readonly permissions: Permissions;
  readonly refusals: FilterRefusals;
  readonly config: Config;
}

type Admitted = 'new' | 'known' | 'refused' | 'malformed';

/** Which filters clients may be subscribed to. */
export class FilterAdmission {
  readonly #parts: FilterAdmissionParts;

  constructor(parts: FilterAdmissionParts) {
    this.#parts = parts;
  }

  /** The filter that a client gets where it asks for this one: the operator's rules may change it. */
  rewritten(filter: string): string {
    return this.#parts.rewrite.subscribeFilter(filter);
  }

  /** Whether the text is no filter at all, by the standard. */
  isMalformed(filter: string): boolean {
    return this.#problemOf(filter) === 'malformed';
  }

  /**
   * A client asks to be subscribed. Counts and logs a refusal.
   * @param filter well-formed or not
   * @returns whether it may be; `malformed` is no filter at all, and is not counted
   */
  admit(channel: Channel, session: Session, filter: string): Admitted {
    return this.#admit(channel, session, filter, true);
  }

  /** Admits a filter for a subscription that the operator makes for it, whatever its user may read. */
  admitOperators(channel: Channel, session: Session, filter: string): Admitted {
    return this.#admit(channel, session, filter, false);
  }

  #admit(channel: Channel, session: Session, filter: string, isAsked: boolean): Admitted {
    const { router, permissions, refusals } = this.#parts;
    const problem = this.#problemOf(filter);
    if (problem === 'malformed') return problem;
    if (isAsked && !permissions.allows(channel, 'subscribe', filter)) {
      refusals.note(channel, filter, 'not-allowed');
      return 'refused';
    }
    if (problem === undefined && router.isLoggedIn(filter, session)) return 'known';
    const refusal = problem ?? this.#refusalOf(channel, session, filter);
    if (refusal === undefined) return 'new';
    if (typeof refusal === 'string') refusals.note(channel, filter, refusal);
    else refusals.note(channel, filter, refusal.refusal, refusal.key);
    return 'refused';
  }

  #problemOf(filter: string): 'malformed' | IdSizeProblem | undefined {
    const { router } = this.#parts;
    const problem = problemOfFilter(filter, router.idBytesMax, router.topicLevelsMax);
    if (problem === undefined) return undefined;
    return beyondThisServer.has(problem) ? (problem as IdSizeProblem) : 'malformed';
  }

  /** @returns a share with the budget of which the client, or its address, has as much */
  #refusalOf(
    channel: Channel,
    session: Session,
    filter: string,
  ): FilterRefusal | { refusal: ShareRefusal; key: SharedKey } | undefined {
    const { router, replays, config, loginShares } = this.#parts;
    if (isSubscriptionKind(filter)) return 'subscription-kind';
    const { mqttMaxSubscriptions, mqttSubscriptionsTotalMax, allowControlCharacters } = config;
    if (!allowControlCharacters && hasControlCharacter(filter)) return 'control-characters';
    if (mqttMaxSubscriptions > 0 && router.loginsOf(session) >= mqttMaxSubscriptions) return 'too-many';
    if (router.logins >= mqttSubscriptionsTotalMax) return 'too-many-total';
    if (router.loginsBytes + replays.bytes >= config.loginsBytesTotalMax) return 'logins-bytes';
    const visits = this.#visitsOf(filter);
    if (visits === 'too-many') return 'too-many-visits';
    return loginShares.refusalOf(session, session.clientId, channel.socket, filter, visits);
  }

  /** How the places of the tree change that a message may have to look at. */
  #visitsOf(filter: string): 'unlimited' | 'same' | 'more' | 'too-many' {
    const { router, config } = this.#parts;
    if (shapeOf(filter) === undefined) return 'unlimited';
    const visits = router.visitsWith(filter);
    if (visits > config.mqttFilterVisitsMax) return 'too-many';
    return visits > router.visitsWith('') ? 'more' : 'same';
  }
}
