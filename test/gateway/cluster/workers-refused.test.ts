import { once } from 'node:events';
import { createServer } from 'node:net';
import t from 'tap';
import { readConfig } from '../../../gateway/config.js';
import { encke } from '../../cli/encke.js';
import { freePort } from '../../free-port.js';
import { startGateway } from '../../gateway-process.js';
import { RedisServer } from '../../redis-server.js';
import { onEngine, startWorkers } from './workers.js';

/** An error that prevents the start of `--workers` is one sentence. */

const redis = await RedisServer.start();
t.teardown(() => redis.stop());

t.test(
  'a port that is taken stops the start with a sentence, whoever has it',
  { buffered: true },
  async (t) => {
    const others = await startWorkers(t, redis, 1);
    const alone = await startGateway();
    t.teardown(() => alone.kill());
    const foreign = createServer().listen(0, '127.0.0.1');
    t.teardown(() => foreign.close());
    await once(foreign, 'listening');
    const { port: foreignPort } = foreign.address() as { port: number };
    const free = ['--port', '0', '--api-port', '0'];
    for (const [what, flag, port] of [
      ['the workers of another supervisor', '--port', others.port],
      ['their router API', '--api-port', others.apiPort],
      ['a gateway alone', '--port', alone.port],
      ['another program', '--mqtt-port', foreignPort],
    ] as const) {
      const outcome = await encke(['start', '--workers', '2', ...onEngine(redis), ...free, flag, `${port}`]);
      t.equal(outcome.code, 1, what);
      t.match(
        outcome.stderr,
        new RegExp(`^encke start: [^\\n]*:${port}: the port is taken[^\\n]*${flag}\\.\\n$`),
      );
      t.equal(outcome.stdout, '');
    }
    const outcome = await encke(['start', ...free, '--port', `${others.port}`]);
    t.equal(outcome.code, 1, 'nor does one without workers share with them');
    t.match(outcome.stderr, 'the port is taken');
  },
);

t.test(
  'an error that keeps a worker from starting is said once, and stops all',
  { buffered: true },
  async (t) => {
    const dead = await freePort();
    const flags = ['--port', '0', '--api-port', '0', '--log-level', 'silent', '--workers', '3'];
    const away = await encke([
      'start',
      ...flags,
      '--engine',
      'redis',
      '--redis',
      `redis://127.0.0.1:${dead}`,
    ]);
    t.equal(away.code, 1);
    t.match(away.stderr, /^encke start: Redis at [^\n]+\n$/);
    t.equal(away.stdout, '');
    const many = await encke(['start', ...flags, ...onEngine(redis), '--connections-max', '90000000']);
    t.equal(many.code, 2);
    t.match(many.stderr, /^encke start: --connections-max 90000000 [^\n]+\n$/);
  },
);

t.test(
  '--workers without Redis, or with a name too long, is refused with a sentence',
  { buffered: true },
  async (t) => {
    const problemOf = (flags: Record<string, string>) => {
      t.throws(() => readConfig({ flags, environment: {} }), { code: 'ERR_ENCKE_CONFIG' });
      try {
        readConfig({ flags, environment: {} });
      } catch (error) {
        return (error as Error).message;
      }
    };
    t.match(problemOf({ workers: '2' }), /^--workers 2 needs --engine redis/);
    t.match(
      problemOf({ workers: '2000', engine: 'redis' }),
      /^--workers must be a whole number from 0 to 1024/,
    );
    const nodeName = 'x'.repeat(62);
    t.match(problemOf({ workers: '10', engine: 'redis', nodeName }), /^--node-name x+ has no room.* 61 /);
    t.equal(readConfig({ flags: { workers: '9', engine: 'redis', nodeName }, environment: {} }).workers, 9);
    const outcome = await encke(['start', '--workers', '2']);
    t.equal(outcome.code, 2);
    t.match(outcome.stderr, /^encke start: --workers 2 needs --engine redis[^\n]+\n$/);
  },
);

t.test('a worker’s variable that is set by hand stops the start', { buffered: true }, async (t) => {
  const outcome = await encke(['start'], { environment: { ENCKE_WORKER: '1' } });
  t.equal(outcome.code, 2);
  t.match(outcome.stderr, /^encke start: ENCKE_WORKER in the environment [^\n]+\n$/);
});
