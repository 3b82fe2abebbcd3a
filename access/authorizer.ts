import type { Identity } from './identity.js';
import { type AccessAction, type Rule, Rules } from './rules.js';

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

/** Goes by what is denied to everybody, then by the rules of the identity, and then by what is allowed to everybody. */
export class RuleAuthorizer implements Authorizer {
  #commonDenies = Rules.none;
  #commonAllows = Rules.none;
  readonly #allowsUnmatched: boolean;

  /**
   * @param common of all users (--acl-rules, and those of a file of users): their deny rules come before those of a user, their allow rules behind
   * @param nomatch what becomes of an action that no rule is about (--acl-nomatch)
   */
  constructor(common: readonly Rule[], nomatch: 'allow' | 'deny') {
    this.#allowsUnmatched = nomatch === 'allow';
    this.setCommon(common);
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
