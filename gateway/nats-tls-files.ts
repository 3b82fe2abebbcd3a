import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { TlsFiles } from '../router/engine/nats/access.js';
import { type Config, ConfigError } from './config.js';

/**
 * The files of TLS to NATS, where the settings name some. Looked into here, as the client reads them only when it
 * connects, says no more than ENOENT, and takes a file without a certificate for an authority that knows nobody.
 *
 * @throws ConfigError
 */
export function natsTlsFilesOf({ natsCaFile, natsCertFile, natsKeyFile }: Config): TlsFiles | undefined {
  if (natsCaFile !== '') read('--nats-ca-file', natsCaFile, /BEGIN (TRUSTED |X509 )?CERTIFICATE/);
  if (natsCertFile !== '') assertPair(natsCertFile, natsKeyFile);
  if (natsCaFile === '' && natsCertFile === '') return undefined;
  return {
    ...(natsCaFile === '' ? {} : { caFile: natsCaFile }),
    ...(natsCertFile === '' ? {} : { certFile: natsCertFile, keyFile: natsKeyFile }),
  };
}

function read(flag: string, path: string, pattern: RegExp): string {
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError(`${flag} ${path} cannot be read (${(cause as NodeJS.ErrnoException).code}).`);
  }
  if (pattern.test(pem)) return pem;
  throw new ConfigError(
    `${flag} ${path} does not hold what it should, in PEM: a file that says "-----BEGIN …".`,
  );
}

function assertPair(certFile: string, keyFile: string): void {
  const cert = read('--nats-cert-file', certFile, /BEGIN (TRUSTED |X509 )?CERTIFICATE/);
  const key = read('--nats-key-file', keyFile, /BEGIN [A-Z ]*PRIVATE KEY/);
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    const reason = (cause as Error).message.replace(/^error:[0-9A-F]+:/, '');
    throw new ConfigError(
      `--nats-cert-file ${certFile} and --nats-key-file ${keyFile} cannot be used (${reason}): give a certificate and its own private key.`,
    );
  }
}
