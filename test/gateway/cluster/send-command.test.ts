import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { encke } from '../../cli/encke.js';
import { freePort } from '../../free-port.js';
import { until } from '../../until.js';
import { openStream } from '../raw-wire.js';
import { Authority } from './certificates.js';
import { natsServer, nodeStats, startNodes, untilReached } from './nodes.js';
import { RawNats } from './raw-nats.js';

/** `encke send --nats`: from a shell, through the global name. */

const nats = await natsServer(t);
const [one, two] = await startNodes(t, nats, ['gw-1', 'gw-2']);

const send = (...args: string[]) => encke(['send', '--nats', nats.url, ...args]);

t.test('it sends through whichever router answers, and prints the answer', async (t) => {
  const near = await openStream(one!.port, '/stream/123');
  const far = await openStream(two!.port, '/stream/123');
  await untilReached(one!, '123', 2);
  t.same(await send('123', 'Hello World'), { code: 0, stdout: '{"delivered":2}\n', stderr: '' });
  await near.saw('Hello World');
  await far.saw('Hello World');
  const bytes = Uint8Array.from([0xff, 0x00, 0xfe]);
  const binary = await encke(['send', '--nats', nats.url, '--name', 'encke', '123', '-'], { stdin: bytes });
  t.match(binary, { code: 0, stdout: '{"delivered":2}\n' }, 'bytes from standard input, as they are');
  await far.saw(Buffer.from(bytes).toString('base64'));
  t.match(await send('--retain', '--qos', '2', 'kept', 'x'), { code: 0 });
  await until('it is retained', async () => (await nodeStats(two!)).router.retained > 0);
  await near.close();
  await far.close();
});

t.test('what a router refuses is its sentence, and exit code 1', async (t) => {
  const refused = await send('a/#', 'x');
  t.equal(refused.code, 1);
  t.equal(refused.stdout, '');
  t.match(refused.stderr, /^encke send: [^\n]*wildcard[^\n]*\n$/i);
  t.match(await send('123', 'x'.repeat(65_537)), { code: 1, stderr: /larger than 65536 bytes/ });
});

t.test('NATS away, nobody under the name, no answer: each is a sentence', async (t) => {
  const oneSentence = /^encke send: [^\n]+\.\n$/;
  const port = await freePort();
  const away = await encke(['send', '--nats', `nats://user:secret@127.0.0.1:${port}`, '123', 'x']);
  t.match(away, { code: 1, stdout: '', stderr: oneSentence });
  t.match(away.stderr, `NATS at nats://127.0.0.1:${port} cannot be reached or refuses (ECONNREFUSED)`);
  t.notMatch(away.stderr, 'secret');

  const nobody = await send('--name', 'halley', '123', 'x');
  t.match(nobody, { code: 1, stdout: '', stderr: oneSentence });
  t.match(nobody.stderr, /Nobody answers to the name "halley"/);

  for (const node of [one!, two!]) node.child.kill('SIGSTOP');
  const silent = await send('123', 'x');
  for (const node of [one!, two!]) node.child.kill('SIGCONT');
  t.match(silent, { code: 1, stdout: '', stderr: oneSentence });
  t.match(silent.stderr, /has not answered within 5 s: it may have done what it was asked, or not/);
});

t.test('user and password are in the URL, a token is a flag', async (t) => {
  const user = await natsServer(t, { configuration: 'authorization { user: bob, password: "s3cret:4/x" }' });
  const token = await natsServer(t, { configuration: 'authorization { token: "letmein" }' });
  const as = (url: string, ...flags: string[]) => encke(['send', '--nats', url, ...flags, '123', 'x']);
  const inUrl = (credentials: string) => `nats://${credentials}@127.0.0.1:${user.port}`;
  t.match(await as(inUrl('bob:s3cret%3A4%2Fx')), { code: 1, stderr: /Nobody answers/ }, 'it is let in');
  t.match(await as(inUrl('bob:wrong')), { code: 1, stderr: /Say who this is: user and password in the URL/ });
  t.match(await as(user.url), { code: 1, stderr: /Say who this is: user and password in the URL/ });
  t.match(await as(token.url, '--nats-token', 'letmein'), { code: 1, stderr: /Nobody answers/ });
  t.match(await as(token.url), { code: 1, stderr: /Say who this is: user and password in the URL/ });
  for (const flag of ['--nats-creds', '--nats-ca-file', '--nats-cert-file', '--nats-key-file'])
    t.match(await as(nats.url, flag, '/nowhere/file'), {
      code: 1,
      stderr: `encke send: ${flag} /nowhere/file cannot be read (ENOENT).\n`,
    });
});

