import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { freePort } from '../../free-port.js';
import { RedisServer } from '../../redis-server.js';
import { until } from '../../until.js';
import { ask, openStream, type Wire } from '../raw-wire.js';
import { openOnAll, startWorkers, statsOf, workerPids } from './workers.js';

/** Several processes on the same ports: who gets what, and what becomes of one that ends. */

t.jobs = 2; // most of the time goes into starting processes

const redis = await RedisServer.start();
t.teardown(() => redis.stop());

t.test(
  'the workers share the ports, and a send reaches the streams of all of them',
  { buffered: true },
  async (t) => {
    const mqttPort = await freePort();
    const supervisor = await startWorkers(t, redis, 3, ['--mqtt-port', `${mqttPort}`]);
    const pids = workerPids(supervisor);
    t.equal(new Set(pids.values()).size, 3);
    t.notOk([...pids.values()].includes(supervisor.pid));
    const wires = await openOnAll(supervisor, 'everywhere', 5);
    const stats = await statsOf(supervisor);
    t.same(new Set(stats.keys()), new Set(pids.values()));
    let open = 0;
    for (const { connections } of stats.values()) open += connections.open;
    t.equal(open, wires.length, 'each stream is one worker’s');
    const sum = (await ask(supervisor.apiPort, '/stats')).json;
    t.match(sum, { workers: 3, unanswered: 0, connections: { open } }, 'whoever answers');
    t.equal(await supervisor.send('everywhere', 'to all of you'), wires.length);
    await Promise.all(wires.map((wire) => wire.saw('to all of you')));

    const sockets = Array.from({ length: 60 }, () => connectSocket(mqttPort, '127.0.0.1'));
    t.teardown(() => {
      for (const socket of sockets) socket.destroy();
    });
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    await until('each worker has sockets on the port of MQTT', async () =>
      [...(await statsOf(supervisor)).values()].every(({ sockets }) => sockets.mqtt > 0),
    );
    await Promise.all(wires.map((wire) => wire.close()));
  },
);

t.test('the supervisor loads no uWebSockets, and weighs little', { buffered: true }, async (t) => {
  const file = join(t.testdir(), 'encke.json');
  writeFileSync(file, JSON.stringify({ logLevel: 'info' }));
  const supervisor = await startWorkers(t, redis, 1, ['--config', file]);
  const worker = workerPids(supervisor).get(1);
  const mapsOf = (pid: unknown) => readFileSync(`/proc/${pid}/maps`, 'utf8');
  t.ok(mapsOf(worker).includes('/uws.node'));
  t.notOk(mapsOf(supervisor.pid).includes('/uws.node'));
  const status = readFileSync(`/proc/${supervisor.pid}/status`, 'utf8');
  const kib = Number(/^RssAnon:\s+(\d+) kB/m.exec(status)![1]);
  t.ok(kib < 26_000, `${kib} KiB of its own; measured 20,500, of which 6,300 are Node's`);

  writeFileSync(file, JSON.stringify({ pollTimeoutSec: 'soon' }));
  supervisor.child.kill('SIGHUP');
  await until('the supervisor does not pass it on', () => supervisor.log.includes('nothing has changed'));
  t.notMatch(supervisor.log, 'settings read again');
  writeFileSync(file, JSON.stringify({ logLevel: 'info', pollTimeoutSec: 7 }));
  supervisor.child.kill('SIGHUP');
  await until('the worker has them', () =>
    /"worker":1,[^\n]*settings read again: Changed: pollTimeoutSec\./.test(supervisor.log),
  );
  t.equal(workerPids(supervisor).get(1), worker, 'it is the same process');
});

t.test('a worker that is killed comes back, and its clients can', { buffered: true }, async (t) => {
  const supervisor = await startWorkers(t, redis, 2);
  const wires = await openOnAll(supervisor, 'back');
  const first = workerPids(supervisor).get(1)!;
  const other = workerPids(supervisor).get(2)!;
  process.kill(first, 'SIGKILL');
  await until('its streams are cut', () => wires.some((wire) => wire.closed));
  const cut = wires.filter((wire) => wire.closed);
  t.ok(cut.length < wires.length, 'the other worker goes on');
  for (const wire of cut) t.notOk(wire.complete, 'cut, not ended');
  const again = await Promise.all(cut.map(() => comeBack(supervisor.port, '/stream/back')));
  await until('another process has its place', () => workerPids(supervisor).get(1) !== first);
  t.equal(workerPids(supervisor).get(2), other);
  t.match(supervisor.log, `"workerPid":${first},"code":null,"signal":"SIGKILL"`);
  const more = await openOnAll(supervisor, 'back');
  const open = [...wires.filter((wire) => !wire.closed), ...again, ...more];
  await until('each of them is counted', async () => (await supervisor.send('back', 'old')) === open.length);
  t.equal(await supervisor.send('back', 'new'), open.length);
  await Promise.all(open.map((wire) => wire.saw('new')));
  await Promise.all(open.map((wire) => wire.close()));
});

t.test(
  'a worker that is asked to stop drains, and another takes its place',
  { buffered: true },
  async (t) => {
    const supervisor = await startWorkers(t, redis, 2);
    const wires = await openOnAll(supervisor, 'rolling');
    const first = workerPids(supervisor).get(1)!;
    process.kill(first, 'SIGTERM');
    await until('another process has its place', () => workerPids(supervisor).get(1) !== first);
    const gone = wires.filter((wire) => wire.closed);
    t.not(gone.length, 0);
    t.ok(gone.length < wires.length);
    for (const wire of gone) t.ok(wire.complete, 'ended, not cut');
    t.match(supervisor.log, `"workerPid":${first},"code":0,"signal":null`);
    await Promise.all(wires.map((wire) => wire.close()));
  },
);

t.test('gateways and routers have workers, too', { buffered: true }, async (t) => {
  const name = ['--name', 'workers_of_two_roles'];
  const gateways = await startWorkers(t, redis, 2, name, 'gateway');
  const routers = await startWorkers(t, redis, 2, name, 'router');
  const wires = await openOnAll(gateways, 'apart');
  t.equal((await statsOf(routers)).size, 2);
  await until(
    'the routers know of them',
    async () => (await routers.send('apart', 'before')) === wires.length,
  );
  await Promise.all(wires.map((wire) => wire.saw('before')));
  for (const supervisor of [routers, gateways]) t.equal(await supervisor.kill('SIGTERM'), 0);
  for (const wire of wires) await wire.untilClosed();
  t.ok(wires.every((wire) => wire.complete));
});

/** As clients do: who connects while the kernel is still closing what the dead worker had is reset, and tries again. */
async function comeBack(port: number, path: string): Promise<Wire> {
  for (let tries = 1; ; tries++) {
    try {
      return await openStream(port, path);
    } catch (error) {
      if (tries === 20) throw error;
    }
  }
}
