import {
  type AuthenticationResult,
  type Authenticator,
  type Credentials,
  givesNothing,
  unknownUser,
} from './authenticator.js';
import { UserIdentity } from './identity.js';
import { type Rule, Rules } from './rules.js';

/** Lets in clients that say nothing of who they are; wrong credentials are not none. They share one identity. */
export class Anonymous implements Authenticator {
  readonly name = 'anonymous';
  readonly #accepted: AuthenticationResult;

  constructor(rules: readonly Rule[]) {
    this.#accepted = { outcome: 'accepted', identity: new UserIdentity(undefined, Rules.inOrder(rules)) };
  }

  authenticate(credentials: Credentials): AuthenticationResult {
    return givesNothing(credentials) ? this.#accepted : unknownUser;
  }
}
