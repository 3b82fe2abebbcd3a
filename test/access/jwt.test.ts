import { type KeyObject, sign as signBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import type { AuthenticationResult, Credentials } from '../../access/authenticator.js';
import { IdentityCache } from '../../access/identity-cache.js';
import { JwtAuthenticator, type JwtOptions } from '../../access/jwt.js';
import { type JwtKeys, keysOfFile, keysOfSecret, keysOfServer } from '../../access/jwt-keys.js';
import { until } from '../until.js';
import { identityIn } from './credentials.js';
import { forge, hmac, KeyServer, keyPairs, nowSec, secret, sign } from './tokens.js';

const pairs = keyPairs();
const rsa = pairs[0]!;
const pemOf = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();

function authenticatorWith(keys: JwtKeys, options: Partial<JwtOptions> = {}): JwtAuthenticator {
  const cache = new IdentityCache({ bytesMax: 1_000_000, ageSec: 60 });
  return new JwtAuthenticator({
    ...keys,
    issuers: [],
    audiences: [],
    leewaySec: 0,
    userClaim: 'sub',
    cache,
    ...options,
  });
}

function check(authenticator: JwtAuthenticator, token: string) {
  return authenticator.authenticate({ transport: 'http', address: '127.0.0.1', token });
}

async function isRefused(
  t: Test,
  authenticator: JwtAuthenticator,
  token: string,
  sentence: RegExp,
  name = token.slice(0, 40),
): Promise<void> {
  t.match(await check(authenticator, token), { outcome: 'refused', sentence }, name);
}

t.test('a token of a shared secret says who it is, and what it may', async (t) => {
  const authenticator = authenticatorWith(keysOfSecret(secret));
  for (const algorithm of ['HS256', 'HS384', 'HS512']) {
    const token = await sign({ sub: 'alice', subs: ['user/%u/#'], pubs: ['in/%c'] }, undefined, algorithm);
    const { userName, rules, isSuperuser, expiresAtMs } = identityIn(await check(authenticator, token));
    t.equal(userName, 'alice');
    t.equal(isSuperuser, false);
    t.ok(expiresAtMs! > Date.now() + 3_500_000);
    t.equal(rules.permissionOf('alice', 'c', 'subscribe', 'user/alice/x'), 'allow');
    t.equal(rules.permissionOf('alice', 'c', 'publish', 'user/alice/x'), undefined);
    t.equal(rules.permissionOf('alice', 'c', 'publish', 'in/c'), 'allow');
  }
});

t.test('a token is taken of each kind of key, from a file and from a server', async (t) => {
  const server = await KeyServer.start();
  t.teardown(() => server.stop());
  for (const [index, pair] of pairs.entries()) server.add(pair, `key-${index}`);
  const ofServer = authenticatorWith(keysOfServer(server.url, () => t.fail('the key set is fetched')));
  const ofSet = authenticatorWith(keysOfFile(JSON.stringify({ keys: server.keys })));
  for (const [index, { algorithm, privateKey, publicKey }] of pairs.entries()) {
    const token = await sign({ sub: 'alice' }, privateKey, algorithm, { kid: `key-${index}` });
    for (const authenticator of [ofServer, ofSet, authenticatorWith(keysOfFile(pemOf(publicKey)))])
      t.equal(identityIn(await check(authenticator, token)).userName, 'alice', algorithm);
  }
  t.equal(server.requests, 1, 'the key set is fetched once');
});

t.test(
  'the password of MQTT may be the token; what looks like none is for the next authenticator',
  async (t) => {
    const authenticator = authenticatorWith(keysOfSecret(secret));
    const given = async (credentials: Partial<Credentials>) =>
      (await authenticator.authenticate({ transport: 'mqtt', address: '::1', ...credentials })).outcome;
    t.equal(await given({ userName: 'x', password: Buffer.from(await sign({ sub: 'alice' })) }), 'accepted');
    t.equal(await given({ userName: 'x', password: Buffer.from('a password') }), 'unknown');
    t.equal(await given({ userName: 'x', password: Buffer.from([0xff, 0x2e, 0x2e]) }), 'unknown');
    t.equal(await given({ token: 'a-token-without-dots' }), 'unknown');
    t.equal(await given({}), 'unknown');
    for (const password of ['my.dotted.password', 'a.b.', 'bnVsbA.x.y', 'e30.x.y', 'W10.x.y', 'ImFsZyI.x.y'])
      t.equal(await given({ userName: 'x', password: Buffer.from(password) }), 'unknown', password);
    const none = forge({ alg: 'none' }, { sub: 'root' }, () => '');
    t.equal(await given({ userName: 'x', password: Buffer.from(none) }), 'refused');
    t.equal(await given({ token: 'my.dotted.token' }), 'refused', 'a token is a token');
  },
);

t.test('attacks on the signature are refused', async (t) => {
  const ofRsa = authenticatorWith(keysOfFile(pemOf(rsa.publicKey)));
  const ofSecret = authenticatorWith(keysOfSecret(secret));
  const payload = { sub: 'root', pubs: ['#'], exp: nowSec() + 3600 };
  const pem = pemOf(rsa.publicKey);
  const der = rsa.publicKey.export({ type: 'spki', format: 'der' });
  const attacks: [string, JwtAuthenticator, string][] = [
    ['none', ofRsa, forge({ alg: 'none' }, payload, () => '')],
    ['None', ofSecret, forge({ alg: 'None' }, payload, () => '')],
    ['none with a signature', ofSecret, forge({ alg: 'none' }, payload, hmac(secret))],
    ['no algorithm', ofSecret, forge({}, payload, hmac(secret))],
    ['the public key as a secret (PEM)', ofRsa, forge({ alg: 'HS256' }, payload, hmac(pem))],
    ['the public key as a secret (PEM, trimmed)', ofRsa, forge({ alg: 'HS256' }, payload, hmac(pem.trim()))],
    ['the public key as a secret (DER)', ofRsa, forge({ alg: 'HS256' }, payload, hmac(der))],
    ['an empty secret', ofSecret, forge({ alg: 'HS256' }, payload, hmac(''))],
    ['another secret', ofSecret, forge({ alg: 'HS256' }, payload, hmac(`${secret}x`))],
    ['no signature', ofSecret, forge({ alg: 'HS256' }, payload, () => '')],
    [
      'a short signature',
      ofSecret,
      forge({ alg: 'HS256' }, payload, (signed) => hmac(secret)(signed).slice(0, 8)),
    ],
    ['an unknown algorithm', ofSecret, forge({ alg: 'HS1' }, payload, hmac(secret, 'sha1'))],
    ['a critical extension', ofSecret, forge({ alg: 'HS256', crit: ['x'], x: 1 }, payload, hmac(secret))],
    ['a key in the header', ofRsa, forgedWithOwnKey('jwk')],
    ['a URL of keys in the header', ofRsa, forgedWithOwnKey('jku')],
    [
      'an ECDSA signature of zeros',
      authenticatorWith(keysOfFile(pemOf(pairs[3]!.publicKey))),
      forge({ alg: 'ES256' }, payload, () => Buffer.alloc(64).toString('base64url')),
    ],
  ];
  for (const [name, authenticator, token] of attacks)
    await isRefused(t, authenticator, token, /not valid/, name);
  const [header, , signature] = (await sign({ sub: 'alice' })).split('.');
  const swapped = `${header}.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.${signature}`;
  await isRefused(t, ofSecret, swapped, /not valid/, 'the payload of another token');

  /** Signed well, with a key that the token brings along. */
  function forgedWithOwnKey(field: 'jwk' | 'jku'): string {
    const own = pairs[3]!;
    const header = {
      alg: 'ES256',
      [field]: field === 'jwk' ? own.publicKey.export({ format: 'jwk' }) : 'http://127.0.0.1:1/jwks.json',
    };
    return forge(header, payload, (signed) =>
      signBytes('sha256', Buffer.from(signed), { key: own.privateKey, dsaEncoding: 'ieee-p1363' }).toString(
        'base64url',
      ),
    );
  }
});

t.test('a key id is only compared: no file and no URL is read for it', async (t) => {
  const server = await KeyServer.start();
  t.teardown(() => server.stop());
  server.add(rsa, 'good');
  const authenticator = authenticatorWith(keysOfServer(server.url, () => t.fail('the key set is fetched')));
  for (const kid of [
    '../../../../dev/null',
    '/etc/passwd',
    'http://127.0.0.1:1/',
    "' OR 1=1 --",
    '__proto__',
    'x'.repeat(1000),
  ])
    await isRefused(
      t,
      authenticator,
      await sign({ sub: 'root' }, rsa.privateKey, 'RS256', { kid }),
      /not valid/,
      kid,
    );
  await isRefused(
    t,
    authenticator,
    forge({ alg: 'HS256', kid: '../../dev/null' }, { sub: 'root' }, hmac('')),
    /not valid/,
  );
  t.ok(server.requests <= 2, 'unknown key ids do not make it ask again and again');
});

t.test('a key set never has a shared secret, whoever put one there', async (t) => {
  const k = Buffer.from(secret).toString('base64url');
  const authenticator = authenticatorWith(
    keysOfFile(JSON.stringify({ keys: [{ kty: 'oct', k, kid: 'x' }] })),
  );
  await isRefused(
    t,
    authenticator,
    await sign({ sub: 'root' }, undefined, 'HS256', { kid: 'x' }),
    /not valid/,
  );
});

t.test('times, issuer and audience are looked at, within the leeway', async (t) => {
  const strict = authenticatorWith(keysOfSecret(secret), { issuers: ['us', 'them'], audiences: ['encke'] });
  const good = { sub: 'alice', iss: 'them', aud: ['other', 'encke'] };
  t.equal((await check(strict, await sign(good))).outcome, 'accepted');
  await isRefused(t, strict, await sign({ ...good, aud: 'other' }), /claim aud/);
  await isRefused(t, strict, await sign({ sub: 'alice', iss: 'us' }), /claim aud/, 'no audience');
  await isRefused(t, strict, await sign({ ...good, iss: 'eve' }), /claim iss/);
  await isRefused(
    t,
    strict,
    await sign({ ...good, iss: ['us'] as never }),
    /claim iss/,
    'a list is no issuer',
  );
  await isRefused(t, strict, await sign({ ...good, nbf: nowSec() + 60 }), /claim nbf/);
  const expired = await sign({ ...good, exp: nowSec() - 10 });
  t.match(await check(strict, expired), { reason: 'expired', sentence: /has expired/ });
  await isRefused(t, strict, await sign({ ...good, exp: 'never' as never }), /./, 'a time that is none');
  const lenient = authenticatorWith(keysOfSecret(secret), { leewaySec: 30 });
  const late = identityIn(await check(lenient, expired));
  t.ok(late.expiresAtMs! > Date.now() + 10_000, 'the leeway is time to stay, too');
  t.equal(
    identityIn(await check(lenient, await sign({ sub: 'a', exp: null as never }))).expiresAtMs,
    undefined,
  );
});

t.test('claims that are no rules, or no name, let nobody in', async (t) => {
  const authenticator = authenticatorWith(keysOfSecret(secret));
  const bad: [object, RegExp][] = [
    [{ subs: 'user/#' }, /claim subs of the token is a list/],
    [{ pubs: { a: 1 } }, /claim pubs of the token is a list/],
    [{ subs: [7] }, /claim subs of the token is wrong/],
    [{ subs: ['a/#/b'] }, /claim subs of the token is wrong. In a topic filter/],
    [{ pubs: Array(1001).fill('a') }, /at most 1000/],
    [{ sub: 7 }, /claim sub of the token is a text/],
  ];
  for (const [claims, sentence] of bad)
    await isRefused(t, authenticator, await sign(claims as never), sentence);
  const named = authenticatorWith(keysOfSecret(secret), { userClaim: 'email' });
  t.equal(identityIn(await check(named, await sign({ sub: 'x', email: 'a@b' } as never))).userName, 'a@b');
  await isRefused(t, authenticator, `${'a'.repeat(8_200)}.b.c`, /at most 8192/);
});

t.test('a user name in a claim widens no rule', async (t) => {
  const authenticator = authenticatorWith(keysOfSecret(secret));
  for (const sub of ['+', '#', 'a/b', '$SYS', '']) {
    const { rules, userName } = identityIn(
      await check(authenticator, await sign({ sub, subs: ['%u/#', 'user/%u/#'] })),
    );
    for (const filter of ['#', '+/x', 'a/b/x', 'user/#', 'user/a/b', '$SYS/x'])
      t.equal(rules.permissionOf(userName, undefined, 'subscribe', filter), undefined, `${sub}: ${filter}`);
  }
});

t.test('a token that was good is known at once, until it ends; equal rules are one object', async (t) => {
  const cache = new IdentityCache({ bytesMax: 1_000_000, ageSec: 60 });
  const authenticator = authenticatorWith(keysOfSecret(secret), { cache });
  const token = await sign({ sub: 'alice', subs: ['user/%u/#'], exp: nowSec() + 2 });
  const first = identityIn(await check(authenticator, token));
  const again = check(authenticator, token);
  t.notOk(again instanceof Promise, 'nothing is waited for');
  t.equal(identityIn(again as AuthenticationResult), first);
  t.match(cache.counters, { hits: 1, misses: 1 });
  const bob = identityIn(await check(authenticator, await sign({ sub: 'bob', subs: ['user/%u/#'] })));
  t.equal(bob.rules, first.rules);
  await until('it has ended', async () => (await check(authenticator, token)).outcome === 'refused');
  t.ok(Date.now() >= first.expiresAtMs!);
});

t.test('keys are exchanged while it runs, and known ones go on while their server is away', async (t) => {
  const server = await KeyServer.start();
  t.teardown(() => server.stop());
  const [, , , old, next, unseen] = pairs;
  server.add(old!, 'old');
  const troubles: unknown[] = [];
  const authenticator = authenticatorWith(keysOfServer(server.url, (error) => troubles.push(error)));
  const tokenOf = ({ privateKey, algorithm }: typeof rsa, kid: string, sub = kid) =>
    sign({ sub }, privateKey, algorithm, { kid });
  t.equal(identityIn(await check(authenticator, await tokenOf(old!, 'old'))).userName, 'old');
  server.keys = [];
  server.add(next!, 'next');
  const fresh = await tokenOf(next!, 'next');
  await until(
    'the new key is fetched',
    async () => (await check(authenticator, fresh)).outcome === 'accepted',
  );
  await isRefused(t, authenticator, await tokenOf(old!, 'old', 'again'), /not valid/, 'the old key is gone');
  for (const mood of ['fails', 'nonsense'] as const) {
    server.mood = mood;
    const before = troubles.length;
    await until('it was asked for an unknown key', async () => {
      const result = await check(authenticator, await tokenOf(unseen!, 'unseen'));
      return result.outcome === 'unavailable' && troubles.length > before;
    });
    t.equal((await check(authenticator, await tokenOf(next!, 'next', mood))).outcome, 'accepted', mood);
  }
});

t.test('an outage of the key server does not copy the key set for each token', async (t) => {
  const server = await KeyServer.start();
  t.teardown(() => server.stop());
  const [, , , known, unseen] = pairs;
  server.add(known!, 'known');
  const authenticator = authenticatorWith(keysOfServer(server.url, () => undefined));
  const tokenOf = ({ privateKey, algorithm }: typeof rsa, kid: string, sub: string) =>
    sign({ sub }, privateKey, algorithm, { kid });
  t.equal((await check(authenticator, await tokenOf(known!, 'known', 'first'))).outcome, 'accepted');
  server.mood = 'fails';
  await until(
    'the outage is seen',
    async () => (await check(authenticator, await tokenOf(unseen!, 'unseen', 'x'))).outcome === 'unavailable',
  );
  const tokens = await Promise.all(Array.from({ length: 100 }, (_, n) => tokenOf(known!, 'known', `${n}`)));
  let copies = 0;
  const { structuredClone } = globalThis;
  t.teardown(() => {
    globalThis.structuredClone = structuredClone;
  });
  globalThis.structuredClone = (value, options) => {
    copies++;
    return structuredClone(value, options);
  };
  for (const token of tokens) t.equal((await check(authenticator, token)).outcome, 'accepted');
  t.ok(copies < 50, `${copies} copies for 100 tokens`);
});

t.test('a key server that was never there, or hangs: unavailable, and not refused', async (t) => {
  const server = await KeyServer.start();
  const { url } = server;
  server.mood = 'hangs';
  const token = await sign({ sub: 'alice' }, rsa.privateKey, 'RS256');
  const troubles: unknown[] = [];
  const hanging = authenticatorWith(keysOfServer(url, (error) => troubles.push(error)));
  t.match(await check(hanging, token), { outcome: 'unavailable', sentence: /keys of tokens/ });
  server.stop();
  const away = authenticatorWith(keysOfServer(url, (error) => troubles.push(error)));
  t.match(await check(away, token), { outcome: 'unavailable' });
  t.equal(troubles.length, 2);
});

t.test('a token without a key id is checked with each key that fits', async (t) => {
  const server = await KeyServer.start();
  t.teardown(() => server.stop());
  const signers = Array.from({ length: 10 }, () => keyPairs()[3]!);
  for (const [n, pair] of signers.slice(0, 9).entries()) server.add(pair, `k${n}`);
  const authenticator = authenticatorWith(keysOfServer(server.url, () => undefined));
  const tokenOf = (n: number, claims = {}) =>
    sign({ sub: `${n}`, ...claims }, signers[n]!.privateKey, signers[n]!.algorithm);
  for (const n of [0, 4, 7])
    t.equal((await check(authenticator, await tokenOf(n))).outcome, 'accepted', `${n}`);
  await isRefused(t, authenticator, await tokenOf(8), /not valid/, 'the ninth is not tried');
  await isRefused(t, authenticator, await tokenOf(9), /not valid/, 'of no key');
  t.match(await check(authenticator, await tokenOf(4, { exp: nowSec() - 60 })), { reason: 'expired' });
});

t.test('a key set of more than 1 MB is not read', async (t) => {
  const server = await KeyServer.start();
  t.teardown(() => server.stop());
  server.add(rsa, 'good');
  server.mood = 'huge';
  const troubles: Error[] = [];
  const authenticator = authenticatorWith(keysOfServer(server.url, (error) => troubles.push(error as Error)));
  const token = await sign({ sub: 'alice' }, rsa.privateKey, 'RS256', { kid: 'good' });
  t.match(await check(authenticator, token), { outcome: 'unavailable' });
  t.match(troubles, [{ message: /more than 1048576 bytes/ }]);
});

t.test('a file that holds no public key is refused with a reason', async (t) => {
  const { privateKey } = pairs[3]!;
  const bad = [privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 'nothing', '{', '{"keys": 7}'];
  for (const text of bad) t.throws(() => keysOfFile(text), text.slice(0, 20));
});
