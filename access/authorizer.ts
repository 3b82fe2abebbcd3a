import type { Identity } from './identity.js';
import type { AccessAction, Rules } from './rules.js';

/** Decides what a user may do. Synchronous, on rules that were loaded when the connection was let in. */
export interface Authorizer {
  /**
   * @param clientId of an MQTT client; undefined: it has none, and rules with `%c` allow it nothing
   * @param topicOrFilter after rewriting. To subscribe to a filter, one rule must allow all of it
   */
  allows(
    identity: Identity,
    clientId: string | undefined,
    action: AccessAction,
    topicOrFilter: string,
  ): boolean;
}

/** Goes by the rules of the identity, and then by those that hold for everybody. */
export class RuleAuthorizer implements Authorizer {
  readonly #common: Rules;
  readonly #allowsUnmatched: boolean;

  /**
   * @param common of all users, behind their own (--acl-rules)
   * @param nomatch what becomes of an action that no rule is about (--acl-nomatch)
   */
  constructor(common: Rules, nomatch: 'allow' | 'deny') {
    this.#common = common;
    this.#allowsUnmatched = nomatch === 'allow';
  }

  allows(
    { isSuperuser, rules, userName }: Identity,
    clientId: string | undefined,
    action: AccessAction,
    topicOrFilter: string,
  ): boolean {
    if (isSuperuser) return true;
    const permission =
      rules.permissionOf(userName, clientId, action, topicOrFilter) ??
      this.#common.permissionOf(userName, clientId, action, topicOrFilter);
    return permission === undefined ? this.#allowsUnmatched : permission === 'allow';
  }
}
