import { createSecureContext } from 'node:tls';
import { FileError, readNamed } from '../redis-access/named-file.js';

/** PEM files, by their paths. A certificate and its key go together. */
export interface TlsFiles {
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

const certificate = /BEGIN (TRUSTED |X509 )?CERTIFICATE/;
const privateKey = /BEGIN [A-Z ]*PRIVATE KEY/;

/**
 * Looked into before the client has them: it takes a file without a certificate for an authority that knows nobody.
 * @throws FileError
 */
export function assertUsable({ caFile, certFile, keyFile }: TlsFiles): void {
  if (caFile !== undefined) readPem('--nats-ca-file', caFile, certificate);
  const cert = certFile === undefined ? undefined : readPem('--nats-cert-file', certFile, certificate);
  const key = keyFile === undefined ? undefined : readPem('--nats-key-file', keyFile, privateKey);
  if (cert === undefined && key === undefined) return;
  if (cert === undefined || key === undefined)
    throw new FileError('--nats-cert-file and --nats-key-file go together: give both, or none.');
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    const reason = (cause as Error).message.replace(/^error:[0-9A-F]+:/, '');
    throw new FileError(
      `--nats-cert-file ${certFile} and --nats-key-file ${keyFile} cannot be used (${reason}): give a certificate and its own private key.`,
      { cause },
    );
  }
}

function readPem(flag: string, path: string, pattern: RegExp): string {
  const pem = readNamed(flag, path);
  if (pattern.test(pem)) return pem;
  throw new FileError(
    `${flag} ${path} does not hold what it should, in PEM: a file that says "-----BEGIN …".`,
  );
}
