import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { encke } from '../../cli/encke.js';
import { freePort } from '../../free-port.js';
import { until } from '../../until.js';
import { ask, openStream } from '../raw-wire.js';
import { Authority } from './certificates.js';
import { nodeStats } from './nodes.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** `encke send --redis`: from a shell, through the global name. */

const redis = await redisServer(t);
const [one, two] = await startRedisNodes(t, [redis.url], ['gw-1', 'gw-2']);

const send = (...args: string[]) => encke(['send', '--redis', redis.url, ...args]);

t.test('it reaches all nodes, and prints to how many it went', async (t) => {
  const near = await openStream(one!.port, '/stream/123');
  const far = await openStream(two!.port, '/stream/123');
  t.same(await send('123', 'Hello World'), { code: 0, stdout: '{"copies":2}\n', stderr: '' });
  await near.saw('Hello World');
  await far.saw('Hello World');
  const bytes = Uint8Array.from([0xff, 0x00, 0xfe]);
  const binary = await encke(['send', '--redis', redis.url, '--name', 'encke', '123', '-'], { stdin: bytes });
  t.match(binary, { code: 0, stdout: '{"copies":2}\n' }, 'bytes from standard input, as they are');
  await far.saw(Buffer.from(bytes).toString('base64'));
  t.match(await send('--retain', '--qos', '2', 'kept', 'x'), { code: 0 });
  await until('it is retained', async () => (await nodeStats(two!)).router.retained > 0);
  await near.close();
  await far.close();
});

t.test('ids of several servers go to their own', async (t) => {
  const servers = await Promise.all([0, 1, 2].map(() => redisServer(t)));
  const urls = servers.map(({ url }) => url);
  const [node] = await startRedisNodes(t, urls, ['gw-1']);
  const stream = await openStream(node!.port, '/stream?id=a&id=b&id=c&id=d&id=e');
  for (const id of 'abcde')
    t.match(await encke(['send', '--redis', urls.join(), id, `to ${id}`]), { stdout: '{"copies":1}\n' });
  for (const id of 'abcde') await stream.saw(`to ${id}`);
  const wrong = await Promise.all(
    [...'abcde'].map((id) => encke(['send', '--redis', [urls[1], urls[2], urls[0]].join(), id, 'x'])),
  );
  for (const { code, stderr } of wrong) {
    t.equal(code, 1);
    t.match(stderr, /belongs to server \d of the list of 3.*the same servers in --redis/);
  }
  await stream.close();
});

t.test('a refusal is a sentence, and exit code 1', async (t) => {
  const refused = await send('a/#', 'x');
  t.equal(refused.code, 1);
  t.equal(refused.stdout, '');
  t.match(refused.stderr, /^encke send: [^\n]*wildcard[^\n]*\n$/i);
  t.match(await send('123', 'x'.repeat(70_000)), {
    code: 1,
    stderr: /longer than the nodes accept, \d+ bytes/,
  });
});

t.test('Redis away, nobody under the name, no answer: each is a sentence', async (t) => {
  const oneSentence = /^encke send: [^\n]+\.\n$/;
  const port = await freePort();
  const away = await encke(['send', '--redis', `redis://user:secret@127.0.0.1:${port}`, '123', 'x']);
  t.match(away, { code: 1, stdout: '', stderr: oneSentence });
  t.match(away.stderr, `Redis at 127.0.0.1:${port} cannot be reached or refuses (ECONNREFUSED)`);
  t.notMatch(away.stderr, 'secret');

  const nobody = await send('--name', 'halley', '123', 'x');
  t.match(nobody, { code: 1, stdout: '', stderr: oneSentence });
  t.match(nobody.stderr, /Nobody answers to the name "halley"/);

  redis.pause();
  const silent = await send('--timeout', '1s', '123', 'x');
  redis.resume();
  t.match(silent, { code: 1, stdout: '', stderr: oneSentence });
  t.match(
    silent.stderr,
    /has not answered \(no answer within 1 s\): it may have done what it was asked, or not/,
  );
  await until('the node is back', async () => (await ask(one!.apiPort, '/ready')).status === 200);
});

