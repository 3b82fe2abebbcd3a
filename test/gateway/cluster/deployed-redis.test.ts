import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { encke } from '../../cli/encke.js';
import { freePort } from '../../free-port.js';
import { RedisServer } from '../../redis-server.js';
import { openStream } from '../raw-wire.js';
import { Authority } from './certificates.js';
import { startRedisNodes } from './redis-nodes.js';

/** A server with the redis.conf and the users of docs/deploy: only ports, paths and passwords are other ones. */

const folder = fileURLToPath(new URL('../../../../docs/deploy/', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'encke-deployed-redis-'));
t.teardown(() => rmSync(dir, { recursive: true }));

const authority = new Authority(dir, 'ours');
const { certFile, keyFile } = authority.issue('server');
const tlsPort = await freePort();
mkdirSync(join(dir, 'data'));
writeFileSync(
  join(dir, 'users.acl'),
  readFileSync(`${folder}encke-users.acl`, 'utf8').replaceAll('change-me-', 'secret-'),
);
const configuration = readFileSync(`${folder}redis.conf`, 'utf8')
  .replace(/^port 0$/m, '') // the test asks there whether the server is up
  .replace('tls-port 6379', `tls-port ${tlsPort}`)
  .replace('bind 0.0.0.0', 'bind 127.0.0.1')
  .replace('/etc/redis/server.pem', certFile)
  .replace('/etc/redis/server-key.pem', keyFile)
  .replace('/etc/redis/ca.pem', authority.file)
  .replace('/etc/redis/encke-users.acl', join(dir, 'users.acl'))
  .replace('/var/lib/redis', join(dir, 'data'));
const redis = await RedisServer.start({ configuration });
t.teardown(() => redis.stop());

const ca = ['--redis-ca-file', authority.file];
const url = `rediss://127.0.0.1:${tlsPort}`;
const passwordFile = join(dir, 'password');
writeFileSync(passwordFile, 'secret-node\n');
const flags = [...ca, '--redis-user', 'encke-node', '--redis-password-file', passwordFile];

t.test('nodes and a sender do all that they are for, with the rights that they are given', async (t) => {
  const [one, two] = await startRedisNodes(t, [url], ['one', 'two'], flags);
  const stream = await openStream(two!.port, '/stream/user/7');
  t.equal(await one!.send('user/7', 'from a node'), 1);
  await stream.saw('from a node');
  const sender = url.replace('//', '//encke-sender:secret-sender@');
  const sent = await encke(['send', '--redis', sender, ...ca, 'user/7', 'from a program']);
  t.match(sent, { code: 0, stdout: '{"copies":1}\n' });
  await stream.saw('from a program');
  const refused = await encke(['send', '--redis', sender, ...ca, 'other/7', 'x']);
  t.match(refused, { code: 1, stderr: /NOPERM|permissions/i });
  for (const node of [one!, two!]) t.notMatch(node.log, /"level":(40|50)/, 'nothing to complain about');
  await stream.close();
});

t.test('nobody else gets in, and what must be set is set', async (t) => {
  await t.rejects(redis.client({ enableReadyCheck: false }).ping(), /NOAUTH/, 'the user default is off');
  const admin = redis.client({ username: 'admin', password: 'secret-admin' });
  t.match(await admin.config('GET', 'maxmemory-policy'), /noeviction/);
  t.match(await admin.config('GET', 'appendonly'), /yes/);
});
