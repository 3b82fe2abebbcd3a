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
    'Say who this is: user and password in the URL of --nats, --nats-token or --nats-creds, as it is configured there.',
  ],
];

/**
 * What most likely mends a connection to NATS that could not be had, as the end of a sentence.
 * @param reason the client's message
 * @param overTls TLS was asked for on this side
 */
export function remedyOf(reason: string, overTls: boolean): string {
  // With TLS 1.3 the server's refusal comes when the client takes the connection for made, and the client drops it.
  if (overTls && /timeout/.test(reason))
    return `It may want a certificate of an authority that it knows: ${ownFiles}.`;
  return remedies.find(([pattern]) => pattern.test(reason))?.[1] ?? otherwise;
}
