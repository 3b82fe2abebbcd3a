import t from 'tap';
import { type AuthenticationDecision, badCredentials, type Credentials } from '../../access/authenticator.js';
import { FailedLogins, type FailedLoginsOptions } from '../../access/failed-logins.js';
import { UserIdentity, unrestricted } from '../../access/identity.js';
import { Rules } from '../../access/rules.js';

/** Failed logins, on a clock that the test moves. */

const accepted: AuthenticationDecision = { outcome: 'accepted', identity: unrestricted };
const acceptedAs = (userName: string): AuthenticationDecision => ({
  outcome: 'accepted',
  identity: new UserIdentity(userName, Rules.none),
});
const unavailable: AuthenticationDecision = { outcome: 'unavailable', sentence: 'away' };
const expired: AuthenticationDecision = { outcome: 'refused', reason: 'expired', sentence: 'Too old.' };

class Bench {
  sec = 1_000;
  readonly limits: string[] = [];
  readonly failedLogins: FailedLogins;

  constructor(options: Partial<FailedLoginsOptions> = {}) {
    this.failedLogins = new FailedLogins({
      perAddressMax: 20,
      perNameMax: 5,
      windowSec: 60,
      bytesMax: 65_536,
      onLimit: (limit, address) => this.limits.push(`${limit} ${address}`),
      nowMs: () => this.sec * 1000,
      ...options,
    });
  }

  /** @returns seconds to wait, or 'asked' where the authenticator decided */
  tries(userName: string, address: string, decision = badCredentials, waited = true): number | 'asked' {
    return this.triesWith({ transport: 'http', userName, address }, decision, waited);
  }

  triesWith(credentials: Credentials, answer = badCredentials, waited = true): number | 'asked' {
    const { userName } = credentials;
    const decision = answer === accepted && userName !== undefined ? acceptedAs(userName) : answer;
    const refusal = this.failedLogins.refusalOf(credentials);
    if (refusal === undefined) {
      this.failedLogins.note(credentials, decision, waited);
      return 'asked';
    }
    if (refusal.outcome !== 'refused' || refusal.reason !== 'too-many-attempts') throw new Error('not so');
    return refusal.retryAfterSec!;
  }

  asked(userName: string, address: string, attempts: number): number {
    let asked = 0;
    for (let n = 0; n < attempts; n++) if (this.tries(userName, address) === 'asked') asked++;
    return asked;
  }
}

t.test(
  'spellings that are one user to an authenticator count together, and only its own name is let in',
  (t) => {
    const bench = new Bench({ canonicalNameOf: (name) => name.toLowerCase() });
    const spellings = ['alice', 'Alice', 'ALICE', 'aLice', 'alIce', 'alicE', 'ALice'];
    const asked = spellings.filter((name, n) => bench.tries(name, `10.0.0.${n + 1}`) === 'asked');
    t.equal(asked.length, spellings.length, 'each new place has one attempt');
    t.type(bench.tries('aliCE', '10.0.0.1'), 'number');

    const fresh = new Bench({ canonicalNameOf: (name) => name.toLowerCase() });
    const spelled = (n: number) => spellings[n % spellings.length]!;
    let tried = 0;
    while (tried < 100 && fresh.tries(spelled(tried), '10.0.0.1') === 'asked') tried++;
    t.equal(tried, 5, 'as many as with one spelling');

    // To another authenticator ALICE may be a user of its own, whose password must not clear what alice’s has cost.
    const other = new Bench({ canonicalNameOf: (name) => name.toLowerCase() });
    for (let n = 0; n < 4; n++) other.tries('alice', '10.0.0.1');
    other.tries('ALICE', '10.0.0.1', acceptedAs('ALICE'));
    t.equal(other.tries('alice', '10.0.0.1'), 'asked');
    t.type(other.tries('alice', '10.0.0.1'), 'number');
    t.end();
  },
);

t.test('past the limit of a name nobody is asked, and then one attempt after the other', async (t) => {
  const bench = new Bench();
  t.equal(bench.asked('alice', '10.0.0.1', 100), 5);
  t.equal(bench.tries('alice', '10.0.0.1'), 12, 'a fifth of a minute');
  t.same(bench.limits, ['name 10.0.0.1'], 'said once');
  bench.sec += 12;
  t.equal(bench.asked('alice', '10.0.0.1', 100), 1);
  bench.sec += 30;
  t.equal(bench.asked('alice', '10.0.0.1', 100), 2);
  bench.sec += 60;
  t.equal(bench.asked('alice', '10.0.0.1', 100), 5, 'all is forgotten');
  t.equal(bench.asked('bob', '10.0.0.1', 1), 1, 'another name from there');
  t.equal(bench.failedLogins.counters.failed, 14);
  t.equal(bench.failedLogins.counters.refused, 388);
});

