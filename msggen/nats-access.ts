/** Who a tool is to NATS, and NATS to it: credentials, and TLS as the client does not do it by itself. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { type ConnectionOptions, credsAuthenticator, type TlsOptions } from '@nats-io/transport-node';
import type { NameAddress } from './global-name.js';

/** A file that a flag names and nobody can use. */
export class FileError extends Error {
  override readonly name = 'FileError';
}

/** @throws FileError */
export function accessOf(address: NameAddress): ConnectionOptions {
  const { token, credsFile, caFile, certFile, keyFile, servers } = address;
  const credentials = credsFile === undefined ? undefined : contentOf('--nats-creds', credsFile);
  if (caFile !== undefined) contentOf('--nats-ca-file', caFile);
  if (certFile !== undefined) contentOf('--nats-cert-file', certFile);
  if (keyFile !== undefined) contentOf('--nats-key-file', keyFile);
  const tls = tlsOf(address);
  if (token !== undefined) return { ...tls, token };
  if (credentials !== undefined) return { ...tls, authenticator: credsAuthenticator(credentials) };
  return { ...tls, ...userOf(servers) };
}

/** The client says no more of it than ENOENT, and of credentials only in the middle of connecting. */
function contentOf(flag: string, path: string): Uint8Array {
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch (cause) {
    throw new FileError(`${flag} ${path} cannot be read (${(cause as NodeJS.ErrnoException).code}).`);
  }
  if (flag === '--nats-creds' && !/BEGIN NATS USER JWT[\s\S]*BEGIN USER NKEY SEED/.test(content.toString()))
    throw new FileError(`${flag} ${path} has no user JWT with its seed, as nsc writes them.`);
  return content;
}

/** Of the first URL that has one. The client leaves user and password out of a URL without a word. */
function userOf(servers: readonly string[]): { user?: string; pass?: string } {
  const inUrl = servers.map((server) => /\/\/([^/@]*)@/.exec(server)?.[1]).find((user) => user !== undefined);
  if (inUrl === undefined) return {};
  const [user, ...password] = inUrl.split(':');
  return { user: decoded(user!), pass: decoded(password.join(':')) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // no percent-encoding: meant as it stands
  }
}

/** Without options the client would go on in plain text, credentials included, where a server offers no TLS. */
function tlsOf({ servers, caFile, certFile, keyFile }: NameAddress): { tls?: TlsOptions } {
  const files = {
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
  };
  const wanted = Object.keys(files).length > 0 || servers.some((server) => server.startsWith('tls:'));
  if (!wanted) return {};
  // The client hands all of them to node:tls, though its types do not have them.
  return { tls: { ...files, checkServerIdentity: identityCheck(servers) } as TlsOptions };
}

/** For a server named by its address the client tells Node no name, and Node then looks for `localhost`. */
function identityCheck(servers: readonly string[]) {
  const hosts = servers.map((server) => new URL(server.replace(/^(nats|tls):/, 'http:')).hostname);
  const addresses = hosts.map((host) => host.replace(/^\[|\]$/g, '')).filter((host) => isIP(host) !== 0);
  return (name: string, certificate: PeerCertificate): Error | undefined => {
    const problem = checkServerIdentity(name, certificate);
    if (problem === undefined || name !== 'localhost') return problem;
    const byAddress = addresses.some((address) => checkServerIdentity(address, certificate) === undefined);
    return byAddress ? undefined : problem;
  };
}

/** What most likely mends a connection that could not be had. @param reason the client's message */
export function remedyOf(reason: string, overTls: boolean): string {
  if (/authorization|authentication|credentials/i.test(reason))
    return 'Say who this is: user and password in the URL, --nats-token or --nats-creds.';
  // With TLS 1.3 a server's refusal comes when the client takes the connection for made, and the client drops it.
  if (
    /certificate required|handshake failure|bad certificate|unknown ca\b/i.test(reason) ||
    (overTls && /timeout/.test(reason))
  )
    return 'It may want a certificate of an authority that it knows: --nats-cert-file and --nats-key-file.';
  if (/altnames/i.test(reason))
    return 'Write the server into --nats by a name or address that its certificate has.';
  if (/self.signed|unable to (verify|get)|certificate/i.test(reason))
    return 'Its certificate is of an authority that is not known here: --nats-ca-file names the file of the right one.';
  if (/support 'tls'/.test(reason)) return 'It has no TLS: write nats:// in place of tls://.';
  return 'Start it with "nats-server -js", or name another with --nats.';
}
