import t from 'tap';
import type { AuthenticationResult, Authenticator, Credentials } from '../../access/authenticator.js';
import { AuthenticatorChain } from '../../access/chain.js';
import { nobody, unrestricted } from '../../access/identity.js';
import { SharedToken } from '../../access/shared-token.js';

const credentials: Credentials = { transport: 'mqtt', address: '127.0.0.1', userName: 'alice' };
const alice: AuthenticationResult = { outcome: 'accepted', identity: { ...nobody, userName: 'alice' } };
const unknown: AuthenticationResult = { outcome: 'unknown' };
const banned: AuthenticationResult = {
  outcome: 'refused',
  reason: 'not-allowed',
  sentence: 'You are banned.',
};
const away: AuthenticationResult = { outcome: 'unavailable', sentence: 'Redis is away.' };

/** One that answers so; `asked` counts. */
function answering(name: string, answer: () => AuthenticationResult | Promise<AuthenticationResult>) {
  const authenticator = {
    name,
    asked: 0,
    authenticate() {
      authenticator.asked++;
      return answer();
    },
  };
  return authenticator;
}

function chainOf(...links: Authenticator[]) {
  const faults: string[] = [];
  const chain = new AuthenticatorChain(links, (name, error) =>
    faults.push(`${name}: ${(error as Error).message}`),
  );
  return { chain, faults };
}

t.test('the first that knows the user decides, at once where all answer at once', async (t) => {
  for (const decision of [alice, banned, away]) {
    const last = answering('last', () => alice);
    const { chain } = chainOf(
      answering('one', () => unknown),
      answering('two', () => decision),
      last,
    );
    t.equal(chain.authenticate(credentials), decision);
    t.equal(last.asked, 0);
  }
});

t.test('the ones behind one that waits are asked when it has answered', async (t) => {
  const last = answering('last', () => alice);
  const { chain } = chainOf(
    answering('slow', async () => unknown),
    last,
  );
  const answer = chain.authenticate(credentials);
  t.type(answer, Promise);
  t.equal(last.asked, 0);
  t.equal(await answer, alice);
  t.equal(
    await chainOf(
      answering('slow', async () => banned),
      last,
    ).chain.authenticate(credentials),
    banned,
  );
});

t.test('where nobody knows the user, it is refused, and told whether it gave anything', async (t) => {
  const { chain } = chainOf(answering('one', () => unknown));
  t.match(chain.authenticate(credentials), { outcome: 'refused', reason: 'bad-credentials' });
  t.match(chain.authenticate({ transport: 'http', address: '::1' }), {
    outcome: 'refused',
    reason: 'no-credentials',
  });
});

t.test('an authenticator that throws, rejects or answers nonsense lets nobody in', async (t) => {
  const faults: [string, () => AuthenticationResult | Promise<AuthenticationResult>][] = [
    [
      'throws',
      () => {
        throw new Error('boom');
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('boom');
      },
    ],
    ['nonsense', () => ({ outcome: 'yes' }) as never],
    ['late nonsense', async () => true as never],
    ['nothing', () => undefined as never],
  ];
  for (const [name, answer] of faults) {
    const last = answering('last', () => alice);
    const { chain, faults: told } = chainOf(answering(name, answer), last);
    t.match(await chain.authenticate(credentials), { outcome: 'unavailable' }, name);
    t.equal(told.length, 1, name);
    t.equal(last.asked, 0, name);
  }
});

t.test('without authenticators nobody is asked', async (t) => {
  t.equal(chainOf().chain.required, false);
  t.equal(chainOf(new SharedToken('0123456789abcdef')).chain.required, true);
});

t.test('the shared token lets in who knows it, as a token or as a password', async (t) => {
  const { chain } = chainOf(new SharedToken('0123456789abcdef'));
  const accepted = { outcome: 'accepted', identity: unrestricted };
  const base = { transport: 'mqtt', address: '127.0.0.1' } as const;
  t.match(chain.authenticate({ ...base, password: Buffer.from('0123456789abcdef') }), accepted);
  t.match(chain.authenticate({ ...base, token: '0123456789abcdef' }), accepted);
  for (const bad of ['', '0123456789abcde', '0123456789abcdeF', '0123456789abcdef0'])
    t.match(
      chain.authenticate({ ...base, token: bad, password: Buffer.from(bad) }),
      { reason: 'bad-credentials' },
      bad,
    );
  t.match(chain.authenticate(base), { reason: 'no-credentials' });
  const basic = { ...base, transport: 'api', password: Buffer.from('0123456789abcdef') } as const;
  t.match(chain.authenticate(basic), { reason: 'bad-credentials' }, 'over HTTP it is no password');
  const cookie = { ...base, transport: 'api', token: '0123456789abcdef', tokenIsCookie: true } as const;
  t.match(chain.authenticate(cookie), { reason: 'bad-credentials' }, 'a browser sends cookies by itself');
  t.throws(() => new SharedToken(''), RangeError);
});

t.test('stopping a chain stops its authenticators', async (t) => {
  let stopped = 0;
  const stop = async () => {
    stopped++;
  };
  await chainOf(
    { ...answering('one', () => unknown), stop },
    answering('two', () => unknown),
  ).chain.stop();
  t.equal(stopped, 1);
});