t.test('past the limit of an address none of its names is asked for', async (t) => {
  const bench = new Bench();
  let asked = 0;
  for (let n = 0; n < 100; n++) asked += bench.asked(`user-${n}`, '10.0.0.1', 1);
  t.equal(asked, 20);
  t.same(bench.limits, ['address 10.0.0.1']);
  t.equal(bench.tries('carol', '10.0.0.1', accepted), 3);
  t.equal(bench.tries('carol', '10.0.0.2', accepted), 'asked');
});

t.test(
  'an attacked name is open to its user, from where it came before and from a new address',
  async (t) => {
    const bench = new Bench();
    t.equal(bench.tries('alice', '192.0.2.1', accepted), 'asked', 'at home');
    for (let n = 0; n < 50; n++) bench.tries('alice', `10.0.0.${n}`);
    t.equal(bench.asked('alice', '10.0.0.7', 3), 0, 'the attackers have had their turn');
    t.equal(bench.tries('alice', '192.0.2.1', accepted), 'asked', 'at home again');
    t.equal(bench.tries('alice', '198.51.100.1', accepted), 'asked', 'on the way, at the first attempt');
    t.equal(bench.tries('alice', '198.51.100.2'), 'asked', 'a mistake on the way');
    t.equal(bench.tries('alice', '198.51.100.2', accepted), 60, 'a window later');
  },
);

t.test(
  'where a user was let in before, only its own failures count, and they are none of others',
  async (t) => {
    const bench = new Bench({ perAddressMax: 6 });
    bench.tries('alice', '10.0.0.1', accepted);
    for (let n = 0; n < 20; n++) bench.tries(`user-${n}`, '10.0.0.1');
    t.equal(bench.tries('bob', '10.0.0.1', accepted), 10, 'the address is at its limit');
    t.equal(bench.asked('alice', '10.0.0.1', 100), 5, 'alice has a limit of her own');
    t.equal(bench.tries('alice', '10.0.0.1'), 12);
    bench.sec += 12;
    t.equal(bench.tries('alice', '10.0.0.1', accepted), 'asked');
    t.equal(bench.asked('alice', '10.0.0.1', 100), 5, 'after the right password she may mistype again');
    t.same(bench.limits, ['address 10.0.0.1']);
  },
);

t.test('however much has failed at once, nobody is held off for more than ten windows', async (t) => {
  const bench = new Bench({ perAddressMax: 0 });
  const credentials = { transport: 'http', userName: 'alice', address: '10.0.0.1' } as const;
  for (let n = 0; n < 5_000; n++) bench.failedLogins.note(credentials, badCredentials, true); // all were under way
  t.equal(bench.triesWith(credentials), 60, 'from a place, one attempt a window');
  bench.sec += 551;
  t.equal(bench.asked('alice', '10.0.0.1', 10), 1);
  bench.sec += 62;
  t.equal(bench.asked('alice', '10.0.0.1', 10), 5);
});

t.test('only wrong credentials count', async (t) => {
  const bench = new Bench();
  for (let n = 0; n < 100; n++) {
    bench.tries('alice', '10.0.0.1', unavailable);
    bench.tries('alice', '10.0.0.1', expired);
    bench.tries('alice', '10.0.0.1', accepted);
  }
  t.equal(bench.failedLogins.count, 0);
  t.equal(bench.failedLogins.counters.refused, 0);
});

t.test('an IPv6 /64 is one address, and a /48 one place', async (t) => {
  const bench = new Bench();
  const address = (net: string, host: number) => `2001:0db8:${net}:0000:0000:0000:000${host}`;
  for (let n = 0; n < 40; n++) bench.tries(`user-${n}`, address('0001:0001', n % 10));
  t.equal(bench.tries('carol', address('0001:0001', 9)), 3, 'the /64');
  t.equal(bench.tries('carol', address('0001:0002', 1)), 'asked', 'the next /64');
  for (let n = 0; n < 9; n++) bench.tries('alice', `10.0.0.${n}`);
  t.equal(bench.tries('alice', address('0002:0001', 1)), 'asked');
  t.equal(bench.tries('alice', address('0002:0002', 1)), 60, 'one attempt for all of the /48');
  t.equal(bench.tries('alice', address('0003:0001', 1)), 'asked');
});

