import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** The files of a certificate: the certificate with its chain, and its private key, in PEM. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A certificate that fits its key. */
export interface Certificate extends CertificateFiles {
  /** Host names that it is for; a wildcard is `*.example.com`. */
  readonly names: readonly string[];
  readonly startsAtMs: number;
  readonly expiresAtMs: number;
}

/** A certificate or a key cannot be used. The sentence says which file, and why. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
}

/** @throws CertificateError */
export function readCertificate({ certFile, keyFile }: CertificateFiles): Certificate {
  const certificate = certificateIn(certFile);
  if (!certificate.checkPrivateKey(keyIn(keyFile)))
    throw new CertificateError(
      `The private key in ${keyFile} is not the one of the certificate in ${certFile}.`,
    );
  return {
    certFile,
    keyFile,
    names: namesIn(certificate.subjectAltName ?? ''),
    startsAtMs: Date.parse(certificate.validFrom),
    expiresAtMs: Date.parse(certificate.validTo),
  };
}

/** Reads the first certificate of a file; the others are its chain. */
function certificateIn(path: string): X509Certificate {
  const bytes = bytesOf(path);
  try {
    const certificate = new X509Certificate(bytes);
    if (bytes.includes('-----BEGIN ')) return certificate;
  } catch {
    throw new CertificateError(
      `${path} holds no certificate in PEM: give the file with the chain, such as fullchain.pem.`,
    );
  }
  throw new CertificateError(
    `${path} holds a certificate in DER, which cannot be used: make PEM of it (openssl x509 -inform der -in … -out …).`,
  );
}

/** Keys and certificates in DER begin with this byte. */
const derSequence = 0x30;

function keyIn(path: string): KeyObject {
  const bytes = bytesOf(path);
  try {
    return createPrivateKey(bytes);
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE'
        ? 'has a passphrase, which cannot be asked for: remove it (openssl pkey -in … -out …)'
        : bytes[0] === derSequence
          ? 'holds no private key in PEM. If it is one in DER, make PEM of it (openssl pkey -inform der -in … -out …)'
          : 'holds no private key in PEM';
    throw new CertificateError(`${path} ${why}.`);
  }
}

function bytesOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CertificateError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}

/** Reads host names. @param subjectAltName as Node writes it: `DNS:a.example.com, IP Address:192.0.2.7` */
function namesIn(subjectAltName: string): string[] {
  return [...subjectAltName.matchAll(/(?:^|, )DNS:([\w.*-]+)/g)].map(([, name]) => name!.toLowerCase());
}
