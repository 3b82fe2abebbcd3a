import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectSocket, createServer } from 'node:net';
import t, { type Test } from 'tap';
import { readConfig } from '../../../gateway/config.js';
import { cleanEnvironment, command, encke } from '../../cli/encke.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { freePort, NatsServer } from '../../nats-server.js';
import { until } from '../../until.js';
import { ask, openStream, type Wire } from '../raw-wire.js';
import { isAlive, workerPids } from './worker-pids.js';

// Most of the time goes into starting processes, and waiting for their clocks.
t.jobs = 3;

const nats = await NatsServer.start();
t.teardown(() => nats.stop());
let clusters = 0;

/** Flags of a cluster of its own. */
function onNats(): string[] {
  return ['--engine', 'nats', '--nats', nats.url, '--name', `workers-${clusters++}`];
}

async function startWorkers(t: Test, workers: number, ...flags: string[]): Promise<GatewayProcess> {
  const all = ['--workers', `${workers}`, ...onNats(), '--drain-sec', '1', ...flags];
  const supervisor = await startGateway({ flags: all });
  t.teardown(async () => {
    await supervisor.kill();
    const pids = [...workerPids(supervisor).values()];
    await until('the workers have gone, too', () => !pids.some(isAlive));
  });
  return supervisor;
}

/** The port does not say which worker will answer, so it is asked until all of these have. */
// biome-ignore lint/suspicious/noExplicitAny: what /stats holds is for the tests to say
async function statsOf(supervisor: GatewayProcess): Promise<Map<number, any>> {
  const stats = new Map();
  const pids = [...workerPids(supervisor).values()];
  await until('each worker has told its numbers', async () => {
    const { json } = await ask(supervisor.apiPort, '/stats?scope=node');
    stats.set(json.pid, json);
    return pids.every((pid) => stats.has(pid));
  });
  return stats;
}

/** Opens streams, all of the same id, until each worker has some. */
async function openOnAll(supervisor: GatewayProcess, id: string, atLeast = 1): Promise<Wire[]> {
  const wires: Wire[] = [];
  await until('each worker has streams', async () => {
    for (let n = 0; n < 10; n++) wires.push(await openStream(supervisor.port, `/stream/${id}`));
    const stats = await statsOf(supervisor);
    return [...stats.values()].every(({ connections }) => connections.open >= atLeast);
  });
  return wires;
}

t.test(
  'the workers share the ports, and a send reaches the streams of all of them',
  { buffered: true },
  async (t) => {
    const mqttPort = await freePort();
    const supervisor = await startWorkers(t, 3, '--mqtt-port', `${mqttPort}`);
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
  // As a user starts it: the test runner puts its loader into every Node process that startGateway starts.
  const flags = ['--port', '0', '--api-port', '0', '--workers', '1', ...onNats()];
  const supervisor = spawn(command[0], [...command.slice(1), 'start', ...flags], { env: cleanEnvironment() });
  t.teardown(() => supervisor.kill('SIGKILL'));
  let said = '';
  for (const stream of [supervisor.stdout, supervisor.stderr]) {
    stream.on('data', (text) => {
      said += text;
    });
  }
  await until('it is up', () => said.includes('workers listening'));
  const worker = /"workerPid":(\d+)/.exec(said)![1];
  const mapsOf = (pid: unknown) => readFileSync(`/proc/${pid}/maps`, 'utf8');
  t.ok(mapsOf(worker).includes('/uws.node'));
  t.notOk(mapsOf(supervisor.pid).includes('/uws.node'));
  const status = readFileSync(`/proc/${supervisor.pid}/status`, 'utf8');
  const kib = Number(/^RssAnon:\s+(\d+) kB/m.exec(status)![1]);
  t.ok(kib < 26_000, `${kib} KiB of its own; measured 20,500, of which 6,300 are Node's`);
});

