import type { Qos } from '../../../router/message.js';
import type { Router } from '../../../router/router.js';
import type { Session } from '../../../router/session/session.js';
import { filterProblemText, problemOfFilter } from '../../../router/topic-filter.js';
import { type Config, ConfigError } from '../../config.js';
import type { Channel } from '../channel.js';
import { type FilterAdmission, isSubscriptionKind } from '../filter-admission.js';

type AutoSubscribeSettings = Pick<Config, 'mqttAutoSubscribe' | 'idBytesMax' | 'topicLevelsMax'>;

interface Pattern {
  readonly filter: string;
  readonly qos: Qos;
}

interface AutoSubscription {
  readonly filter: string;
  readonly qos: Qos;
  /** The client id is in it, which any client may choose: the rules of its user decide. */
  readonly byRules: boolean;
}

/**
 * Filters that each client is subscribed to when it connects; `$c` stands for its client id, `$u` for its user name. Those
 * without `$c` need no rule, as the operator has allowed them.
 */
export class AutoSubscriptions {
  readonly #filters: FilterAdmission;
  readonly #router: Router;
  #patterns: readonly Pattern[];

  /** @throws ConfigError where a pattern can be nobody's filter */
  constructor(filters: FilterAdmission, router: Router, config: AutoSubscribeSettings) {
    this.#filters = filters;
    this.#router = router;
    this.#patterns = patternsOf(config);
  }

  /** @returns a function that takes these, for clients that connect from then on @throws ConfigError */
  prepared(config: AutoSubscribeSettings): () => void {
    const patterns = patternsOf(config);
    return () => {
      this.#patterns = patterns;
    };
  }

  /** A client has connected. */
  begin(channel: Channel, session: Session, userName: string | undefined): void {
    for (const { filter, qos, byRules } of this.#of(session.clientId, userName)) {
      const admitted = byRules
        ? this.#filters.admit(channel, session, filter)
        : this.#filters.admitOperators(channel, session, filter);
      if (admitted === 'new' || admitted === 'known') this.#router.subscribe(filter, session, qos);
    }
  }

  /** Gives the filters that the operator has a client subscribed to without a rule. */
  operatorsOf(clientId: string, userName: string | undefined): readonly string[] {
    const filters: string[] = [];
    for (const { filter, byRules } of this.#of(clientId, userName)) if (!byRules) filters.push(filter);
    return filters;
  }

  *#of(clientId: string, userName: string | undefined): Iterable<AutoSubscription> {
    for (const { filter, qos } of this.#patterns) {
      const byRules = filter.includes('$c');
      if (byRules && !isOneLevel(clientId, filter.startsWith('$c'))) continue;
      if (filter.includes('$u') && !isOneLevel(userName ?? '', filter.startsWith('$u'))) continue;
      const named = filter.replaceAll(/\$[cu]/g, (name) => (name === '$c' ? clientId : (userName ?? '')));
      yield { filter: named, qos, byRules };
    }
  }
}

/**
 * A name of none or several levels, or with wildcards in it, subscribes to nothing: it would be somebody else's. So does one
 * that begins with $ where the filter begins with it: those ids are the server's.
 */
function isOneLevel(name: string, isFirst: boolean): boolean {
  return name !== '' && !/[/+#\0]/.test(name) && !(isFirst && name.startsWith('$'));
}

/** @throws ConfigError where a pattern can be nobody's filter */
function patternsOf(config: AutoSubscribeSettings): readonly Pattern[] {
  return config.mqttAutoSubscribe.map((pair) => {
    const at = pair.lastIndexOf('=');
    const filter = pair.slice(0, at);
    // A client whose names are one letter has the shortest filter.
    const shortest = filter.replaceAll(/\$[cu]/g, 'x');
    const problem = problemOfFilter(shortest, config.idBytesMax, config.topicLevelsMax);
    const shared = 'shared subscriptions are not supported, name the filter behind it.';
    const fault =
      problem !== undefined ? filterProblemText[problem] : isSubscriptionKind(filter) ? shared : undefined;
    if (fault !== undefined) {
      throw new ConfigError(
        `--mqtt-auto-subscribe must hold topic filters, not ${JSON.stringify(filter)}: ${fault}`,
      );
    }
    return { filter, qos: Number(pair.slice(at + 1)) as Qos };
  });
}
