/** msggen as a process against an API that remembers: what it sends, when, and what it says about it. */
import t, { type Test } from 'tap';
import { readStamp, type Stamp } from '../../msggen/stamp.js';
import { until } from '../until.js';
import { ApiServer } from './api-server.js';
import { runTool, ToolProcess } from './tool-process.js';

async function apiServer(t: Pick<Test, 'teardown'>): Promise<ApiServer> {
  const api = await new ApiServer().listen();
  t.teardown(() => api.close());
  return api;
}

t.test("the origin's example: 10 senders of 20 messages each to random ids 1 to 5", async (t) => {
  const api = await apiServer(t);
  api.deliveredEach = 2;
  const args = ['--messages', '20', '--interval', '10', '--max-id', '5', '--senders', '10', '--json'];
  const summary = await new ToolProcess(['msggen', ...args], { ENCKE_API_URL: api.url }).summary();
  t.match(summary, { sent: 200, delivered: 400, errorsTotal: 0, unanswered: 0, asked: { ratePerSec: 1000 } });
  t.equal(api.taken.length, 200);
  const paths = new Set(api.taken.map(({ path }) => path));
  t.same([...paths].sort(), ['/send/1', '/send/2', '/send/3', '/send/4', '/send/5']);
  const [first, last] = [api.taken[0]!.atMs, api.taken.at(-1)!.atMs];
  t.ok(last - first > 150, `200 messages at 1000/s take 200 ms, not ${last - first}`);
  t.ok(summary.achievedPerSec <= 1000, `never more than asked: ${summary.achievedPerSec}/s`);
  const sum = (of: 'bytesRead' | 'bytesWritten') =>
    [...api.sockets].reduce((bytes, socket) => bytes + socket[of], 0);
  t.equal(summary.bytesSent, sum('bytesRead'), 'heads of requests are counted, too');
  t.equal(summary.bytesReceived, sum('bytesWritten'));
  t.ok(summary.bytesSent > 200 * 100, `${summary.bytesSent}`);
  const sentBytes = summary.sentBytesPerSec * summary.elapsedSec;
  t.ok(Math.abs(sentBytes - summary.bytesSent) < 1, `${sentBytes} by the rate a second`);
});

t.test('a stall of the server is caught up with, and counted from the deadlines', async (t) => {
  const api = await apiServer(t);
  // Seldom, and long: 800 messages in 4 s, of which 400 wait.
  const args = ['--rate', '200', '--until', '4s', '--max-id', '100', '--json', '--url', api.url];
  const tool = new ToolProcess(['msggen', ...args]);
  await until('it sends', () => api.taken.length > 50);
  api.stall();
  const stalledAtMs = performance.now();
  await until('2 s have passed', () => performance.now() - stalledAtMs > 2_000);
  const atMost = 50 + api.taken.length;
  api.goOn();
  const stalledSec = (performance.now() - stalledAtMs) / 1000;
  const { sent, latencyMs, requestMs, late, elapsedSec } = await tool.summary();
  t.ok(atMost < 400, 'with nothing answered at most one message a connection is on the wire');
  t.equal(sent, 800);
  t.equal(api.taken.length, 800);
  t.ok(latencyMs.max > 1_900, `the longest latency is the stall: ${latencyMs.max}`);
  t.ok(latencyMs.p90 > 1_000, `and 400 of 800 messages waited in it: p90 ${latencyMs.p90}`);
  t.ok(requestMs.p90 < latencyMs.p90 / 2, `though few requests did: p90 ${requestMs.p90}`);
  t.ok(late > 200, `late ${late}`);
  // 4 s where it catches up, 4 s and the stall where it does not; on a busy machine the stall is longer, too.
  t.ok(elapsedSec < 4 + 0.75 * stalledSec, `${elapsedSec} s, with a stall of ${stalledSec} s`);
});

t.test('so is a stall of msggen itself', async (t) => {
  const api = await apiServer(t);
  const args = ['--rate', '500', '--until', '2s', '--max-id', '100', '--json', '--url', api.url];
  const tool = new ToolProcess(['msggen', ...args]);
  await until('it sends', () => api.taken.length > 50);
  tool.child.kill('SIGSTOP');
  const stoppedAtMs = performance.now();
  await until('700 ms have passed', () => performance.now() - stoppedAtMs > 700);
  tool.child.kill('SIGCONT');
  const summary = await tool.summary();
  t.equal(summary.sent, 1000);
  t.ok(summary.latencyMs.max > 600, `latency counts from the deadline: ${summary.latencyMs.max}`);
  t.ok(summary.late > 200, `late ${summary.late}`);
});

