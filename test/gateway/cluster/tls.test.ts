import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { encke, type Outcome } from '../../cli/encke.js';
import { startGateway } from '../../gateway-process.js';
import { NatsServer } from '../../nats-server.js';
import { openStream } from '../raw-wire.js';
import { Authority } from './certificates.js';
import { makeAccounts } from './nats-accounts.js';

/** TLS and credentials to NATS, and what is said where they do not fit. */

t.jobs = 2;

const dir = mkdtempSync(join(tmpdir(), 'encke-tls-'));
t.teardown(() => rmSync(dir, { recursive: true }));
const ours = new Authority(dir, 'ours');
const theirs = new Authority(dir, 'theirs');
const server = ours.issue('server');
const node = ours.issue('node');
const elsewhere = ours.issue('elsewhere', 'DNS:localhost,IP:127.0.0.9');
const stranger = theirs.issue('node');

const tls = (verify: boolean, shown = server) => `
tls { cert_file: "${shown.certFile}", key_file: "${shown.keyFile}", ca_file: "${ours.file}", verify: ${verify} }`;

async function natsServer(t: Test, configuration: string): Promise<NatsServer> {
  const nats = await NatsServer.start({ configuration });
  t.teardown(() => nats.stop());
  return nats;
}

/** A node joins, and a second one, and what is sent on one reaches a stream on the other. */
async function carries(t: Test, what: string, flags: string[]): Promise<void> {
  const all = ['--engine', 'nats', '--drain-sec', '0', ...flags];
  const [one, other] = await Promise.all([startGateway({ flags: all }), startGateway({ flags: all })]);
  const stream = await openStream(one.port, '/stream/a');
  let delivered = 0;
  while (delivered === 0) delivered = await other.send('a', what); // until it knows of the first one
  await stream.saw(what);
  t.equal(delivered, 1, what);
  for (const gateway of [one, other]) {
    const said = gateway.log;
    t.notMatch(said, /"level":(40|50)/, `${what}: nothing to complain about`);
    await gateway.kill();
  }
}

/** Refused with one sentence, which tells no secret. */
async function refused(
  t: Test,
  what: string,
  flags: string[],
  ...names: (string | RegExp)[]
): Promise<Outcome> {
  const outcome = await encke([
    'start',
    '--port',
    '0',
    '--api-port',
    '0',
    '--engine',
    'nats',
    '--log-level',
    'silent',
    ...flags,
  ]);
  t.not(outcome.code, 0, what);
  t.equal(outcome.stdout, '', `${what}: nothing on stdout`);
  t.match(outcome.stderr, /^encke start: [^\n]{20,}\n$/, `${what}: one sentence`);
  t.notMatch(outcome.stderr, 'hunter', `${what}: the secret is not shown`);
  for (const name of names) t.match(outcome.stderr, name, what);
  return outcome;
}

t.test('over TLS, to a server whose authority is known', { buffered: true }, async (t) => {
  const nats = await natsServer(t, tls(false));
  const at = ['--nats', `tls://127.0.0.1:${nats.port}`];
  await carries(t, 'with the authority', [...at, '--nats-ca-file', ours.file]);
  await carries(t, 'and by nats://, where the server asks for TLS', [
    ...['--nats', nats.url],
    ...['--nats-ca-file', ours.file],
  ]);
  const unknown = /cannot be reached or refuses: .*(self.signed|unable to verify).*--nats-ca-file/;
  await refused(t, 'another authority', [...at, '--nats-ca-file', theirs.file], unknown);
  await refused(t, 'no authority', at, unknown);
  await refused(
    t,
    'no such file',
    [...at, '--nats-ca-file', join(dir, 'gone.pem')],
    '--nats-ca-file',
    'ENOENT',
  );
  await refused(
    t,
    'no certificate',
    [...at, '--nats-ca-file', join(dir, 'ours-server.ext')],
    '--nats-ca-file',
  );
});

t.test('the certificate has to be for the address in --nats', { buffered: true }, async (t) => {
  const nats = await natsServer(t, tls(false, elsewhere));
  const at = (host: string) => ['--nats', `tls://${host}:${nats.port}`, '--nats-ca-file', ours.file];
  await refused(
    t,
    'the address of another',
    at('127.0.0.1'),
    /altnames.* name or address that its certificate/,
  );
  await carries(t, 'the name that it is for', at('localhost'));
});

t.test('tls:// is never answered in plain text', { buffered: true }, async (t) => {
  const nats = await natsServer(t, '');
  const at = `tls://encke:hunter2hunter2@127.0.0.1:${nats.port}`;
  await refused(t, 'a server without TLS', ['--nats', at], /does not support 'tls'/, 'nats://');
});

