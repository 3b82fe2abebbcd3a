/** msggen as a process that sends through the global name of a router on NATS. */
import t, { type Test } from 'tap';
import { freePort } from '../free-port.js';
import { startNodes } from '../gateway/cluster/nodes.js';
import { openStream, type Wire } from '../gateway/raw-wire.js';
import { NatsServer } from '../nats-server.js';
import { until } from '../until.js';
import { NameServer } from './name-server.js';
import { runTool, ToolProcess } from './tool-process.js';

const nats = await NatsServer.start();
t.teardown(() => nats.stop());

/** A name of its own for each test: several share one NATS. */
async function nameServer(t: Pick<Test, 'teardown'>, name: string): Promise<NameServer> {
  const server = await NameServer.open(nats.url, name);
  t.teardown(() => server.close());
  return server;
}

const msggen = (name: string, ...args: string[]) =>
  new ToolProcess(['msggen', '--nats', nats.url, '--name', name, '--json', ...args]);

t.test('every message is answered, and those of an id come in order over one connection', async (t) => {
  const router = await nameServer(t, 'in-order');
  router.answer = { delivered: 3 };
  const flags = ['--messages', '600', '--rate', '6000', '--max-id', '7', '--connections', '3', '--stamp'];
  const summary = await msggen('in-order', ...flags, '--id-prefix', 'hä/').summary();
  t.match(summary, {
    url: nats.url,
    asked: { transport: 'nats', name: 'in-order', window: 1 },
    sent: 600,
    delivered: 1800,
    errorsTotal: 0,
    unanswered: 0,
  });
  t.ok(summary.bytesSent > 600 * 30 && summary.bytesReceived > 600 * 10, 'of the messages alone');
  t.equal(router.taken.length, 600);
  const last = new Map<string, { seq: number; inbox: string }>();
  for (const { id, data, inbox } of router.taken) {
    const seq = Number(data.split(' ')[2]);
    const before = last.get(id) ?? { seq: 0, inbox };
    if (seq !== before.seq + 1) t.fail(`${id}: ${seq} after ${before.seq}`);
    if (inbox !== before.inbox) t.fail(`${id} changed its connection`);
    last.set(id, { seq, inbox });
  }
  t.same([...last.keys()].sort()[0], 'hä/1');
  t.equal(new Set(router.taken.map(({ inbox }) => inbox)).size, 3);
});

t.test('a connection waits for the answer, or for as many as --window says', async (t) => {
  for (const window of [1, 5]) {
    const router = await nameServer(t, `window-${window}`);
    router.stall();
    const flags = ['--messages', '50', '--rate', 'max', '--connections', '2', '--window', String(window)];
    const tool = msggen(`window-${window}`, ...flags);
    await until('it sends', () => router.taken.length >= 2 * window);
    const sinceMs = performance.now();
    await until('it could have sent more', () => performance.now() - sinceMs > 300);
    t.equal(router.taken.length, 2 * window, 'and it does not');
    router.goOn();
    t.match(await tool.summary(), { sent: 50, delivered: 50, errorsTotal: 0 });
  }
});

t.test('--no-wait asks for no count, and counts none', async (t) => {
  const router = await nameServer(t, 'no-wait');
  t.match(await msggen('no-wait', '--messages', '30', '--rate', 'max', '--no-wait').summary(), {
    sent: 30,
    delivered: null,
    asked: { wait: false },
  });
  t.same(new Set(router.taken.map(({ wait }) => wait)), new Set([false]));
});

t.test('what a router refuses is an error by its sentence, and the run goes on', async (t) => {
  const router = await nameServer(t, 'refuses');
  const tool = msggen('refuses', '--rate', '200', '--until', '1s', '--connections', '4');
  await until('it sends', () => router.taken.length > 20);
  router.answer = { error: 'Not today.' };
  const refusedFrom = router.taken.length;
  await until('it is refused', () => router.taken.length > refusedFrom + 10);
  router.answer = { delivered: 1 };
  const summary = await tool.summary();
  t.same(Object.keys(summary.errors), ['refused: Not today.']);
  t.equal(summary.sent + summary.errorsTotal, 200);
  t.equal(summary.delivered, summary.sent, 'what was refused is not counted as delivered');
  t.equal(tool.child.exitCode, 0);
});