t.test('stamps count 1, 2, 3 for each id, in order on one connection', async (t) => {
  const api = await apiServer(t);
  const args = [
    '--messages',
    '600',
    '--rate',
    '6000',
    '--max-id',
    '7',
    '--connections',
    '3',
    '--stamp',
    '--size',
    '80',
  ];
  const startUs = Date.now() * 1000;
  const summary = await new ToolProcess(['msggen', ...args, '--json', '--url', api.url]).summary();
  const seqs = new Map<string, number>();
  const connections = new Map<string, number>();
  const stamp: Stamp = { publisher: 0, seq: 0, dueAtUs: 0 };
  for (const { path, body, remotePort } of api.taken) {
    const bytes = Buffer.from(body);
    if (!readStamp(bytes, 0, bytes.length, stamp)) t.fail(`no stamp: ${body}`);
    if (stamp.seq !== (seqs.get(path) ?? 0) + 1) t.fail(`${path}: ${stamp.seq} after ${seqs.get(path)}`);
    seqs.set(path, stamp.seq);
    if ((connections.get(path) ?? remotePort) !== remotePort) t.fail(`${path} changed its connection`);
    connections.set(path, remotePort);
    if (stamp.dueAtUs < startUs - 1000 || stamp.dueAtUs > Date.now() * 1000 + 1000)
      t.fail(`time ${stamp.dueAtUs}`);
    if (body.length !== 80) t.fail(`${body.length} bytes`);
  }
  t.equal(stamp.publisher.toString(16).padStart(12, '0'), summary.publisher);
  t.equal(seqs.size, 7);
  t.equal(new Set(connections.values()).size, 3);
});

t.test('a batch holds what is due, in order for each id, and no more than asked', async (t) => {
  const api = await apiServer(t);
  const args = [
    '--messages',
    '3000',
    '--rate',
    '10000',
    '--max-id',
    '9',
    '--batch',
    '20',
    '--connections',
    '2',
    '--stamp',
  ];
  const summary = await new ToolProcess(['msggen', ...args, '--json', '--url', api.url]).summary();
  t.match(summary, { sent: 3000, delivered: 3000, errorsTotal: 0 });
  const lines = api.taken.map(({ body }) =>
    body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  );
  t.ok(lines.every(({ length }) => length <= 20));
  t.ok(lines.length < 1500, `${lines.length} requests for 3000 messages`);
  const seqs = new Map<string, number>();
  for (const { id, data } of lines.flat()) {
    const seq = Number(data.split(' ')[2]);
    if (seq !== (seqs.get(id) ?? 0) + 1) t.fail(`${id}: ${seq} after ${seqs.get(id)}`);
    seqs.set(id, seq);
  }
  t.equal(seqs.size, 9);
});

t.test('--no-wait asks for no count, and shows none', async (t) => {
  const api = await apiServer(t);
  api.status = 202;
  const args = ['--messages', '20', '--rate', '1000', '--max-id', '5', '--no-wait'];
  const summary = await new ToolProcess(['msggen', ...args, '--json', '--url', api.url]).summary();
  t.match(summary, { sent: 20, delivered: null, errorsTotal: 0, asked: { wait: false } });
  t.equal(api.taken.length, 20);
  for (const { path } of api.taken) t.match(path, /^\/send\/[1-5]\?wait=0$/);
  const batches = await new ToolProcess([
    'msggen',
    ...args,
    '--batch',
    '5',
    '--json',
    '--url',
    api.url,
  ]).summary();
  t.match(batches, { sent: 20, delivered: null, errorsTotal: 0 });
  t.ok(api.taken.slice(20).length > 0);
  for (const { path } of api.taken.slice(20)) t.equal(path, '/send?wait=0');
});

t.test('lines of a batch that the API calls bad are errors, the others are sent', async (t) => {
  const api = await apiServer(t);
  api.badEach = 1;
  const args = [
    '--messages',
    '40',
    '--rate',
    'max',
    '--connections',
    '1',
    '--batch',
    '10',
    '--json',
    '--url',
    api.url,
  ];
  const summary = await new ToolProcess(['msggen', ...args]).summary();
  t.match(summary, { sent: 36, delivered: 36, errors: { 'refused line of a batch': 4 }, unanswered: 0 });
});

t.test('--rate max is a closed loop: as many on the wire as connections', async (t) => {
  const api = await apiServer(t);
  const args = [
    '--messages',
    '500',
    '--rate',
    'max',
    '--max-id',
    '40',
    '--connections',
    '8',
    '--json',
    '--url',
    api.url,
  ];
  const summary = await new ToolProcess(['msggen', ...args]).summary();
  t.match(summary, { sent: 500, delivered: 500, late: 0, asked: { ratePerSec: 'max', intervalMs: null } });
  t.equal(new Set(api.taken.map(({ remotePort }) => remotePort)).size, 8);
  t.equal(new Set(api.taken.map(({ path }) => path)).size, 40);
});

