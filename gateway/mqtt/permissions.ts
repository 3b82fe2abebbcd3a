import type { AccessAction } from '../../access/rules.js';
import type { AccessControl } from '../access-control.js';
import type { Channel } from './channel.js';

/** Whether the user of a connection may publish to a topic, or subscribe to a filter. */
export class Permissions {
  readonly #access: Pick<AccessControl, 'authorizer' | 'identities'>;

  constructor(access: Pick<AccessControl, 'authorizer' | 'identities'>) {
    this.#access = access;
  }

  /** No rules are looked at, as is so of everybody where no authenticator is set. */
  allowAll(channel: Channel): boolean {
    return this.#access.identities.of(channel.slot).isSuperuser;
  }

  /** @param topicOrFilter after rewriting */
  allows(channel: Channel, action: AccessAction, topicOrFilter: string): boolean {
    const { authorizer, identities } = this.#access;
    return authorizer.allows(identities.of(channel.slot), channel.session?.clientId, action, topicOrFilter);
  }
}