t.test('a router that vanishes is an error for each message, until one is back', async (t) => {
  const router = await nameServer(t, 'vanishes');
  const tool = msggen('vanishes', '--rate', '200', '--until', '2s', '--connections', '4');
  await until('it sends', () => router.taken.length > 20);
  await router.vanish();
  const sinceMs = performance.now();
  await until('it has sent to nobody', () => performance.now() - sinceMs > 500);
  await router.appear();
  const summary = await tool.summary();
  t.same(Object.keys(summary.errors), ['nobody under the name']);
  t.equal(summary.sent + summary.errorsTotal, 400);
  t.equal(summary.unanswered, 0);
  t.equal(router.taken.length, summary.sent);
});

t.test('a router that takes a message and dies is an error after 5 s', async (t) => {
  const router = await nameServer(t, 'dies');
  router.stall();
  const summary = await msggen('dies', '--messages', '1', '--interval', '1', '--max-id', '1').summary();
  t.match(summary, { sent: 0, errors: { 'no answer in 5 s': 1 }, errorsTotal: 1 });
  t.equal(router.taken.length, 1);
});

t.test('when NATS goes, what was unanswered is an error; when it is back, the run goes on', async (t) => {
  const own = await NatsServer.start({ jetStream: false });
  t.teardown(() => own.stop());
  const router = await NameServer.open(own.url, 'encke');
  t.teardown(() => router.close());
  const tool = new ToolProcess([
    'msggen',
    '--nats',
    own.url,
    '--json',
    '--rate',
    '200',
    '--until',
    '4s',
    '-c',
    '4',
  ]);
  await until('it sends', () => router.taken.length > 50);
  router.stall();
  await until('four wait for an answer', () => router.waiting === 4);
  await own.kill();
  router.goOn();
  const before = router.taken.length;
  await own.restart();
  await until('it sends again', () => router.taken.length > before + 50);
  const summary = await tool.summary();
  // A connection that is back before the router's is told that nobody is there.
  const { 'nobody under the name': nobody = 0, ...others } = summary.errors;
  t.same(others, { 'NATS went away': 4 });
  t.equal(summary.errorsTotal, 4 + nobody);
  t.same(summary.connectionsLost, { 'NATS went away': 4 });
  t.equal(summary.sent + summary.errorsTotal, 800, 'what became due meanwhile was sent late, and counted');
  t.ok(summary.late > 0, `late ${summary.late}`);
});

t.test('no NATS, and nobody under the name: each is a sentence and exit code 1', async (t) => {
  const port = await freePort();
  t.match(await runTool(['msggen', '--messages', '1', '--nats', `nats://u:secret@127.0.0.1:${port}`]), {
    exitCode: 1,
    stdout: '',
    stderr: `NATS at nats://127.0.0.1:${port} cannot be reached or refuses (ECONNREFUSED). Start it with "nats-server -js", or name another with --nats.\n`,
  });
  t.match(await runTool(['msggen', '--messages', '1', '--nats', nats.url, '--name', 'nobody']), {
    exitCode: 1,
    stdout: '',
    stderr: /^Nobody answers to the name "nobody" on NATS at \S+\. Start a router [^\n]+\n$/,
  });
});

t.test('real nodes: each stamped message arrives once and in order', async (t) => {
  const [one, two] = await startNodes(t, nats, ['gw-1', 'gw-2'], ['--name', 'real']);
  const near = await openStream(one!.port, '/stream?id=1&id=2');
  const far = await openStream(two!.port, '/stream?id=2&id=3');
  const flags = ['--messages', '900', '--rate', 'max', '--max-id', '3', '--connections', '3', '--stamp'];
  const summary = await msggen('real', ...flags).summary();
  t.match(summary, { sent: 900, errorsTotal: 0 });
  const arrivedAt = (stream: Wire) => [...stream.text.matchAll(/"id":"(\d)","data":"\S+ \S+ (\d+) /g)];
  const arrived = () => arrivedAt(near).length + arrivedAt(far).length;
  await until('as many have come as were said to be delivered', () => arrived() >= summary.delivered);
  t.equal(arrived(), summary.delivered, 'and no more');
  t.ok(arrived() > 900, `${arrived()}: id 2 has two`);
  for (const stream of [near, far]) {
    const lastSeq = new Map<string, number>();
    for (const [, id, seq] of arrivedAt(stream)) {
      const before = lastSeq.get(id!) ?? 0;
      if (Number(seq) !== before + 1) t.fail(`${id}: ${seq} after ${before}`);
      lastSeq.set(id!, Number(seq));
    }
    t.equal(lastSeq.size, 2);
  }
});
