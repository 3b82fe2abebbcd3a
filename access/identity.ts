import { Rules } from './rules.js';

/** The user that a connection belongs to, and what it may do. Connections share one wherever they can. */
export interface Identity {
  /** Undefined where a token without a name, or nobody at all, was asked for. */
  readonly userName: string | undefined;
  /** Its rules are not looked at: it may do everything. */
  readonly isSuperuser: boolean;
  /** `%u` and `%c` in them are filled in when they are checked, so that one object serves all users. */
  readonly rules: Rules;
  /** When the credentials end, in milliseconds since 1970; undefined: never. */
  readonly expiresAtMs: number | undefined;
  /**
   * Its authenticator looks its user up again when users change, and another node finds the user by this, with
   * `Authenticator.recall`. Not there: it stays as it is.
   */
  readonly reference?: string;
}

/** A named user. Of these there are as many as connections, so all that is the same for most is no field of each. */
export class UserIdentity implements Identity {
  readonly userName: string | undefined;
  readonly rules: Rules;

  constructor(userName: string | undefined, rules: Rules) {
    this.userName = userName;
    this.rules = rules;
  }

  get isSuperuser(): boolean {
    return false;
  }

  get expiresAtMs(): number | undefined {
    return undefined;
  }
}

/** A user whose credentials end some day. */
export class ExpiringIdentity extends UserIdentity {
  /** Seconds since 1970, which is a small integer to V8. */
  readonly #expiresAtSec: number;

  constructor(userName: string | undefined, rules: Rules, expiresAtSec: number) {
    super(userName, rules);
    this.#expiresAtSec = expiresAtSec;
  }

  override get expiresAtMs(): number {
    return this.#expiresAtSec * 1000;
  }
}

/** Makes an identity in the form that costs least: most users are no superusers, and their credentials do not end. */
export function identityOf({ userName, isSuperuser, rules, expiresAtMs }: Identity): Identity {
  if (isSuperuser) return { userName, isSuperuser, rules, expiresAtMs };
  if (expiresAtMs === undefined) return new UserIdentity(userName, rules);
  return new ExpiringIdentity(userName, rules, Math.ceil(expiresAtMs / 1000));
}

/** May do everything: everybody where no authenticator is set, and a client that knows the shared token. */
export const unrestricted: Identity = {
  userName: undefined,
  isSuperuser: true,
  rules: Rules.none,
  expiresAtMs: undefined,
};

/** May do nothing. */
export const nobody: Identity = {
  userName: undefined,
  isSuperuser: false,
  rules: Rules.none,
  expiresAtMs: undefined,
};
