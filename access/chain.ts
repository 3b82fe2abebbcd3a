import {
  type AuthenticationDecision,
  type AuthenticationResult,
  type Authenticator,
  badCredentials,
  type Credentials,
  givesNothing,
} from './authenticator.js';
import type { FailedLogins } from './failed-logins.js';

/**
 * Asks several authenticators in order: the first that knows the user decides. One that cannot be reached decides too, as
 * it may have been the one that knows the user as banned. Never throws, whatever an authenticator does.
 */
export class AuthenticatorChain {
  #links: readonly Authenticator[];
  readonly #onFault: (name: string, error: unknown) => void;
  readonly #failedLogins: FailedLogins | undefined;

  /**
   * @param onFault an authenticator has thrown, or answered with what is no answer
   * @param failedLogins refuses those of whom too many have failed, without a question to anybody
   */
  constructor(
    links: readonly Authenticator[],
    onFault: (name: string, error: unknown) => void,
    failedLogins?: FailedLogins,
  ) {
    this.#links = links;
    this.#onFault = onFault;
    this.#failedLogins = failedLogins;
  }

  /** From now on these authenticators are asked. */
  take(links: readonly Authenticator[]): void {
    this.#links = links;
  }

  /** Without any authenticator everybody may do everything, and nobody is to be asked. */
  get required(): boolean {
    return this.#links.length > 0;
  }

  /** The names of its authenticators. */
  get names(): readonly string[] {
    return this.#links.map(({ name }) => name);
  }

  get takesPasswords(): boolean {
    return this.#links.some((link) => link.takesPasswords === true);
  }

  /** Decides at once where no authenticator has to wait. Its promise never rejects. */
  authenticate(credentials: Credentials): AuthenticationDecision | Promise<AuthenticationDecision> {
    const failedLogins = this.#failedLogins;
    if (failedLogins === undefined) return this.#askFrom(0, credentials);
    const refusal = failedLogins.refusalOf(credentials);
    if (refusal !== undefined) return refusal;
    const answer = this.#askFrom(0, credentials);
    if (answer instanceof Promise)
      return answer.then((decision) => {
        failedLogins.note(credentials, decision, true);
        return decision;
      });
    failedLogins.note(credentials, answer, false);
    return answer;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.stop?.()));
  }

  #askFrom(
    start: number,
    credentials: Credentials,
  ): AuthenticationDecision | Promise<AuthenticationDecision> {
    for (let at = start; at < this.#links.length; at++) {
      const link = this.#links[at]!;
      const answer = this.#ask(link, credentials);
      if (answer instanceof Promise)
        return answer.then(
          (late) => {
            const result = this.#checked(link, late);
            return result.outcome === 'unknown' ? this.#askFrom(at + 1, credentials) : result;
          },
          (error) => this.#fault(link, error),
        );
      const result = this.#checked(link, answer);
      if (result.outcome !== 'unknown') return result;
    }
    return givesNothing(credentials) ? noCredentials : badCredentials;
  }

  #ask(link: Authenticator, credentials: Credentials): AuthenticationResult | Promise<AuthenticationResult> {
    try {
      return link.authenticate(credentials);
    } catch (error) {
      return this.#fault(link, error);
    }
  }

  #checked(link: Authenticator, result: AuthenticationResult): AuthenticationResult {
    if (outcomes.has(result?.outcome)) return result;
    return this.#fault(link, new TypeError('the answer of an authenticator has one of the known outcomes'));
  }

  #fault({ name }: Authenticator, error: unknown): AuthenticationDecision {
    this.#onFault(name, error);
    return fault;
  }
}

const outcomes: ReadonlySet<string> = new Set(['accepted', 'unknown', 'refused', 'unavailable']);

const noCredentials: AuthenticationDecision = {
  outcome: 'refused',
  reason: 'no-credentials',
  sentence: 'Say who you are: give a user name and a password, or a token.',
};

const fault: AuthenticationDecision = {
  outcome: 'unavailable',
  sentence: 'Credentials cannot be checked now: try again later.',
};
