import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { encke, type Outcome } from '../../cli/encke.js';
import { freePort } from '../../free-port.js';
import { startGateway } from '../../gateway-process.js';
import { RedisServer } from '../../redis-server.js';
import { until } from '../../until.js';
import { openStream } from '../raw-wire.js';
import { Authority } from './certificates.js';

/** TLS and credentials to Redis, and what is said where they do not fit. */

t.jobs = 2;

const dir = mkdtempSync(join(tmpdir(), 'encke-redis-tls-'));
t.teardown(() => rmSync(dir, { recursive: true }));
const ours = new Authority(dir, 'ours');
const theirs = new Authority(dir, 'theirs');
const server = ours.issue('server');
const node = ours.issue('node');
const elsewhere = ours.issue('elsewhere', 'DNS:localhost,IP:127.0.0.9');
const stranger = theirs.issue('node');

interface TlsServer {
  /** Where it speaks TLS. */
  readonly tlsPort: number;
  /** Where it does not. */
  readonly port: number;
}

async function tlsServer(t: Test, verify: boolean, shown = server): Promise<TlsServer> {
  const tlsPort = await freePort();
  const redis = await RedisServer.start({
    configuration: `
tls-port ${tlsPort}
tls-cert-file ${shown.certFile}
tls-key-file ${shown.keyFile}
tls-ca-cert-file ${ours.file}
tls-auth-clients ${verify ? 'yes' : 'no'}`,
  });
  t.teardown(() => redis.stop());
  return { tlsPort, port: redis.port };
}

/** A node joins, and a second one, and what is sent on one reaches a stream on the other. */
async function carries(t: Test, what: string, flags: string[]): Promise<void> {
  // A node that gets no CPU for 250 ms, the default, is counted as unanswered.
  const all = ['--engine', 'redis', '--drain-sec', '0', '--count-wait-ms', '10000', ...flags];
  const [one, other] = await Promise.all([startGateway({ flags: all }), startGateway({ flags: all })]);
  const stream = await openStream(one.port, '/stream/a');
  const delivered = await other.send('a', what);
  await stream.saw(what);
  t.equal(delivered, 1, what);
  for (const gateway of [one, other]) {
    // Nodes that the same server had before are gone.
    const said = gateway.log.replace(/.*"msg":"redis: gone".*/g, '');
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
    'redis',
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
  const { tlsPort } = await tlsServer(t, false);
  const at = ['--redis', `rediss://127.0.0.1:${tlsPort}`];
  await carries(t, 'with the file of its authority', [...at, '--redis-ca-file', ours.file]);
  const unknown = /cannot be used: .*(self.signed|unable to verify).*--redis-ca-file/;
  await refused(t, 'another authority', [...at, '--redis-ca-file', theirs.file], unknown);
  await refused(t, 'no authority', at, unknown);
  const gone = join(dir, 'gone.pem');
  await refused(t, 'no such file', [...at, '--redis-ca-file', gone], '--redis-ca-file', 'ENOENT');
  const noPem = join(dir, 'ours-server.ext');
  await refused(t, 'no certificate', [...at, '--redis-ca-file', noPem], '--redis-ca-file');
});

t.test('the certificate has to be for the address in --redis', { buffered: true }, async (t) => {
  const { tlsPort } = await tlsServer(t, false, elsewhere);
  const at = (host: string) => ['--redis', `rediss://${host}:${tlsPort}`, '--redis-ca-file', ours.file];
  await refused(
    t,
    'the address of another',
    at('127.0.0.1'),
    /altnames.* name or address that its certificate/,
  );
  await carries(t, 'the name that it is for', at('localhost'));
});

t.test('rediss:// is never answered in plain text, nor redis:// over TLS', { buffered: true }, async (t) => {
  const { port, tlsPort } = await tlsServer(t, false);
  const plain = `rediss://encke:hunter2hunter2@127.0.0.1:${port}`;
  await refused(t, 'a port without TLS', ['--redis', plain], /speaks no TLS there, write redis:/);
  const secure = `redis://encke:hunter2hunter2@127.0.0.1:${tlsPort}`;
  await refused(t, 'a port with TLS', ['--redis', secure], /speaks TLS there, write rediss:/);
});

t.test('the server knows a node by its certificate', { buffered: true }, async (t) => {
  const { tlsPort } = await tlsServer(t, true);
  const at = ['--redis', `rediss://127.0.0.1:${tlsPort}`, '--redis-ca-file', ours.file];
  const shown = (of: typeof node) => ['--redis-cert-file', of.certFile, '--redis-key-file', of.keyFile];
  await carries(t, 'with its certificate', [...at, ...shown(node)]);
  await refused(t, 'without one', at, '--redis-cert-file');
  await refused(t, 'with one of another authority', [...at, ...shown(stranger)], '--redis-cert-file');
  const mixed = shown({ certFile: node.certFile, keyFile: stranger.keyFile });
  await refused(t, 'with the key of another', [...at, ...mixed], 'cannot be used');
  await refused(t, 'half of it', [...at, '--redis-cert-file', node.certFile], '--redis-key-file');
});

