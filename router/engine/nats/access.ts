import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { type Authenticator, credsAuthenticator, type TlsOptions } from '@nats-io/transport-node';
import { EngineError } from './engine-error.js';

/** Who this process is to NATS, who NATS is to it, and what to do where the two do not agree. */

export interface Access {
  token?: string;
  user?: string;
  pass?: string;
  authenticator?: Authenticator;
}

export interface TlsFiles {
  caFile?: string;
  certFile?: string;
  keyFile?: string;
}

/**
 * @param credentialsFile of a user's JWT and seed
 * @throws EngineError where it cannot be used
 */
export function accessOf(
  servers: readonly string[],
  token: string | undefined,
  credentialsFile: string | undefined,
): Access {
  if (token !== undefined) return { token };
  if (credentialsFile === undefined) return userOf(servers);
  return { authenticator: credsAuthenticator(readCredentials(credentialsFile)) };
}

/** The client parses it only when it signs, in the middle of connecting. */
function readCredentials(path: string): Uint8Array {
  let credentials: string;
  try {
    credentials = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new EngineError(
      `The credentials file ${path} cannot be read (${(cause as NodeJS.ErrnoException).code}): --nats-creds names the file that nsc wrote.`,
      { cause },
    );
  }
  if (!/BEGIN NATS USER JWT/.test(credentials) || !/BEGIN USER NKEY SEED/.test(credentials)) {
    throw new EngineError(
      `The credentials file ${path} has no user JWT with its seed: --nats-creds names the file that nsc wrote.`,
    );
  }
  return Buffer.from(credentials);
}

/** Of the first URL that has one: all servers of a cluster know the same users. The client reads none in a URL. */
function userOf(servers: readonly string[]): Access {
  const inUrl = servers.map((server) => /\/\/([^/@]*)@/.exec(server)?.[1]).find((user) => user !== undefined);
  if (inUrl === undefined) return {};
  const [user, ...password] = inUrl.split(':');
  return { user: decoded(user!), pass: decoded(password.join(':')) };
}

/** Where it is no percent-encoding, it is meant as it stands. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * The client takes no notice of the scheme: without options it would go on in plain text, user and password included,
 * where no TLS is offered.
 */
export function tlsOptionsOf(servers: readonly string[], files: TlsFiles | undefined): { tls?: TlsOptions } {
  const mustBeTls = files !== undefined || servers.some((server) => server.startsWith('tls:'));
  if (!mustBeTls) return {};
  // The client hands all of them to node:tls, though its types do not have them.
  return { tls: { ...files, checkServerIdentity: identityCheck(servers) } as TlsOptions };
}

/** Node looks for this name in the certificate where the client tells it none: for servers named by their address. */
const nodesDefaultName = 'localhost';

/** Such a certificate has to be for one of the addresses that were given. */
function identityCheck(servers: readonly string[]) {
  const hosts = servers.map(hostOf);
  const addresses = hosts.filter((host) => isIP(host) !== 0);
  return (name: string, certificate: PeerCertificate): Error | undefined => {
    if (name !== nodesDefaultName || addresses.length === 0) return checkServerIdentity(name, certificate);
    const names = hosts.includes(nodesDefaultName) ? [nodesDefaultName, ...addresses] : addresses;
    const problems = names.map((each) => checkServerIdentity(each, certificate));
    return problems.includes(undefined) ? undefined : problems[0];
  };
}

/** `tls://user:password@[::1]:4222` -> `::1` */
function hostOf(server: string): string {
  const host = server.replace(/^[a-z]+:\/\//, '').replace(/^[^/@]*@/, '');
  return /^\[(.*)\]/.exec(host)?.[1] ?? host.replace(/:\d+$/, '');
}

/** What most likely mends it, as the end of a sentence. @param overTls TLS was asked for on this side */
export function remedyOf(reason: string, overTls: boolean): string {
  // With TLS 1.3 the server's refusal comes when the client takes the connection for made, and the client drops it.
  if (overTls && /timeout/.test(reason))
    return `It may want a certificate of an authority that it knows: ${ownFiles}.`;
  return remedies.find(([pattern]) => pattern.test(reason))?.[1] ?? otherwise;
}

const ownFiles = '--nats-cert-file and --nats-key-file';
const otherwise = 'Start it with "nats-server -js", or name another with --nats.';

const remedies: readonly [RegExp, string][] = [
  [
    /certificate required|handshake failure|bad certificate|unknown ca\b|unknown certificate/i,
    `It wants a certificate of an authority that it knows: ${ownFiles}.`,
  ],
  [/altnames/i, 'Write the server into --nats by a name or address that its certificate has.'],
  [
    /self.signed|unable to (verify|get)|certificate/i,
    'Its certificate is of an authority that is not known here: --nats-ca-file names the file of the right one.',
  ],
  [/support 'tls'/, 'It has no TLS: configure it there, or write nats:// in place of tls://.'],
  [
    /authorization|authentication|credentials/i,
    'Say who this is by --nats-token, --nats-creds, or user and password in --nats, as it is configured there.',
  ],
];
