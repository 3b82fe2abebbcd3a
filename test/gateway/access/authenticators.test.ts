import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { pino } from 'pino';
import t from 'tap';
import { authenticatorsOf } from '../../../gateway/authenticators.js';
import { readConfig } from '../../../gateway/config.js';
import { SampledLog } from '../../../gateway/sampled-log.js';

/** Authenticators are made of the settings at the start, whatever is wrong around them. */

async function start(flags: Record<string, unknown>) {
  const lines: { reason: string; msg: string }[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const authenticators = await authenticatorsOf(readConfig({ flags }), new SampledLog(log));
  return { authenticators, lines };
}

/** A server that speaks enough of Redis to say that it is loading. */
async function startLoadingRedis() {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      for (const [, command] of data.toString().matchAll(/\r\n(hello|client|info)\r\n/gi)) {
        if (/hello/i.test(command!)) socket.write('%1\r\n+server\r\n+redis\r\n');
        else if (/client/i.test(command!)) socket.write('+OK\r\n');
        else socket.write('$9\r\nloading:1\r\n');
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`, stop };
}

t.test('a Redis that is still loading does not hold up the start', { timeout: 20_000 }, async (t) => {
  const redis = await startLoadingRedis();
  t.teardown(redis.stop);
  const { authenticators, lines } = await start({ auth: 'redis', authRedis: redis.url });
  const [users] = authenticators;
  t.teardown(() => users!.stop!());
  const given = { transport: 'http', address: '::1', userName: 'alice', password: Buffer.from('p') } as const;
  t.match(await users!.authenticate(given), { outcome: 'unavailable' });
  t.match(lines, [{ reason: 'auth-redis' }]);
});

t.test('a password file that cannot be read is named by its own flag', async (t) => {
  const flags = { auth: 'redis', authRedis: 'redis://127.0.0.1:1', authRedisPasswordFile: '/nowhere/file' };
  await t.rejects(start(flags), {
    message: '--auth-redis-password-file /nowhere/file cannot be read (ENOENT).',
  });
});

t.test('a key set without an audience is warned of', async (t) => {
  const flags = { auth: 'jwt', authJwtJwks: 'http://127.0.0.1:1/jwks.json' };
  t.match((await start(flags)).lines, [
    { reason: 'jwks-without-audience', msg: /--auth-jwt-audience is not set/ },
  ]);
  t.same((await start({ ...flags, authJwtAudience: 'encke' })).lines, []);
});
