import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';

/**
 * What `nsc` makes: an operator, an account and a user, each a JWT signed by the one above; and the account that JetStream wants. Written by hand, as nsc is in
 * no package of Debian's.
 */

/** The keys' own package comes with the client, and not under a name of ours. */
const requireOfClient = createRequire(createRequire(import.meta.url).resolve('@nats-io/transport-node'));
const { createAccount, createOperator, createUser } = requireOfClient('@nats-io/nkeys') as {
  [make: string]: () => KeyPair;
};

interface KeyPair {
  getPublicKey(): string;
  getSeed(): Uint8Array;
  sign(data: Uint8Array): Uint8Array;
}

/** @returns the part of nats-server's configuration, and the text of the user's credentials file */
export function makeAccounts(): { configuration: string; credentials: string } {
  const operator = createOperator!();
  const account = createAccount!();
  const system = createAccount!();
  const user = createUser!();
  const all = { subs: -1, data: -1, payload: -1 };
  const stores = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const noStores = { mem_storage: 0, disk_storage: 0, streams: 0, consumer: 0 };
  const limits = { ...all, conn: -1, leaf: -1, imports: -1, exports: -1, wildcards: true, ...stores };
  const operatorJwt = signed(operator, operator, 'operator', {});
  const accountJwt = signed(operator, account, 'account', { limits });
  const systemJwt = signed(operator, system, 'account', { limits: { ...limits, ...noStores } });
  const userJwt = signed(account, user, 'user', { pub: {}, sub: {}, ...all });
  return {
    configuration: `
operator: ${operatorJwt}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload { ${account.getPublicKey()}: ${accountJwt}, ${system.getPublicKey()}: ${systemJwt} }`,
    credentials: `
-----BEGIN NATS USER JWT-----
${userJwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${Buffer.from(user.getSeed()).toString()}
------END USER NKEY SEED------
`,
  };
}

function signed(by: KeyPair, of: KeyPair, type: string, claims: object): string {
  const body = {
    jti: randomBytes(16).toString('hex'),
    iat: Math.floor(Date.now() / 1000),
    iss: by.getPublicKey(),
    name: type,
    sub: of.getPublicKey(),
    nats: { ...claims, type, version: 2 },
  };
  const unsigned = [{ typ: 'JWT', alg: 'ed25519-nkey' }, body]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${unsigned}.${Buffer.from(by.sign(Buffer.from(unsigned))).toString('base64url')}`;
}