t.test('TLS: the server is who it says, and the one who sends, too, where it is asked', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'encke-send-tls-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const ours = new Authority(directory, 'ours');
  const theirs = new Authority(directory, 'theirs');
  const server = ours.issue('server');
  const sender = ours.issue('sender');
  const elsewhere = ours.issue('elsewhere', 'DNS:localhost,IP:127.0.0.9');
  const tls = (verify: boolean, shown = server) =>
    `tls { cert_file: "${shown.certFile}", key_file: "${shown.keyFile}", ca_file: "${ours.file}", verify: ${verify} }`;
  const open = await natsServer(t, { configuration: tls(false) });
  const strict = await natsServer(t, { configuration: tls(true) });
  const as = (server: { port: number }, ...flags: string[]) =>
    encke(['send', '--nats', `tls://127.0.0.1:${server.port}`, ...flags, '123', 'x']);
  const ca = ['--nats-ca-file', ours.file];
  const own = ['--nats-cert-file', sender.certFile, '--nats-key-file', sender.keyFile];
  t.match(await as(open, ...ca), { code: 1, stderr: /Nobody answers/ }, 'it is let in');
  t.match(await as(strict, ...ca, ...own), { code: 1, stderr: /Nobody answers/ });
  t.match(await as(strict, ...ca), { code: 1, stderr: /certificate of an authority that it knows/ });
  for (const flags of [[], ['--nats-ca-file', theirs.file]])
    t.match(await as(open, ...flags), { code: 1, stderr: /not known here: --nats-ca-file/ });
  t.match(await as(nats), { code: 1, stderr: /It has no TLS/ }, 'tls:// is never plain text');
  const stranger = await natsServer(t, { configuration: tls(false, elsewhere) });
  t.match(await as(stranger, ...ca), { code: 1, stderr: /name or address that its certificate/ });
  t.match(await as(open, ...ca, ...own.slice(0, 2)), { code: 1, stderr: /--nats-key-file go together/ });
});

t.test('a user who may only send, as docs/operations.md has it', async (t) => {
  const text = readFileSync(new URL('../../../../docs/operations.md', import.meta.url), 'utf8');
  const permissions = /^permissions: .*$/m.exec(text)![0];
  const own = await natsServer(t, {
    configuration: `
      no_auth_user: node
      authorization { users: [
        { user: node, password: n }
        { user: sender, password: s, ${permissions} }
      ] }`,
  });
  const [node] = await startNodes(t, own, ['gw-1']);
  const stream = await openStream(node!.port, '/stream/123');
  const url = `nats://sender:s@127.0.0.1:${own.port}`;
  t.match(await encke(['send', '--nats', url, '123', 'Hello']), { code: 0, stdout: '{"delivered":1}\n' });
  await stream.saw('Hello');
  const raw = await RawNats.open(own.port, { user: 'sender', pass: 's' });
  t.equal(await raw.ask('encke.send.123', 'x'), '{"delivered":1}');
  for (const subject of ['encke.say.takeover', 'encke.node', 'encke.m.123', 'encke.stats']) {
    raw.publish(subject, 'x');
    await until(`${subject} is refused`, () => raw.said.includes(`Publish to "${subject}"`));
  }
  raw.close();
  await stream.close();
});

t.test('flags of two ways do not go together', async (t) => {
  t.match(await encke(['send', '--name', 'x', '123', 'x']), { code: 2, stderr: /--name goes with --nats/ });
  t.match(await send('--url', 'http://127.0.0.1:8001', '123', 'x'), {
    code: 2,
    stderr: /--url does not go with/,
  });
  t.match(await encke(['send', '--nats', 'http://x', '123', 'x']), { code: 2, stderr: /NATS URLs such as/ });
  t.match(await send('--name', 'a.b', '123', 'x'), { code: 2, stderr: /letters, digits/ });
});
