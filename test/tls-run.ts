import { readFileSync } from 'node:fs';
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';

/**
 * Test files that run a second time over TLS, see test/tls: all listeners of the servers that they start have TLS then,
 * and raw clients connect with it.
 */

/** Holds `ca.pem`, `cert.pem` and `key.pem`; undefined in a usual run. */
const directory = process.env.ENCKE_TEST_TLS;

/** Flags of each server. */
export const tlsFlags: readonly string[] =
  directory === undefined
    ? []
    : [
        ...['--tls-cert-file', join(directory, 'cert.pem')],
        ...['--tls-key-file', join(directory, 'key.pem')],
        ...['--tls-listeners', 'gateway,mqtt,api'],
      ];

/** The event of a socket that can be written to. */
export const connectedEvent = directory === undefined ? 'connect' : 'secureConnect';

const authority = directory === undefined ? undefined : readFileSync(join(directory, 'ca.pem'));

/** To a server of this run. */
export function connectTo(options: TcpNetConnectOpts): Socket {
  if (authority === undefined) return connect(options);
  return connectTls({ ...options, ca: authority, servername: 'localhost' });
}
