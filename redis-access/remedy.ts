const ownFiles = '--redis-cert-file and --redis-key-file';

const remedies: readonly [RegExp, string][] = [
  [
    /certificate required|handshake failure|bad certificate|unknown ca\b|unknown certificate/i,
    `It wants a certificate of an authority that it knows: ${ownFiles}.`,
  ],
  [/altnames/i, 'Write the server into --redis by a name or address that its certificate has.'],
  [
    /self.signed|unable to (verify|get)|certificate/i,
    'Its certificate is of an authority that is not known here: --redis-ca-file names the file of the right one.',
  ],
  [/ECONNREFUSED/, 'Start it with "redis-server", or name another with --redis.'],
  [
    /ENOTFOUND|EAI_AGAIN/,
    'No host is known here by that name: correct it in --redis, or write the address in its place.',
  ],
  [
    /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/,
    'Nothing answers at that address: look whether --redis has the right one, and whether a firewall is in between.',
  ],
];
const overTlsRemedies: readonly [RegExp, string][] = [
  // Redis waits for the end of a line.
  [/not answered|wrong version number/i, 'If it speaks no TLS there, write redis:// in place of rediss://.'],
  // With TLS 1.3 the server's refusal arrives when the client considers the connection open.
  [/ECONNRESET|EPIPE|has ended/, `It may want a certificate of an authority that it knows: ${ownFiles}.`],
];
const inPlainRemedies: readonly [RegExp, string][] = [
  [/ECONNRESET|EPIPE|has ended/, 'If it speaks TLS there, write rediss:// in place of redis://.'],
];

/**
 * The most likely remedy for a failed connection to Redis, as a sentence.
 * @param reason the message of the error
 * @param overTls whether this side uses TLS
 */
export function connectionRemedyOf(reason: string, overTls: boolean): string | undefined {
  const all = [...remedies, ...(overTls ? overTlsRemedies : inPlainRemedies)];
  return all.find(([pattern]) => pattern.test(reason))?.[1];
}

/** `803C27CF6C7F0000:error:0A000418:SSL routines:…:tlsv1 alert unknown ca:…` -> `tlsv1 alert unknown ca` */
export function withoutOpensslCode(reason: string): string {
  return /:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/.exec(reason)?.[1] ?? reason.trim();
}
