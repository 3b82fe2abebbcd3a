import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { livedMsForReset, RestartBackoff } from '../../../gateway/workers/restart-backoff.js';
import { WorkerPool } from '../../../gateway/workers/worker-pool.js';
import { WorkerProcess } from '../../../gateway/workers/worker-process.js';
import { until } from '../../until.js';
import { isAlive } from './workers.js';

const dir = mkdtempSync(join(tmpdir(), 'encke-pool-'));
t.teardown(() => rmSync(dir, { recursive: true }));

/** Stands for `encke start`: says that it listens, unless its file tells it to end at once with that exit code. */
const script = join(dir, 'worker.mjs');
writeFileSync(
  script,
  `import { appendFileSync, existsSync, readFileSync } from 'node:fs';
  const { ENCKE_WORKER: number, ENCKE_WORKER_GROUP: group, CREW: pool } = process.env;
  appendFileSync(pool + '.starts', JSON.stringify({ number, group, args: process.argv.slice(2) }) + '\\n');
  const order = pool + '.' + number;
  if (existsSync(order)) process.exit(Number(readFileSync(order, 'utf8')));
  process.on('SIGTERM', () => process.exit(existsSync(order) ? Number(readFileSync(order, 'utf8')) : 0));
  process.send({ port: 1234, apiPort: 5678 });
  setInterval(() => {}, 1000);`,
);
let crews = 0;

function crewOf(t: Test, size: number) {
  const path = join(dir, `pool-${crews++}`);
  const lines: { msg: string; worker: number; workerPid: number; restartInMs?: number }[] = [];
  const log = pino({}, { write: (line: string) => lines.push(JSON.parse(line)) });
  const environment = { PATH: process.env.PATH, CREW: path };
  const pool = new WorkerPool({ size, nodeName: 'gw', command: [script, 'start', '--x'], environment, log });
  t.teardown(() => pool.kill());
  const starts = () => (existsSync(`${path}.starts`) ? readFileSync(`${path}.starts`, 'utf8') : '');
  return {
    pool,
    lines,
    starts: () =>
      starts()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    pids: () => lines.filter(({ msg }) => msg === 'worker started').map(({ workerPid }) => workerPid),
    /** From now on this worker ends with this code when it starts, and when it is asked to stop. */
    order: (number: number, code: number) => writeFileSync(`${path}.${number}`, `${code}`),
    release: (number: number) => rmSync(`${path}.${number}`),
  };
}

t.test('the first finds the ports, and the others get them; each has a name of its own', async (t) => {
  const { pool, starts } = crewOf(t, 3);
  t.same(await pool.start(), { port: 1234, apiPort: 5678 });
  const [first, ...others] = starts();
  t.equal(first.number, '1');
  t.same(first.args, ['start', '--x', '--node-name', 'gw-1']);
  t.same(new Set(others.map(({ number }) => number)), new Set(['2', '3']));
  for (const { number, args, group } of others) {
    const ports = ['--port', '1234', '--api-port', '5678'];
    t.same(args, ['start', '--x', '--node-name', `gw-${number}`, ...ports]);
    t.equal(group, first.group);
  }
  t.match(first.group, /^[0-9a-f]{12}$/);
  t.equal(await pool.stop(), 0);
  const another = crewOf(t, 1);
  await another.pool.start();
  t.not(another.starts()[0].group, first.group);
  t.equal(await another.pool.stop(), 0);
});

for (const number of [1, 2]) {
  t.test(`when worker ${number} ends at once at the first start, that is the end`, async (t) => {
    const { pool, order, pids, starts } = crewOf(t, 2);
    order(number, 7);
    await t.rejects(pool.start(), { message: `worker ${number} ended with 7 before it listened` });
    await pool.stop();
    t.equal(starts().length, number, 'it was not tried again');
    t.notOk(pids().some(isAlive), 'nobody is left');
  });
}

t.test(
  'a worker that ends again and again waits twice as long each time, and the others go on',
  async (t) => {
    const { pool, lines, order, release, pids } = crewOf(t, 2);
    await pool.start();
    const [first, second] = pids() as [number, number];
    order(1, 3);
    process.kill(first, 'SIGKILL');
    const waits = () => lines.flatMap(({ restartInMs }) => restartInMs ?? []);
    await until('it has ended three times', () => waits().length === 3, 30_000);
    t.same(waits(), [250, 500, 1000]);
    release(1);
    await until('it is started again', () => pids().length === 5, 30_000);
    t.ok(isAlive(second));
    t.equal(lines.filter(({ msg, worker }) => msg === 'worker started' && worker === 2).length, 1);
    t.equal(await pool.stop(), 0);
  },
);

t.test('a stop does not wait for a worker that waits for its next start', async (t) => {
  const { pool, order, pids, lines } = crewOf(t, 1);
  await pool.start();
  order(1, 3);
  process.kill(pids()[0]!, 'SIGKILL');
  await until('it has ended four times', () => lines.some(({ restartInMs }) => restartInMs === 2000), 30_000);
  const askedMs = performance.now();
  t.equal(await pool.stop(), 0);
  t.ok(performance.now() - askedMs < 30_000);
});

t.test('a worker that fails while it stops is counted', async (t) => {
  const { pool, order } = crewOf(t, 2);
  await pool.start();
  order(2, 1);
  t.equal(await pool.stop(), 1);
});

t.test('a worker that the system cannot start is one that has ended', async (t) => {
  const thrown = new WorkerProcess([script], { BAD: 'a\0b' });
  t.match(await thrown.ended, { code: null, signal: null });
  t.equal(await thrown.listening, undefined);
  const { execPath } = process;
  process.execPath = join(dir, 'nothing-here');
  const told = new WorkerProcess([script], {});
  process.execPath = execPath;
  t.match(await told.ended, { code: null, signal: null });
  t.equal(told.pid, undefined);
  told.kill('SIGTERM');
});

t.test('waits are bounded, and begin anew after a long life', async (t) => {
  const backoff = new RestartBackoff();
  const waits = Array.from({ length: 10 }, () => backoff.waitMs(0));
  t.same(waits, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  t.equal(backoff.waitMs(livedMsForReset - 1), 30_000);
  t.equal(backoff.waitMs(livedMsForReset), 250);
  t.equal(backoff.waitMs(0), 500);
});
