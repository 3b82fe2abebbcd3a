/** msggen's summary and exit code for unanswered messages, and for rates that it cannot reach. */
import t, { type Test } from 'tap';
import { until } from '../until.js';
import { ApiServer } from './api-server.js';
import { runTool, ToolProcess } from './tool-process.js';

async function apiServer(t: Pick<Test, 'teardown'>): Promise<ApiServer> {
  const api = await new ApiServer().listen();
  t.teardown(() => api.close());
  return api;
}

t.test('an unanswered message counts with the time that it waited', async (t) => {
  const api = await apiServer(t);
  const tool = new ToolProcess([
    ...['msggen', '--rate', '100', '--until', '1s', '--connections', '4', '--answer-timeout', '1s', '--json'],
    ...['--fail-on', 'loss,errors,p99=10s,p50=100ms', '--url', api.url],
  ]);
  await until('it sends', () => api.taken.length >= 5);
  api.stall();
  const summary = await tool.summary();
  t.ok(summary.sent >= 5 && summary.sent < 50, `${summary.sent} were answered`);
  t.equal(summary.unanswered + summary.errorsTotal, 100 - summary.sent);
  t.ok(summary.latencyMs.max > 900, `max ${summary.latencyMs.max}`);
  t.ok(summary.latencyMs.p50 > 300, `p50 ${summary.latencyMs.p50}`);
  t.ok(summary.requestMs.max > 900, `the longest request ${summary.requestMs.max}`);
  t.ok(summary.elapsedSec < 5, `the answer is waited for a second, not ${summary.elapsedSec}`);
  t.equal(tool.child.exitCode, 3);
  t.match(tool.stderr, /^--fail-on loss: \d+ unanswered\.$/m);
  t.match(tool.stderr, /^--fail-on p50: \d+ ms, which is more than 100 ms\.$/m);
  t.notMatch(tool.stderr, /p99/);
});

t.test('an API that never answers is said to, with no empty reasons', async (t) => {
  const api = await apiServer(t);
  api.stall();
  const args = ['--messages', '5', '--interval', '1', '--answer-timeout', '800ms'];
  const run = await runTool(['msggen', ...args, '--url', api.url]);
  t.equal(run.exitCode, 1);
  t.match(run.stdout, /\nlatency +p50 [789]\d\d|1\d{3} /);
  t.match(run.stderr, /^Nothing could be sent to http:\S+ (the errors above say why|no answer came within)/);
  t.notMatch(run.stdout, /undefined|NaN|nothing measured ms/);
});

t.test('--fail-on is quiet where all went well, and errors make it tell', async (t) => {
  const api = await apiServer(t);
  const args = ['msggen', '--messages', '10', '--interval', '1', '--url', api.url];
  const all = ['--fail-on', 'loss,errors,max=10s'];
  t.match(await runTool([...args, ...all]), { exitCode: 0, stderr: '' });
  const tool = new ToolProcess([
    'msggen',
    '--rate',
    '100',
    '--until',
    '1s',
    '--url',
    api.url,
    '--fail-on',
    'errors',
  ]);
  await until('it sends', () => api.taken.length > 10 + 5);
  api.status = 404;
  t.equal(await tool.ended(), 3);
  t.match(tool.stderr, /^--fail-on errors: \d+ × HTTP 404\.\n$/);
  t.match(await runTool([...args, '--fail-on', 'p99']), {
    exitCode: 2,
    stderr: /such as loss,errors,p99=50ms/,
  });
});

t.test('a rate past all bounds is told as a limit of its own, and Ctrl-C is heard', async (t) => {
  const api = await apiServer(t);
  const args = ['--rate', '1000000000', '--until', '1h', '--json', '--url', api.url];
  const tool = new ToolProcess(['msggen', ...args]);
  await until('it sends', () => api.taken.length > 50);
  const interruptedMs = performance.now();
  tool.child.kill('SIGINT');
  const summary = await tool.summary();
  t.ok(performance.now() - interruptedMs < 30_000, `${performance.now() - interruptedMs} ms`);
  t.equal(summary.ownLimit, true);
  t.ok(summary.errors['more than msggen can take in'] > 1e6);
});

t.test('a server that is too slow is no limit of its own', async (t) => {
  const api = await apiServer(t);
  const args = [
    '--rate',
    '500',
    '--until',
    '1s',
    '--connections',
    '2',
    '--answer-timeout',
    '500ms',
    '--json',
  ];
  const tool = new ToolProcess(['msggen', ...args, '--url', api.url]);
  await until('it sends', () => api.taken.length > 5);
  api.stall();
  const summary = await tool.summary();
  t.ok(summary.achievedPerSec < 400, `${summary.achievedPerSec}`);
  t.equal(summary.ownLimit, false);
});
