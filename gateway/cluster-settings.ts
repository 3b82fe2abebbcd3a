import { redisSettings } from './redis-settings.js';
import { listOf, mebibyte, oneOf, type Setting, setting, text, wholeNumber } from './setting.js';

/** The settings of a node among others: what carries messages between them, and under which names. */
export const clusterSettings = {
  engine: setting(
    oneOf(['embedded', 'nats', 'redis']),
    'embedded',
    'what carries messages between processes: embedded = nothing, all is in this one; nats = the NATS cluster of --nats; redis = the servers of --redis',
  ),
  nats: {
    ...setting(
      listOf('URLs such as nats://127.0.0.1:4222, comma-separated', /^(nats|tls):\/\/([^\s/@]+@)?[^\s/@]+$/),
      ['nats://127.0.0.1:4222'],
      'servers of one NATS cluster, tls:// where TLS is a must; any of them will do, the others are learnt from it; user and password as in tls://user:password@host:4222',
    ),
    secret: true, // the password
  },
  natsCreds: setting(
    text('the path of a credentials file'),
    '',
    "file with the user's JWT and seed, as nsc writes it",
  ),
  natsToken: {
    ...setting(
      text('printable characters without spaces', /^[\x21-\x7e]*$/),
      '',
      'token, where the NATS servers want one',
    ),
    secret: true,
  },
  natsCaFile: setting(
    text('the path of a PEM file'),
    '',
    'certificate authority of the NATS servers; with tls:// URLs, where it is not one that the system knows',
  ),
  natsCertFile: setting(text('the path of a PEM file'), '', 'certificate that this node shows to NATS'),
  natsKeyFile: setting(text('the path of a PEM file'), '', 'its private key'),
  natsPendingBytesMax: setting(
    wholeNumber(mebibyte, 1024 * 1024 * mebibyte),
    64 * mebibyte,
    'published and not yet at the NATS server, bytes. Past it sends are refused with 503',
  ),
  ...redisSettings,
  name: setting(
    text('1 to 64 letters, digits, - or _', /^[A-Za-z0-9_-]{1,64}$/),
    'encke',
    'of the cluster, and the global name of its router; nodes with another name have nothing to do with it',
  ),
  historyReplicas: setting(
    wholeNumber(1, 5),
    1,
    'servers of the NATS cluster that keep history and retained messages, 1, 3 or 5; with one, they are gone when that server is',
  ),
  countWaitMs: setting(
    wholeNumber(1, 60_000),
    250,
    'how long a send waits for how many the other nodes have delivered to, ms; it ends as soon as all have answered',
  ),
  workers: setting(
    wholeNumber(0, 1024),
    0,
    'processes that share the ports, as nodes of one cluster with --engine redis; limits such as --connections-max hold for each; one that ends is started again; 0 = this process alone',
  ),
} satisfies Record<string, Setting>;