t.test('user and password are in the URL, in flags, or in a file', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'encke-send-password-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'password');
  writeFileSync(file, 's3cret:4/x\n');
  const own = await redisServer(t, { acl: ['default off', 'bob on >s3cret:4/x ~* &* +@all'] });
  const as = (url: string, ...flags: string[]) => encke(['send', '--redis', url, ...flags, '123', 'x']);
  const inUrl = (login: string) => `redis://${login}@127.0.0.1:${own.port}`;
  const letIn = { code: 1, stderr: /Nobody answers/ };
  t.match(await as(inUrl('bob:s3cret%3A4%2Fx')), letIn);
  t.match(await as(own.url, '--redis-user', 'bob', '--redis-password', 's3cret:4/x'), letIn);
  t.match(await as(own.url, '--redis-user', 'bob', '--redis-password-file', file), letIn);
  const refused = { code: 1, stderr: /Say who this is: --redis-user and --redis-password-file/ };
  t.match(await as(inUrl('bob:wrong')), refused);
  t.match(await as(own.url), refused);
  for (const flag of ['--redis-password-file', '--redis-ca-file', '--redis-cert-file', '--redis-key-file'])
    t.match(await as(own.url, flag, '/nowhere/file'), {
      code: 2,
      stderr: `error: ${flag} /nowhere/file cannot be read (ENOENT).\n`,
    });
});

t.test('TLS: the server is who it says, and the one who sends, too, where it is asked', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'encke-send-tls-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const ours = new Authority(directory, 'ours');
  const theirs = new Authority(directory, 'theirs');
  const server = ours.issue('server');
  const sender = ours.issue('sender');
  const tlsServer = async (verify: 'yes' | 'no') => {
    const port = await freePort();
    const { certFile, keyFile } = server;
    const files = `tls-cert-file ${certFile}\ntls-key-file ${keyFile}\ntls-ca-cert-file ${ours.file}`;
    await redisServer(t, { configuration: `tls-port ${port}\n${files}\ntls-auth-clients ${verify}` });
    return port;
  };
  const open = await tlsServer('no');
  const strict = await tlsServer('yes');
  const as = (port: number, ...flags: string[]) =>
    encke(['send', '--redis', `rediss://127.0.0.1:${port}`, ...flags, '123', 'x']);
  const ca = ['--redis-ca-file', ours.file];
  const own = ['--redis-cert-file', sender.certFile, '--redis-key-file', sender.keyFile];
  t.match(await as(open, ...ca), { code: 1, stderr: /Nobody answers/ }, 'it is let in');
  t.match(await as(strict, ...ca, ...own), { code: 1, stderr: /Nobody answers/ });
  t.match(await as(strict, ...ca), { code: 1, stderr: /certificate of an authority that it knows/ });
  for (const flags of [[], ['--redis-ca-file', theirs.file]])
    t.match(await as(open, ...flags), { code: 1, stderr: /not known here: --redis-ca-file/ });
  t.match(await as(redis.port, '--timeout', '1s'), { code: 1 }, 'rediss:// is never plain text');
});

t.test('a user who may only send, as docs/operations.md has it', async (t) => {
  const text = readFileSync(new URL('../../../../docs/operations.md', import.meta.url), 'utf8');
  const [, lines] = /^ACL SETUSER encke-sender on >… ((?:.*\\\n)*.*)$/m.exec(text)!;
  const rights = lines!.replaceAll('\\\n', ' ').replace(/ +/g, ' ');
  const own = await redisServer(t, { acl: [`sender on >s ${rights}`] });
  const [node] = await startRedisNodes(t, [own.url], ['gw-1']);
  const stream = await openStream(node!.port, '/stream/user/7');
  const url = `redis://sender:s@127.0.0.1:${own.port}`;
  t.match(await encke(['send', '--redis', url, 'user/7', 'Hello']), { code: 0, stdout: '{"copies":1}\n' });
  await stream.saw('Hello');
  t.match(await encke(['send', '--redis', url, '--retain', '--qos', '2', 'user/7', 'kept']), { code: 0 });
  t.match(await encke(['send', '--redis', url, 'other/7', 'x']), { code: 1, stderr: /NOPERM|permissions/i });
  const sender = own.client({ username: 'sender', password: 's' });
  for (const command of [['FLUSHALL'], ['CONFIG', 'GET', '*'], ['FUNCTION', 'FLUSH'], ['KEYS', '*']])
    await t.rejects(sender.call(command[0]!, ...command.slice(1)), /NOPERM/, command.join(' '));
  await stream.close();
});

t.test('flags of two ways do not go together', async (t) => {
  t.match(await encke(['send', '--name', 'x', '123', 'x']), { code: 2, stderr: /--name goes with --redis/ });
  t.match(await send('--url', 'http://127.0.0.1:8001', '123', 'x'), {
    code: 2,
    stderr: /--url does not go with/,
  });
  t.match(await encke(['send', '--redis', 'http://x', '123', 'x']), {
    code: 2,
    stderr: /Redis URLs such as/,
  });
  t.match(await send('--name', 'a.b', '123', 'x'), { code: 2, stderr: /letters, digits/ });
});
