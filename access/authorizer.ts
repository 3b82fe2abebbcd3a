import type { Identity } from './identity.js';
import { type AccessAction, type Rule, Rules } from './rules.js';

/** Decides what a user may do, at once: the rules were loaded when the connection was let in. */
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

/** Looks at the deny rules for everybody, then at the rules of the identity, and then at the allow rules for everybody. */
export class RuleAuthorizer implements Authorizer {
  #commonDenies = Rules.none;
  #commonAllows = Rules.none;
  #allowsUnmatched: boolean;

  /**
   * @param common rules of all users (--acl-rules, and those of a file of users): the deny rules among them come before those
   * of a user, the allow rules behind
   * @param nomatch what becomes of an action that no rule is about (--acl-nomatch)
   */
  constructor(common: readonly Rule[], nomatch: 'allow' | 'deny') {
    this.#allowsUnmatched = nomatch === 'allow';
    this.setCommon(common);
  }

  /** Says what becomes of an action that no rule is about, from now on. */
  setNomatch(nomatch: 'allow' | 'deny'): void {
    this.#allowsUnmatched = nomatch === 'allow';
  }

  /** From now on these are the rules of all users. */
  setCommon(common: readonly Rule[]): void {
    const ofPermission = (wanted: Rule['permission']) =>
      Rules.inOrder(common.filter(({ permission }) => permission === wanted));
    this.#commonDenies = ofPermission('deny');
    this.#commonAllows = ofPermission('allow');
  }

  allows(
    { isSuperuser, rules, userName }: Identity,
    clientId: string | undefined,
    action: AccessAction,
    topicOrFilter: string,
  ): boolean {
    if (isSuperuser) return true;
    const permission =
      this.#commonDenies.permissionOf(userName, clientId, action, topicOrFilter) ??
      rules.permissionOf(userName, clientId, action, topicOrFilter) ??
      this.#commonAllows.permissionOf(userName, clientId, action, topicOrFilter);
    return permission === undefined ? this.#allowsUnmatched : permission === 'allow';
  }
}
