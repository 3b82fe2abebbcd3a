import t from 'tap';
import { encke } from '../cli/encke.js';
import { startGateway } from '../gateway-process.js';
import { RedisServer } from '../redis-server.js';

/** A flood whose clients each are a user of their own, in a real Redis. */

t.setTimeout(230_000);

t.test('{role} and {n} in --username and --mqtt-token make each client a user of its own', async (t) => {
  const redis = await RedisServer.start();
  t.teardown(() => redis.stop());
  for (const role of ['device', 'subscriber']) {
    const names = ['--user-names', `${role}{n}`, '--topics', 'topic/device_user{n}/t_{m}'];
    const args = ['user', 'import', '--generate', '20', '--rules', '3', '--auth-redis', redis.url, ...names];
    t.match(await encke(args, { timeoutMs: 60_000 }), { code: 0 });
  }
  const flags = ['--auth', 'redis', '--auth-redis', redis.url, '--auth-timeout-ms', '7000'];
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());

  const flood = async (password: string) => {
    const sizes = ['--connections', '20', '--devices', '20', '--publish-rate', '40', '--hold', '1s'];
    const names = ['--username', '{role}{n}', '--mqtt-token', password];
    const topics = ['--device-topic', 'topic/device_user{n}/t_1'];
    const { code, stdout, stderr } = await encke(
      ['floodtest', '-t', 'mqtt-ws', '--url', gateway.url, '--json', ...sizes, ...topics, ...names],
      { timeoutMs: 120_000 },
    );
    return { code, stderr, ...JSON.parse(stdout) };
  };

  const right = await flood('{role}{n}');
  t.match(right, { code: 0, connectedAtMost: 40, refused: 0, failed: 0, closed: 0 }, right.stderr);
  t.ok(right.qos0.messages > 0 && right.qos0.lost === 0, `${right.qos0.messages} messages came`);
  const wrong = await flood('x{n}');
  t.match(wrong, { code: 1, connectedAtMost: 0, refused: 40 }, 'wrong passwords are refusals');
});
