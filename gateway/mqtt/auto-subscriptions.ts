import type { Qos } from '../../router/message.js';

/** What each client is subscribed to when it connects; `$c` stands for its client id, `$u` for its user name. */
export class AutoSubscriptions {
  readonly #patterns: readonly { filter: string; qos: Qos }[];

  /** @param pairs `filter=qos` */
  constructor(pairs: readonly string[]) {
    this.#patterns = pairs.map((pair) => {
      const at = pair.lastIndexOf('=');
      return { filter: pair.slice(0, at), qos: Number(pair.slice(at + 1)) as Qos };
    });
  }

  /** For one client. A name with wildcards in it subscribes to nothing: it would be somebody else's. */
  *of(clientId: string, userName: string | undefined): Iterable<{ filter: string; qos: Qos }> {
    for (const { filter, qos } of this.#patterns) {
      if (filter.includes('$c') && wildcard.test(clientId)) continue;
      if (filter.includes('$u') && (userName === undefined || wildcard.test(userName))) continue;
      yield { filter: filter.replaceAll('$c', () => clientId).replaceAll('$u', () => userName ?? ''), qos };
    }
  }
}

const wildcard = /[+#]/;