t.test('by user and password', { buffered: true }, async (t) => {
  const redis = await RedisServer.start({
    acl: ['default off', 'encke on >hunter2:/@%x ~encke:* &encke:* +@all'],
  });
  t.teardown(() => redis.stop());
  const url = (user: string) => ['--redis', `redis://${user}@127.0.0.1:${redis.port}`];
  const file = join(dir, 'password');
  writeFileSync(file, 'hunter2:/@%x\n');
  const empty = join(dir, 'empty');
  writeFileSync(empty, '\n');
  const at = ['--redis', redis.url];
  const user = ['--redis-user', 'encke'];
  await carries(t, 'in the URL, percent-encoded', url('encke:hunter2%3A%2F%40%25x'));
  await carries(t, 'as flags', [...at, ...user, '--redis-password', 'hunter2:/@%x']);
  await carries(t, 'in a file', [...at, ...user, '--redis-password-file', file]);
  const wrong = /WRONGPASS.*--redis-user.*--redis-password-file/;
  await refused(t, 'another password', url('encke:hunter3'), wrong);
  await refused(t, 'none', at, /NOAUTH.*--redis-user.*--redis-password-file/);
  await refused(t, 'an empty file', [...at, ...user, '--redis-password-file', empty], 'is empty');
  await refused(
    t,
    'both',
    [...at, '--redis-password', 'hunter2', '--redis-password-file', file],
    'leave one',
  );
  await refused(
    t,
    'a URL that is none',
    url('encke:hunter2/x').slice(0, 2),
    '--redis must be',
    '(not shown)',
  );
});

const operations = readFileSync(
  fileURLToPath(new URL('../../../../docs/operations.md', import.meta.url)),
  'utf8',
);

/** `ACL SETUSER <name> …` as docs/operations.md has it, with a password of this test. */
function shownUser(name: string): string[] {
  const shown = new RegExp(`^ACL SETUSER ${name} [^]*?(?=\n\`\`\`)`, 'm').exec(operations)![0];
  return shown.replaceAll('\\\n', '').replace('>…', '>hunter2').split(/\s+/).slice(1);
}

t.test('with the users that the documents give, to the letter', { buffered: true }, async (t) => {
  const redis = await RedisServer.start();
  t.teardown(() => redis.stop());
  const operator = redis.client();
  for (const name of ['encke-node', 'encke-sender']) await operator.call('ACL', ...shownUser(name));
  await operator.call('ACL', 'SETUSER', 'default', 'off');
  const at = (user: string) => ['--redis', `redis://${user}:hunter2@127.0.0.1:${redis.port}`];
  await carries(t, 'as a node', at('encke-node'));
  await refused(t, 'with the rights of a sender', at('encke-sender'), /its user may not|NOPERM|right/);
  const flags = ['--engine', 'redis', '--drain-sec', '0', ...at('encke-node')];
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  const stream = await openStream(gateway.port, '/stream/user/7');
  const sender = redis.client({ username: 'encke-sender', password: 'hunter2' });
  t.equal(await sender.call('FCALL', 'encke_send', '1', 'user/7', 'Hello'), 1);
  await stream.saw('Hello');
  await t.rejects(sender.call('FCALL', 'encke_send', '1', 'admin', 'Hello'), /NOPERM/, 'and no further');
});

t.test('where Sentinels know the address, and want passwords', { buffered: true }, async (t) => {
  const secured = 'requirepass hunter2\nmasterauth hunter2';
  const master = await RedisServer.start({ configuration: secured });
  t.teardown(() => master.stop());
  const sentinel = await RedisServer.start({
    watches: master,
    configuration: 'requirepass hunter3\nsentinel auth-pass mymaster hunter2',
  });
  t.teardown(() => sentinel.stop());
  const watcher = sentinel.client({ password: 'hunter3', enableReadyCheck: false });
  const found = async () => String(await watcher.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mymaster'));
  await until('it knows the master', async () => (await found()).endsWith(`,${master.port}`));
  const file = join(dir, 'sentinel-password');
  writeFileSync(file, 'hunter3\n');
  const at = (name: string) => [
    ...['--redis', `redis+sentinel://:hunter2@${name}`],
    ...['--redis-sentinels', `127.0.0.1:1,127.0.0.1:${sentinel.port}`],
  ];
  const password = ['--redis-sentinel-password-file', file];
  await carries(t, 'by the second, as the first is away', [...at('mymaster'), ...password]);
  await refused(t, 'without the password', at('mymaster'), /entinel/);
  await refused(t, 'a name that they do not know', [...at('yours'), ...password], /entinel/);
});
