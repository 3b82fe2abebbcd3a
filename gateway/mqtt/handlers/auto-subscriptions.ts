import type { Qos } from '../../../router/message.js';
import type { Router } from '../../../router/router.js';
import type { Session } from '../../../router/session/session.js';
import { filterProblemText, problemOfFilter } from '../../../router/topic-filter.js';
import { type Config, ConfigError } from '../../config.js';
import type { Channel } from '../channel.js';
import { type FilterAdmission, isSubscriptionKind } from '../filter-admission.js';

/** Filters that each client is subscribed to when it connects; `$c` stands for its client id, `$u` for its user name. */
export class AutoSubscriptions {
  readonly #filters: FilterAdmission;
  readonly #router: Router;
  readonly #patterns: readonly { filter: string; qos: Qos }[];

  /** @throws ConfigError where a pattern can be nobody's filter */
  constructor(
    filters: FilterAdmission,
    router: Router,
    config: Pick<Config, 'mqttAutoSubscribe' | 'idBytesMax' | 'topicLevelsMax'>,
  ) {
    this.#filters = filters;
    this.#router = router;
    this.#patterns = config.mqttAutoSubscribe.map((pair) => {
      const at = pair.lastIndexOf('=');
      const filter = pair.slice(0, at);
      // As for a client whose names are one letter.
      const shortest = filter.replaceAll(/\$[cu]/g, 'x');
      const problem = problemOfFilter(shortest, config.idBytesMax, config.topicLevelsMax);
      if (problem !== undefined) {
        throw new ConfigError(
          `--mqtt-auto-subscribe must hold topic filters, not ${JSON.stringify(filter)}: ${filterProblemText[problem]}`,
        );
      }
      if (isSubscriptionKind(filter)) {
        throw new ConfigError(
          `--mqtt-auto-subscribe must hold topic filters, not ${JSON.stringify(filter)}: shared subscriptions are not supported, name the filter behind it.`,
        );
      }
      return { filter, qos: Number(pair.slice(at + 1)) as Qos };
    });
  }

  /** A client has connected. */
  begin(channel: Channel, session: Session, userName: string | undefined): void {
    for (const { filter, qos } of this.#of(session.clientId, userName)) {
      const admitted = this.#filters.admitOperators(channel, session, filter);
      if (admitted === 'new' || admitted === 'known') this.#router.subscribe(filter, session, qos);
    }
  }

  /** A name with wildcards in it subscribes to nothing: it would be somebody else's. */
  *#of(clientId: string, userName: string | undefined): Iterable<{ filter: string; qos: Qos }> {
    for (const { filter, qos } of this.#patterns) {
      if (filter.includes('$c') && wildcard.test(clientId)) continue;
      if (filter.includes('$u') && (userName === undefined || wildcard.test(userName))) continue;
      yield { filter: filter.replaceAll('$c', () => clientId).replaceAll('$u', () => userName ?? ''), qos };
    }
  }
}

const wildcard = /[+#]/;