t.test('the server knows a node by its certificate', { buffered: true }, async (t) => {
  const nats = await natsServer(t, tls(true));
  const at = ['--nats', `tls://127.0.0.1:${nats.port}`, '--nats-ca-file', ours.file];
  const shown = (of: typeof node) => ['--nats-cert-file', of.certFile, '--nats-key-file', of.keyFile];
  await carries(t, 'with its certificate', [...at, ...shown(node)]);
  await refused(t, 'without one', at, '--nats-cert-file');
  await refused(t, 'with one of another authority', [...at, ...shown(stranger)], '--nats-cert-file');
  await refused(t, 'with the key of another', [
    ...at,
    ...shown({ certFile: node.certFile, keyFile: stranger.keyFile }),
  ]);
  await refused(t, 'half of it', [...at, '--nats-cert-file', node.certFile], '--nats-key-file');
});

t.test('by token', { buffered: true }, async (t) => {
  const nats = await natsServer(t, 'authorization { token: "hunter-of-comets" }');
  const at = ['--nats', nats.url];
  await carries(t, 'with the token', [...at, '--nats-token', 'hunter-of-comets']);
  await refused(
    t,
    'another token',
    [...at, '--nats-token', 'hunter-of-hares'],
    /[Aa]uthorization/,
    '--nats-token',
  );
  await refused(t, 'no token', at, /[Aa]uthorization/, '--nats-token');
});

t.test('by user and password in the URL', { buffered: true }, async (t) => {
  const nats = await natsServer(t, 'authorization { user: "encke", password: "hunter2:/@%x" }');
  const url = (user: string) => ['--nats', `nats://${user}@127.0.0.1:${nats.port}`];
  await carries(t, 'with the password, percent-encoded', url('encke:hunter2%3A%2F%40%25x'));
  await carries(t, 'of the first URL that has one', [
    '--nats',
    `${nats.url},${url('encke:hunter2%3A%2F%40%25x')[1]}`,
  ]);
  await refused(t, 'another password', url('encke:hunter3'), /[Aa]uthorization/);
  await refused(t, 'no password', url('encke'), /[Aa]uthorization/);
  await refused(
    t,
    'a URL that is none',
    ['--nats', 'nats://encke:hunter2@h/x'],
    '--nats must be',
    '(not shown)',
  );
});

t.test('by the credentials file that nsc writes', { buffered: true }, async (t) => {
  const { configuration, credentials } = makeAccounts();
  const file = join(dir, 'node.creds');
  writeFileSync(file, credentials);
  const other = join(dir, 'other.creds');
  writeFileSync(other, makeAccounts().credentials);
  const nats = await natsServer(t, configuration);
  const at = ['--nats', nats.url];
  await carries(t, 'with the file', [...at, '--nats-creds', file]);
  await refused(t, 'one of another operator', [...at, '--nats-creds', other], /[Aa]uthorization/);
  await refused(t, 'no such file', [...at, '--nats-creds', join(dir, 'gone')], '--nats-creds', 'ENOENT');
  await refused(t, 'a file with something else', [...at, '--nats-creds', ours.file], '--nats-creds');
});

t.test(
  'docs/deploy/nats.conf is a configuration that works, with the least rights',
  { buffered: true },
  async (t) => {
    const path = fileURLToPath(new URL('../../../../docs/deploy/nats.conf', import.meta.url));
    const text = readFileSync(path, 'utf8');
    const block = (name: string) => {
      const found = new RegExp(`^${name} \\{\\n(?:.*\\n)*?\\}`, 'm').exec(text);
      if (found === null) throw new Error(`no ${name} in nats.conf`);
      return found[0];
    };
    const configuration = `${block('authorization')}\n${block('tls')}`
      .replace('$NATS_NODE_PASSWORD', 'hunter-node')
      .replace('$NATS_SENDER_PASSWORD', 'hunter-sender')
      .replaceAll('/etc/nats/server.pem', server.certFile)
      .replaceAll('/etc/nats/server-key.pem', server.keyFile)
      .replaceAll('/etc/nats/ca.pem', ours.file);
    t.notMatch(configuration, /\/etc\/|\$NATS/);
    const nats = await natsServer(t, configuration);
    const flags = [
      '--nats-ca-file',
      ours.file,
      '--nats-cert-file',
      node.certFile,
      '--nats-key-file',
      node.keyFile,
    ];
    const url = (user: string) => ['--nats', `tls://${user}@127.0.0.1:${nats.port}`];
    await carries(t, 'as a node', [...url('encke:hunter-node'), ...flags]);
    await refused(
      t,
      'with the rights of a sender',
      [...url('sender:hunter-sender'), ...flags],
      /[Pp]ermission/,
    );
  },
);