t.test('a token that was good while others failed goes on from the same address', async (t) => {
  const bench = new Bench();
  const publisher: Credentials = {
    transport: 'api',
    address: '127.0.0.1',
    token: 'the-right-one-of-a-server',
  };
  const stale: Credentials = { ...publisher, token: 'the-one-of-last-year-which-is-wrong' };
  t.equal(bench.triesWith(publisher, accepted, false), 'asked');
  bench.triesWith(stale);
  t.equal(bench.triesWith(publisher, accepted, false), 'asked');
  for (let n = 0; n < 15; n++) t.equal(bench.triesWith(stale), 'asked', 'the same one again is no guess');
  for (let n = 0; n < 40; n++) bench.triesWith({ ...stale, token: `guess-${n}` });
  t.equal(typeof bench.triesWith({ ...stale, token: 'one-more-guess' }), 'number');
  t.equal(bench.triesWith(publisher, accepted, false), 'asked');
});

t.test('the token of one user makes no other user known, and is known itself', async (t) => {
  const bench = new Bench({ perAddressMax: 5 });
  const mallory: Credentials = {
    transport: 'mqtt',
    address: '10.0.0.1',
    userName: 'alice',
    password: Buffer.from('eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtYWxsb3J5In0.c2lnbmVk'),
  };
  t.equal(bench.triesWith(mallory, acceptedAs('mallory')), 'asked');
  t.equal(bench.asked('bob', '10.0.0.1', 100), 5, 'the address is at its limit');
  t.equal(typeof bench.tries('alice', '10.0.0.1'), 'number');
  t.equal(bench.triesWith(mallory, acceptedAs('mallory')), 'asked');
  t.equal(bench.triesWith({ ...mallory, password: Buffer.from('guess') }), 12);
  t.equal(bench.triesWith(mallory), 'asked', 'it is revoked');
  t.equal(typeof bench.triesWith(mallory), 'number');
});

t.test('a limit of 0 is none', async (t) => {
  const noName = new Bench({ perNameMax: 0 });
  t.equal(noName.asked('alice', '10.0.0.1', 100), 20);
  const noAddress = new Bench({ perAddressMax: 0 });
  t.equal(noAddress.asked('alice', '10.0.0.1', 100), 5);
  let asked = 0;
  for (let n = 0; n < 100; n++) asked += noAddress.asked(`user-${n}`, '10.0.0.1', 1);
  t.equal(asked, 100);
});

t.test(
  'names and addresses without end take no more memory than they may, and an attack goes on to be seen',
  async (t) => {
    const bytesMax = 65_536;
    const bench = new Bench({ bytesMax });
    let [attacked, most] = [0, 0];
    for (let n = 0; n < 20_000; n++) {
      bench.tries('x'.repeat(1_000) + n, `10.${n % 50}.${Math.floor(n / 256) % 256}.${n % 256}`);
      if (n % 50 === 0) attacked += bench.asked('alice', '192.0.2.1', 1);
      most = Math.max(most, bench.failedLogins.bytes);
    }
    t.equal(attacked, 5);
    t.ok(most > bytesMax / 2 && most <= bytesMax, `${most} bytes`);
    for (let n = 0; n < 60; n++) {
      bench.sec += 60;
      bench.tries('alice', '192.0.2.1');
    }
    t.equal(bench.failedLogins.count, 3, 'what is too old goes with later failures');
  },
);

t.test('a client that is let in without a name has proved none: it does not forget failures', (t) => {
  const bench = new Bench();
  const device = { transport: 'mqtt', clientId: 'device-1', address: '10.0.0.1' } as const;
  const anonymous: AuthenticationDecision = {
    outcome: 'accepted',
    identity: new UserIdentity(undefined, Rules.none),
  };
  let asked = 0;
  for (let n = 0; n < 100; n++) {
    if (bench.triesWith({ ...device, password: Buffer.from(`guess ${n}`) }) === 'asked') asked++;
    if (n % 3 === 0) bench.triesWith(device, anonymous);
  }
  t.equal(asked, 5);
  t.end();
});

t.test('a password is never known by itself, whatever name the user has', (t) => {
  const bench = new Bench();
  const login = { transport: 'http', address: '10.0.0.1', password: Buffer.from('secret') } as const;
  bench.triesWith({ ...login, userName: 'Alice' }, acceptedAs('alice'));
  bench.asked('bob', '10.0.0.1', 100);
  bench.asked('eve', '10.0.0.1', 100);
  const wrong = bench.triesWith({ ...login, password: Buffer.from('wrong'), userName: 'bob' });
  t.not(wrong, 'asked');
  t.equal(bench.triesWith({ ...login, userName: 'bob' }), wrong, 'the right password of another user, too');
  t.end();
});
