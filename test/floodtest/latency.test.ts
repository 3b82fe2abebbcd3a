/** From when a message was due to its arrival: what a stall delays has waited since then, and clocks may differ. */
import t from 'tap';
import { formatStamp, newPublisher, nowUs } from '../../msggen/stamp.js';
import { startProcess } from '../gateway-process.js';
import { ToolProcess } from '../msggen/tool-process.js';
import { until } from '../until.js';
import { FaultyGateway } from './faulty-gateway.js';

t.test('a stall of the server weighs in floodtest as it does in msggen', async (t) => {
  const gateway = await startProcess();
  t.teardown(() => gateway.kill());
  const args = ['--connections', '20', '--url', gateway.url, '--json'];
  const flood = new ToolProcess(['floodtest', ...args]);
  await until('all are connected', () => flood.stderr.includes('connected 20 '));
  const load = ['--rate', '200', '--until', '4s', '--max-id', '20', '--stamp', '--json', '--url'];
  const publisher = new ToolProcess(['msggen', ...load, gateway.apiUrl]);
  await until('messages come', async () => / chunks ([3-9]\d|\d{3,}) /.test(flood.stderr));
  gateway.child.kill('SIGSTOP');
  const stoppedMs = performance.now();
  await until('2 s have passed', () => performance.now() - stoppedMs > 2000);
  gateway.child.kill('SIGCONT');
  const sent = await publisher.summary();
  const chunks = 20 + sent.sent;
  await until('it says so itself', () => flood.stderr.includes(` chunks ${chunks} `));
  flood.child.kill('SIGINT');
  const received = await flood.summary();
  t.match(received, { messages: 800, lost: 0, beforeDue: 0 });
  for (const percentile of ['p50', 'p90', 'max']) {
    const [here, there] = [received.latencyMs[percentile], sent.latencyMs[percentile]];
    t.ok(here > 0.7 * there - 20, `${percentile}: ${here} ms from due to arrival, ${there} to the answer`);
  }
  t.ok(received.latencyMs.p90 > 1000, `p90 ${received.latencyMs.p90}`);
});

async function floodOfTwo(t: { teardown(handler: () => void): void }, ...flags: string[]) {
  const gateway = await new FaultyGateway().listen();
  t.teardown(() => gateway.close());
  const tool = new ToolProcess(['floodtest', '--connections', '2', '--url', gateway.url, ...flags]);
  await until('both are connected', () => `${tool.stdout}${tool.stderr}`.includes('connected 2 '));
  return { gateway, tool };
}

for (const [who, offSec, told] of [
  [
    'ahead of ours',
    5,
    /\nclocks +2 messages were here before they were due: .* at least (49\d\d|5000) ms ahead/,
  ],
  ['behind ours', -5, /\nclocks +no message took less than [56]\d{3} ms: perhaps/],
] as const) {
  t.test(`a publisher whose clock is ${who} is told of, and makes no losses`, async (t) => {
    const { gateway, tool } = await floodOfTwo(t);
    // Began a minute ago by its own clock that is right, else after the login by ours.
    const publisher = newPublisher(nowUs() + (offSec - 1) * 1e6);
    for (const [id, seq] of [
      ['1', 7],
      ['2', 9],
    ] as const)
      gateway.send(id, formatStamp(publisher, seq, nowUs() + offSec * 1e6));
    await until('they have come', () => tool.stdout.includes(' chunks 4 '));
    tool.child.kill('SIGINT');
    t.equal(await tool.ended(), 0);
    t.match(tool.stdout, told);
    t.match(tool.stdout, /\nlost +0\n/);
    t.match(tool.stdout, offSec > 0 ? /\nlatency +p50 -[45]\d{3} / : /\nlatency +p50 [56]\d{3} /);
  });
}

t.test('the first version of the stamp is none', async (t) => {
  const { gateway, tool } = await floodOfTwo(t, '--json');
  gateway.send('1', '[m 0123abcd 5 1700000000000000]');
  await until('it has come', () => tool.stderr.includes(' chunks 3 '));
  tool.child.kill('SIGINT');
  t.match(await tool.summary(), { messages: 1, stamped: 0, latencyMs: null });
});

t.test('--fail-on makes the exit code tell of a loss', async (t) => {
  const { gateway, tool } = await floodOfTwo(t, '--fail-on', 'loss,errors,max=1h');
  gateway.sendStamped('1', newPublisher(nowUs() - 60e6), 1, 3);
  await until('they have come', () => tool.stdout.includes(' chunks 4 '));
  tool.child.kill('SIGINT');
  t.equal(await tool.ended(), 3);
  t.match(tool.stderr, /^--fail-on loss: 1 lost\.\n$/);
});