t.test('a worker that is killed comes back, and its clients can', { buffered: true }, async (t) => {
  const supervisor = await startWorkers(t, 2);
  const wires = await openOnAll(supervisor, 'back');
  const first = workerPids(supervisor).get(1)!;
  const other = workerPids(supervisor).get(2)!;
  process.kill(first, 'SIGKILL');
  await until('its streams are cut', () => wires.some((wire) => wire.closed));
  const cut = wires.filter((wire) => wire.closed);
  t.ok(cut.length < wires.length, 'the other worker goes on');
  for (const wire of cut) t.notOk(wire.complete, 'cut, not ended');
  const again = await Promise.all(cut.map(() => openStream(supervisor.port, '/stream/back')));
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
    const supervisor = await startWorkers(t, 2);
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

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} drains all workers, and the exit code is 0`, { buffered: true }, async (t) => {
    const supervisor = await startWorkers(t, 2);
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
  const supervisor = await startWorkers(t, 2, '--drain-sec', '600');
  const pids = [...workerPids(supervisor).values()];
  const wires = await openOnAll(supervisor, 'at-once', 20);
  supervisor.child.kill('SIGTERM');
  await until('they are stopping', () => supervisor.log.split('"msg":"stopping"').length === 3);
  t.ok(supervisor.alive);
  t.equal(await supervisor.kill('SIGTERM'), 143);
  await until('the workers have gone, too', () => !pids.some(isAlive));
  await Promise.all(wires.map((wire) => wire.untilClosed()));
  t.ok(wires.some((wire) => !wire.complete));
});

t.test(
  'a supervisor that is killed leaves no process behind, and clients are not cut',
  { buffered: true },
  async (t) => {
    const supervisor = await startWorkers(t, 2);
    const pids = [...workerPids(supervisor).values()];
    const wires = await openOnAll(supervisor, 'orphans');
    t.equal(await supervisor.kill('SIGKILL'), 'SIGKILL');
    await until('the workers have gone, too', () => !pids.some(isAlive));
    for (const wire of wires) {
      await wire.untilClosed();
      t.ok(wire.complete, 'its last chunk came');
    }
    t.equal(supervisor.log.split('"signal":"supervisor gone"').length, 3, 'both said so');
    await startWorkers(t, 1, '--port', `${supervisor.port}`, '--api-port', `${supervisor.apiPort}`);
  },
);

t.test(
  'a port that is taken stops the start with a sentence, whoever has it',
  { buffered: true },
  async (t) => {
    const others = await startWorkers(t, 1);
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
      const outcome = await encke(['start', '--workers', '2', ...onNats(), ...free, flag, `${port}`]);
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

t.test('what keeps a worker from starting is said once, and stops all', { buffered: true }, async (t) => {
  const dead = await freePort();
  const flags = ['--port', '0', '--api-port', '0', '--log-level', 'silent', '--workers', '3'];
  const away = await encke(['start', ...flags, '--engine', 'nats', '--nats', `nats://127.0.0.1:${dead}`]);
  t.equal(away.code, 1);
  t.match(away.stderr, /^encke start: NATS at [^\n]+\n$/);
  t.equal(away.stdout, '');
  const many = await encke(['start', ...flags, ...onNats(), '--connections-max', '90000000']);
  t.equal(many.code, 2);
  t.match(many.stderr, /^encke start: --connections-max 90000000 [^\n]+\n$/);
});

t.test(
  '--workers without NATS, or with a name too long, is refused with a sentence',
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
    t.match(problemOf({ workers: '2' }), /^--workers 2 needs --engine nats/);
    t.match(
      problemOf({ workers: '2000', engine: 'nats' }),
      /^--workers must be a whole number from 0 to 1024/,
    );
    const nodeName = 'x'.repeat(62);
    t.match(problemOf({ workers: '10', engine: 'nats', nodeName }), /^--node-name x+ has no room.* 61 /);
    t.equal(readConfig({ flags: { workers: '9', engine: 'nats', nodeName }, environment: {} }).workers, 9);
    const outcome = await encke(['start', '--workers', '2']);
    t.equal(outcome.code, 2);
    t.match(outcome.stderr, /^encke start: --workers 2 needs --engine nats[^\n]+\n$/);
  },
);

t.test('who sets a worker’s variable by hand is told', { buffered: true }, async (t) => {
  const outcome = await encke(['start'], { environment: { ENCKE_WORKER: '1' } });
  t.equal(outcome.code, 2);
  t.match(outcome.stderr, /^encke start: ENCKE_WORKER in the environment [^\n]+\n$/);
});
