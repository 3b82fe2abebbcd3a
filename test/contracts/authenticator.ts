import { Buffer } from 'node:buffer';
import t from 'tap';
import type { AuthenticationResult, Authenticator, Credentials } from '../../access/authenticator.js';

/** An authenticator that knows the users below, and no others. */
export interface OpenedAuthenticator {
  readonly authenticator: Authenticator;
  /** The contract calls this at its end. */
  close?(): Promise<void>;
}

/** The password of `alice` and `b:ob`, who are in each authenticator that takes passwords. */
export const passwordOfContract = 'pa:ss wörd';

/**
 * The contract of every authenticator that takes passwords; see access/authenticator.ts. It knows `alice`, who may read
 * `user/alice/#` and nothing else, with the password above.
 * @param refusesUnknown it cannot tell a user that there is not from a wrong password
 */
export function passwordAuthenticatorContract(
  name: string,
  open: () => Promise<OpenedAuthenticator>,
  { refusesUnknown = false, hasRules = true } = {},
): void {
  t.test(`${name}: the contract of an authenticator`, async (t) => {
    const { authenticator, close } = await open();
    const ask = async (userName: string | undefined, password: string | undefined, more = {}) => {
      const credentials: Credentials = {
        transport: 'mqtt',
        address: '::1',
        ...(userName !== undefined && { userName }),
        ...(password !== undefined && { password: Buffer.from(password) }),
        ...more,
      };
      return await authenticator.authenticate(credentials);
    };
    t.equal(authenticator.takesPasswords, true);

    const accepted = await ask('alice', passwordOfContract);
    t.equal(accepted.outcome, 'accepted');
    const { identity } = accepted as Extract<AuthenticationResult, { outcome: 'accepted' }>;
    t.equal(identity.userName, 'alice');
    t.equal(identity.isSuperuser, false);
    const permission = (topic: string) => identity.rules.permissionOf('alice', undefined, 'subscribe', topic);
    t.equal(permission('user/alice/#'), hasRules ? 'allow' : undefined);
    t.equal(permission('user/bob/#'), undefined);

    for (const wrong of ['', 'wrong', `${passwordOfContract} `, passwordOfContract.toUpperCase()])
      t.match(await ask('alice', wrong), { outcome: 'refused', reason: 'bad-credentials' }, wrong);
    t.equal((await ask('alice', passwordOfContract)).outcome, 'accepted', 'still');
    t.not((await ask('alice', undefined)).outcome, 'accepted', 'a name alone');

    const outcomeOfUnknown = refusesUnknown ? 'refused' : 'unknown';
    for (const unknown of [
      'nobody',
      'Alice2',
      'alice ',
      ' alice',
      'alice\0',
      '*',
      'a*',
      '%u',
      '$&',
      'ä€😀',
      '__proto__',
      '#',
      '../alice',
      "alice' or 1",
    ])
      t.equal((await ask(unknown, passwordOfContract)).outcome, outcomeOfUnknown, JSON.stringify(unknown));
    t.not((await ask('', passwordOfContract)).outcome, 'accepted', 'an empty name');
    t.equal((await ask(undefined, undefined)).outcome, 'unknown', 'nothing is given');
    t.not((await ask(undefined, passwordOfContract)).outcome, 'accepted', 'a password alone');
    const asManyAsCan = await Promise.all(Array.from({ length: 20 }, () => ask('alice', passwordOfContract)));
    t.ok(
      asManyAsCan.every(({ outcome }) => outcome === 'accepted'),
      'many at once',
    );
    await authenticator.stop?.();
    await close?.();
  });
}
