import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import t from 'tap';
import type { Identity } from '../../access/identity.js';
import { IdentityCache } from '../../access/identity-cache.js';
import { JwtAuthenticator } from '../../access/jwt.js';
import { type JwtKeys, keysOfFile, keysOfSecret } from '../../access/jwt-keys.js';
import { keyPairs, nowSec, secret } from '../access/tokens.js';
import { encke, inTurn } from './encke.js';
import './no-settings.js';
import { isUsageError } from './usage-error.js';

/** `encke token` makes tokens that `encke start --auth jwt` takes. */

const directory = t.testdir({});
const secretFile = join(directory, 'secret');
writeFileSync(secretFile, `${secret}\n`);

async function tokenOf(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await encke(['token', ...args]);
  t.equal(code, 0, stderr);
  t.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/, 'the token and nothing else');
  return stdout.trim();
}

async function identityOf(token: string, keys: JwtKeys, more = {}): Promise<Identity> {
  const jwt = new JwtAuthenticator({
    ...keys,
    ...{ issuers: [], audiences: [], leewaySec: 0, userClaim: 'sub', ...more },
    cache: new IdentityCache({ bytesMax: 1, ageSec: 0 }),
  });
  const result = await jwt.authenticate({ transport: 'http', address: '::1', token });
  if (result.outcome !== 'accepted') throw new Error(JSON.stringify(result));
  return result.identity;
}

t.test('with a secret: name, rules and end are as asked', async (t) => {
  const token = await tokenOf(
    ...['--secret-file', secretFile, '--sub', 'alice', '--subs', 'user/%u/#', '--subs', 'news'],
    ...['--pubs', 'user/%u/out', '--expires', '10m'],
  );
  const { userName, rules, expiresAtMs } = await identityOf(token, keysOfSecret(secret));
  t.equal(userName, 'alice');
  t.equal(rules.permissionOf('alice', undefined, 'subscribe', 'user/alice/#'), 'allow');
  t.equal(rules.permissionOf('alice', undefined, 'subscribe', 'news'), 'allow');
  t.equal(rules.permissionOf('alice', undefined, 'publish', 'user/alice/out'), 'allow');
  t.equal(rules.permissionOf('alice', undefined, 'publish', 'news'), undefined);
  const leftSec = expiresAtMs! / 1000 - nowSec();
  t.ok(leftSec > 500 && leftSec <= 600, `${leftSec} s`);
});

t.test('the secret may be in the variable of encke start; without --expires it is an hour', async (t) => {
  const environment = { ENCKE_AUTH_JWT_SECRET_FILE: secretFile, ENCKE_AUTH_JWT_USER_CLAIM: 'email' };
  const { stdout } = await encke(['token', '--sub', 'a@b'], { environment });
  const claims = decodeJwt(stdout.trim());
  t.match(claims, { email: 'a@b' });
  t.ok(claims.exp! - claims.iat! === 3_600);
  t.notOk('sub' in claims);
});

t.test('a token for one id may read that id, and nothing else', async (t) => {
  const token = await tokenOf('--secret-file', secretFile, '--id', 'room/7');
  const { userName, rules } = await identityOf(token, keysOfSecret(secret));
  t.equal(userName, undefined);
  t.equal(rules.permissionOf(undefined, undefined, 'subscribe', 'room/7'), 'allow');
  for (const other of ['room/8', 'room/#', 'room/+', 'room/7/x'])
    t.equal(rules.permissionOf(undefined, undefined, 'subscribe', other), undefined, other);
  t.equal(rules.permissionOf(undefined, undefined, 'publish', 'room/7'), undefined);
});

t.test('with a private key of each kind, in PEM and as JWK', async (t) => {
  await inTurn([...keyPairs().entries()], async ([n, { privateKey, publicKey, algorithm }]) => {
    const file = join(directory, `private-${n}`);
    const isJwk = n % 2 === 1;
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
    writeFileSync(file, isJwk ? JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid: 'k1' }) : pem);
    const token = await tokenOf('--key-file', file, '--algorithm', algorithm, '--sub', 'alice');
    t.match(decodeProtectedHeader(token), { alg: algorithm, ...(isJwk ? { kid: 'k1' } : {}) });
    const keys = keysOfFile(publicKey.export({ format: 'pem', type: 'spki' }) as string);
    t.equal((await identityOf(token, keys)).userName, 'alice', algorithm);
  });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  writeFileSync(join(directory, 'sec1'), privateKey.export({ format: 'pem', type: 'sec1' }));
  const token = await tokenOf(
    ...[
      '--key-file',
      join(directory, 'sec1'),
      '--key-id',
      'k2',
      '--issuer',
      'https://login',
      '--audience',
      'encke',
    ],
    ...['--claim', 'tenant=acme', '--claim', 'groups=["a","b"]', '--expires', 'never', '--sub', 'bob'],
  );
  t.match(decodeProtectedHeader(token), { alg: 'ES384', kid: 'k2' });
  t.match(decodeJwt(token), { iss: 'https://login', aud: 'encke', tenant: 'acme', groups: ['a', 'b'] });
  t.notOk('exp' in decodeJwt(token));
  const pem = createPublicKey(privateKey).export({ format: 'pem', type: 'spki' }) as string;
  const checks = { issuers: ['https://login'], audiences: ['encke'] };
  t.equal((await identityOf(token, keysOfFile(pem), checks)).userName, 'bob');
});

t.test('what cannot be is a usage error that says why, and prints no secret', async (t) => {
  const files: Record<string, string> = { short: 'too-short-a-secret', text: 'no key', public: '' };
  const pair = generateKeyPairSync('ed25519');
  files.public = pair.publicKey.export({ format: 'pem', type: 'spki' }) as string;
  files.private = pair.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  files.jwk = JSON.stringify(pair.publicKey.export({ format: 'jwk' }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const of = (name: string) => join(directory, name);
  const signed = ['--secret-file', secretFile];
  const cases: [args: string[], sentence: RegExp][] = [
    [[], /--secret-file, or --key-file/],
    [['--secret-file', of('away')], /ENOENT/],
    [['--secret-file', of('short')], /18 bytes, and HS256 wants at least 32/],
    [['--key-file', of('text')], /no private key/],
    [['--key-file', of('public')], /no private key/],
    [['--key-file', of('jwk')], /no private key/],
    [['--key-file', of('private'), ...signed], /both given/],
    [['--key-file', of('private'), '--algorithm', 'HS256'], /does not go with this key: give one of EdDSA/],
    [[...signed, '--algorithm', 'none'], /does not go with this key/],
    [[...signed, '--subs', 'a+'], /whole level/],
    [[...signed, '--id', 'a/#'], /without wildcards/],
    [[...signed, '--id', 'user/%u'], /without wildcards, %u/],
    [[...signed, '--id', 'a', '--subs', 'b'], /leave out --subs/],
    [[...signed, '--link', 'http://127.0.0.1:8000/events'], /--link goes with --id/],
    [[...signed, '--id', 'a', '--link', 'ws://x'], /http URL of a stream/],
    [[...signed, '--expires', 'tomorrow'], /such as/],
    [[...signed, '--expires', '0s'], /above 0/],
    [[...signed, '--claim', 'x'], /name=value/],
  ];
  await inTurn(cases, async ([args, sentence]) => {
    const outcome = await encke(['token', ...args]);
    isUsageError(t, args.join(' '), outcome, sentence);
    t.notMatch(outcome.stderr, files.short);
  });
});