t.test('messages that wait for a stalled server are bounded', async (t) => {
  const api = await apiServer(t);
  api.stall();
  const args = ['--rate', '2000', '--until', '1s', '--connections', '2', '--waiting-limit', '100'];
  const tool = new ToolProcess(['msggen', ...args, '--json', '--url', api.url]);
  await until('both connections wait for an answer', () => api.taken.length === 2);
  const startedAtMs = performance.now();
  await until(
    'all messages are due, also where it gets a third of a core',
    () => performance.now() - startedAtMs > 4_000,
  );
  t.equal(api.taken.length, 2);
  api.goOn();
  const summary = await tool.summary();
  t.match(summary, { due: 2000, sent: 102, errorsTotal: 1898 });
  // Where msggen itself stood still for more than 50 ms, some of them are of the other kind.
  const { 'waiting list full': listFull, 'more than msggen can take in': tooMany = 0 } = summary.errors;
  t.equal(listFull + tooMany, 1898);
  t.ok(listFull > 0, `${listFull}`);
});

t.test('errors are counted by kind, and the run goes on', async (t) => {
  const api = await apiServer(t);
  const tool = new ToolProcess(['msggen', '--rate', '200', '--until', '1s', '--json', '--url', api.url]);
  await until('it sends', () => api.taken.length > 20);
  const takenBefore = api.taken.length;
  api.status = 413;
  await until('it is refused', () => api.taken.length > takenBefore + 40);
  api.status = 200;
  const summary = await tool.summary();
  t.same(Object.keys(summary.errors), ['HTTP 413']);
  t.ok(summary.errors['HTTP 413'] >= 40);
  t.equal(summary.sent + summary.errorsTotal, 200);
  t.equal(tool.child.exitCode, 0);
});

t.test('the same seed gives the same ids', async (t) => {
  const runs: string[][] = [];
  for (const seed of ['7', '7', '8']) {
    const api = await apiServer(t);
    const args = [
      '--messages',
      '50',
      '--interval',
      '1',
      '--connections',
      '1',
      '--seed',
      seed,
      '--url',
      api.url,
    ];
    await runTool(['msggen', ...args]);
    runs.push(api.taken.map(({ path }) => path));
  }
  t.same(runs[0], runs[1]);
  t.notSame(runs[0], runs[2]);
});

t.test('ids have the prefix, percent-encoded level by level', async (t) => {
  const api = await apiServer(t);
  const args = [
    '--messages',
    '3',
    '--interval',
    '1',
    '--max-id',
    '1',
    '--id-prefix',
    'häuser/a b/',
    '--url',
    api.url,
  ];
  await runTool(['msggen', ...args]);
  t.same(new Set(api.taken.map(({ path }) => path)), new Set(['/send/h%C3%A4user/a%20b/1']));
});

t.test('an interrupt ends it with its summary', async (t) => {
  const api = await apiServer(t);
  const tool = new ToolProcess(['msggen', '--rate', '300', '--forever', '--url', api.url]);
  await until('it sends', () => api.taken.length > 30);
  tool.child.kill('SIGINT');
  t.equal(await tool.ended(), 0);
  t.match(tool.stdout, /^asked +300\/s from 1 sender to ids 1 to 1000\nsent +\d+ in/);
  t.match(tool.stdout, /\ndelivered +\d+\nerrors +0\n/);
});

t.test('a server that is not there is one sentence and exit code 1', async (t) => {
  const { exitCode, stdout, stderr } = await runTool([
    'msggen',
    '--messages',
    '1',
    '--url',
    'http://127.0.0.1:9',
  ]);
  t.equal(exitCode, 1);
  t.equal(stdout, '');
  t.equal(
    stderr,
    'No router API answers at http://127.0.0.1:9 (ECONNREFUSED). Start the server with "npm start", or name another with --url.\n',
  );
});

t.test('so is a token that is missing or wrong', async (t) => {
  const api = await apiServer(t);
  api.token = 'secret';
  const args = ['msggen', '--messages', '1', '--url', api.url];
  const without = await runTool(args);
  t.equal(without.exitCode, 1);
  t.match(
    without.stderr,
    /answers 401: no token was given\. Give .*--token-file, --token or ENCKE_API_TOKEN\.\n$/,
  );
  t.match(await runTool([...args, '--token', 'guess']), { exitCode: 1, stderr: /does not accept the token/ });
  t.match(await runTool(args, { ENCKE_API_TOKEN: 'secret' }), { exitCode: 0 });
});

t.test('when every message fails, the exit code says so', async (t) => {
  const api = await apiServer(t);
  api.status = 404;
  const run = await runTool(['msggen', '--messages', '5', '--interval', '1', '--url', api.url]);
  t.match(run, {
    exitCode: 1,
    stdout: /errors +5 \(HTTP 404: 5\)/,
    stderr: /^Nothing could be sent to http/,
  });
});
