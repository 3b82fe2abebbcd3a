import t from 'tap';
import { freePort, lastingPort } from '../../free-port.js';
import { RedisServer } from '../../redis-server.js';
import { until } from '../../until.js';
import { isAlive, openOnAll, startWorkers, untilGone, workerPids } from './workers.js';

/** The end of a supervisor is the end of its workers, however it comes. */

t.jobs = 2;

const redis = await RedisServer.start();
t.teardown(() => redis.stop());

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} drains all workers, and the exit code is 0`, { buffered: true }, async (t) => {
    const supervisor = await startWorkers(t, redis, 2);
    const pids = [...workerPids(supervisor).values()];
    const wires = await openOnAll(supervisor, 'drained');
    supervisor.child.kill(signal);
    // Ctrl-C in a terminal reaches the workers, too.
    for (const pid of signal === 'SIGINT' ? pids : []) process.kill(pid, signal);
    t.equal(await supervisor.ended(), 0);
    t.notOk(pids.some(isAlive));
    for (const wire of wires) {
      await wire.untilClosed();
      t.ok(wire.complete, 'its last chunk came');
    }
    t.match(supervisor.log, '"failures":0,"msg":"stopped"');
  });
}

t.test('a second signal ends all at once', { buffered: true }, async (t) => {
  const supervisor = await startWorkers(t, redis, 2, ['--drain-sec', '600']);
  const pids = [...workerPids(supervisor).values()];
  const wires = await openOnAll(supervisor, 'at-once', 20);
  supervisor.child.kill('SIGTERM');
  await until('they are stopping', () => supervisor.log.split('"msg":"stopping"').length === 3);
  t.ok(supervisor.alive);
  t.equal(await supervisor.kill('SIGTERM'), 143);
  await untilGone(pids);
  await Promise.all(wires.map((wire) => wire.untilClosed()));
  t.ok(wires.some((wire) => !wire.complete));
});

t.test(
  'a supervisor that is killed leaves no process behind, and clients are not cut',
  { buffered: true },
  async (t) => {
    const ports = [...(await lastingPort()), '--api-port', String(await freePort())];
    const supervisor = await startWorkers(t, redis, 2, ports);
    const pids = [...workerPids(supervisor).values()];
    const wires = await openOnAll(supervisor, 'orphans');
    t.equal(await supervisor.kill('SIGKILL'), 'SIGKILL');
    await untilGone(pids);
    for (const wire of wires) {
      await wire.untilClosed();
      t.ok(wire.complete, 'its last chunk came');
    }
    t.equal(supervisor.log.split('"signal":"supervisor gone"').length, 3, 'both said so');
    await startWorkers(t, redis, 1, ports);
  },
);
