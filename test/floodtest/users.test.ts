import t from 'tap';
import { encke } from '../cli/encke.js';
import { startGateway } from '../gateway-process.js';
import { RedisServer } from '../redis-server.js';

/** A flood whose clients each are a user of their own, in a real Redis. */

t.setTimeout(230_000);

const redis = await RedisServer.start();
t.teardown(() => redis.stop());
for (const role of ['device', 'subscriber']) {
  const names = ['--user-names', `${role}{n}`, '--topics', 'topic/device_user{n}/t_{m}'];
  const args = ['user', 'import', '--generate', '20', '--rules', '3', '--auth-redis', redis.url, ...names];
  t.match(await encke(args, { timeoutMs: 60_000 }), { code: 0 });
}
const gateway = await startGateway({
  flags: ['--auth', 'redis', '--auth-redis', redis.url, '--auth-timeout-ms', '7000'],
});
t.teardown(() => gateway.kill());

const flood = async (...flags: string[]) => {
  const { code, stdout, stderr } = await encke(
    [
      ...[
        'floodtest',
        '-t',
        'mqtt-ws',
        '--url',
        gateway.url,
        '--connections',
        '20',
        '--devices',
        '20',
        '--json',
      ],
      ...['--device-topic', 'topic/device_user{n}/t_1', '--publish-rate', '40', '--hold', '1s', ...flags],
    ],
    { timeoutMs: 120_000 },
  );
  return { code, stderr, ...JSON.parse(stdout) };
};

t.test('{role} and {n} name the user of each, and its password', async (t) => {
  const run = await flood('--username', '{role}{n}', '--mqtt-token', '{role}{n}');
  t.match(run, { code: 0, connectedAtMost: 40, refused: 0, failed: 0, closed: 0 }, run.stderr);
  t.ok(run.qos0.messages > 0 && run.qos0.lost === 0, `${run.qos0.messages} messages came`);
});

t.test('wrong passwords are refusals', async (t) => {
  const wrong = await flood('--username', '{role}{n}', '--mqtt-token', 'x{n}');
  t.match(wrong, { code: 1, connectedAtMost: 0, refused: 40 });
});
