import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import type { TlsOptions } from '@nats-io/transport-node';
import type { TlsFiles } from './tls-files.js';

/** TLS to NATS as the client does not do it by itself: never less than was asked for, and to the right server. */

/** Whether nothing may be said in plain text. */
export function asksForTls(servers: readonly string[], files: TlsFiles | undefined): boolean {
  const named = files !== undefined && Object.values(files).some((path) => path !== undefined);
  return named || servers.some((server) => server.startsWith('tls:'));
}

/**
 * The client takes no notice of the scheme: without options it would go on in plain text, user and password included,
 * where no TLS is offered.
 */
export function tlsOptionsOf(servers: readonly string[], files: TlsFiles | undefined): { tls?: TlsOptions } {
  if (!asksForTls(servers, files)) return {};
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
