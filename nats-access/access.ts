import { type ConnectionOptions, credsAuthenticator } from '@nats-io/transport-node';
import { FileError, readNamed } from '../redis-access/named-file.js';
import { tlsOptionsOf } from './tls.js';
import type { TlsFiles } from './tls-files.js';

/** Which NATS, who this process is to it, and how that is proven. */
export interface Access {
  /** `nats://host:port` or `tls://host:port`, with `user:password@` where it is wanted; any of one NATS cluster. */
  readonly servers: readonly string[];
  /** Without one, the user and password in a URL. */
  readonly token?: string | undefined;
  /** File of a user's JWT and seed, as `nsc` writes it. */
  readonly credentialsFile?: string | undefined;
  readonly tls?: TlsFiles | undefined;
}

/** The part of the client's options that says this. @throws FileError where the credentials cannot be used */
export function accessOptions(access: Access): ConnectionOptions {
  const { servers, tls } = access;
  return { servers: servers.map(withoutUser), ...proofOf(access), ...tlsOptionsOf(servers, tls) };
}

/** As it may be shown and logged. */
export function withoutUser(server: string): string {
  return server.replace(/\/\/[^@/]*@/, '//');
}

function proofOf({ servers, token, credentialsFile }: Access): ConnectionOptions {
  if (token !== undefined) return { token };
  if (credentialsFile === undefined) return userOf(servers);
  return { authenticator: credsAuthenticator(Buffer.from(readCredentials(credentialsFile))) };
}

/** The client parses it only when it signs, in the middle of connecting. */
function readCredentials(path: string): string {
  const flag = '--nats-creds';
  const credentials = readNamed(flag, path);
  if (/BEGIN NATS USER JWT/.test(credentials) && /BEGIN USER NKEY SEED/.test(credentials)) return credentials;
  throw new FileError(`${flag} ${path} has no user JWT with its seed: it names the file that nsc wrote.`);
}

/** Of the first URL that has one: all servers of a cluster know the same users. The client reads none in a URL. */
function userOf(servers: readonly string[]): ConnectionOptions {
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
