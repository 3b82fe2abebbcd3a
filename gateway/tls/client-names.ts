import type { HttpResponse } from 'uWebSockets.js';
import { X509Certificate } from 'node:crypto';
import { LRUCache } from 'lru-cache';

/** This part of a certificate names its owner: the common name, or the first alternative name. */
export type NameField = 'cn' | 'san';

/** Longer names, or ones with control characters, are no user names. */
const userNameShape = /^[^\x00-\x1f\x7f]{1,256}$/;

/** The types of uWS leave this method out. Only a response with TLS has it. */
interface TlsResponse extends HttpResponse {
  /** The certificate in PEM; empty where the client has shown none. */
  getX509Certificate(): string;
}

/** Reads the name in a client's certificate. @returns undefined where it has shown none, or one without such a name */
export function clientNameOf(response: HttpResponse, field: NameField): string | undefined {
  const pem = (response as TlsResponse).getX509Certificate();
  if (pem === '') return undefined;
  let known = names.get(pem);
  if (known === undefined) {
    known = {};
    names.set(pem, known);
  }
  if (!(field in known)) known[field] = nameOf(pem, field);
  return known[field];
}

/** Names that were read, by certificate, 4 MB at most: each request of a connection has the same one, and to parse it takes 50 µs and more. */
const names = new LRUCache<string, { [field in NameField]?: string | undefined }>({
  maxSize: 4 * 1024 * 1024,
  maxEntrySize: 64 * 1024,
  sizeCalculation: (_names, pem) => 512 + pem.length,
});

/** The handshake has checked the certificate by the rules of TLS: what Node makes of it may still be an error. */
function nameOf(pem: string, field: NameField): string | undefined {
  try {
    const name = nameIn(new X509Certificate(pem), field);
    return name !== undefined && userNameShape.test(name) ? name : undefined;
  } catch {
    return undefined;
  }
}

function nameIn(certificate: X509Certificate, field: NameField): string | undefined {
  if (field === 'san')
    return /(?:^|, )(?:DNS|email|URI):([^\s,"]+)(?=,|$)/.exec(certificate.subjectAltName ?? '')?.[1];
  const { CN } = certificate.toLegacyObject().subject as unknown as { CN?: string | string[] };
  return typeof CN === 'string' ? CN : undefined; // of several, nobody knows which one counts
}
