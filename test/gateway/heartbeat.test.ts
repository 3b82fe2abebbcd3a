import t from 'tap';
import { Clock, tickMs } from '../../gateway/clock.js';
import { Crowd, getRequest } from '../crowd.js';
import { startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';
import { openStream, type Wire } from './raw-wire.js';

// Each test has a server of its own and mostly waits for its clock: all at once, they take as long as the longest.
t.jobs = 8;

oneProcessFile('clocks of streams; nothing crosses');

/** When each read of this wire came, from now on; milliseconds. */
function timesOfReads(wire: Wire): number[] {
  const timesMs: number[] = [];
  wire.socket.on('data', () => timesMs.push(performance.now()));
  return timesMs;
}

t.test(
  'an idle stream gets a newline, as a chunk of its own, again and again',
  { buffered: true },
  async (t) => {
    const gateway = await startGateway({ flags: ['--heartbeat-sec', '1'] });
    t.teardown(() => gateway.kill());
    const openedMs = performance.now();
    const page = await openStream(gateway.port, '/test/1');
    const lines = await openStream(gateway.port, '/stream/1');
    const timesMs = timesOfReads(page);
    const start = page.bytes.length;
    await until('each has had three', () => page.chunks.length >= 3 && lines.chunks.length >= 3);
    t.equal(page.bytes.toString('latin1', start).slice(0, 24), '\r\n1\r\n\n'.repeat(4).slice(0, 18));
    t.ok(
      [...page.chunks, ...lines.chunks].every((chunk) => String(chunk) === '\n'),
      'nothing else came',
    );
    // Counted from the opening: a read may be late, and the next one then seems early.
    const tookMs = timesMs.map((time) => Math.round(time - openedMs));
    t.ok(
      tookMs.every((ms, n) => ms > (n + 1) * 500),
      `not more often than asked: after ${tookMs} ms`,
    );
    const { messages } = await gateway.stats();
    t.ok(messages.heartbeats >= 6, 'they are counted');
    t.equal(messages.written, 0, 'and are no messages');
    await gateway.send('1', 'x');
    await page.saw("Recvd msg #1: 'x'");
    t.pass('a heartbeat does not count as a message');
    await lines.saw('"data":"x"');
    await Promise.all([page.close(), lines.close()]);
  },
);

t.test(
  'a stream that has something to say needs no heartbeat, and an idle one beside it does',
  { buffered: true },
  async (t) => {
    const gateway = await startGateway({ flags: ['--heartbeat-sec', '2'] });
    t.teardown(() => gateway.kill());
    const idle = await openStream(gateway.port, '/stream/idle');
    const busy = await openStream(gateway.port, '/stream/busy');
    let sent = 0;
    await until('the idle one has had two heartbeats', async () => {
      await gateway.send('busy', `m${sent++}`);
      return idle.chunks.length >= 2;
    });
    await busy.saw(`"m${sent - 1}"`);
    await until('the last line is closed', () => busy.text.endsWith('\n'));
    t.notMatch(busy.text, /^$\n/m, 'no empty line between messages');
    t.equal(busy.text.split('\n').length - 1, sent);
    const silentFrom = busy.chunks.length;
    await until('it is idle now, and gets one', () => busy.chunks.length > silentFrom);
    t.equal(String(busy.chunks[silentFrom]), '\n');
    t.ok((await gateway.stats()).messages.heartbeats >= 3, 'they are counted');
  },
);

t.test('0 switches heartbeats off', { buffered: true }, async (t) => {
  const on = await startGateway({ flags: ['--heartbeat-sec', '1'] });
  const off = await startGateway({ flags: ['--heartbeat-sec', '0'] });
  t.teardown(() => Promise.all([on.kill(), off.kill()]));
  const silent = await openStream(off.port, '/test/1'); // first, so that it would be due first
  const beating = await openStream(on.port, '/test/1');
  await until('the other has had two', () => beating.chunks.length >= 2);
  t.equal(silent.chunks.length, 0);
  t.equal((await off.stats()).messages.heartbeats, 0);
});

t.test('streams that came together do not beat together', { buffered: true }, async (t) => {
  const gateway = await startGateway({ flags: ['--heartbeat-sec', '5'] });
  t.teardown(() => gateway.kill());
  const startedMs = performance.now();
  const wires = await Promise.all(
    Array.from({ length: 100 }, (_, n) => openStream(gateway.port, `/test/${n}`)),
  );
  const openedMs = performance.now();
  const firstMs: number[] = [];
  for (const wire of wires) wire.socket.once('data', () => firstMs.push(performance.now()));
  await until('each has had one', () => firstMs.length === wires.length);
  const [first, last] = [Math.min(...firstMs), Math.max(...firstMs)];
  t.ok(last - first > tickMs, `they came over ${Math.round(last - first)} ms`);
  t.ok(last - openedMs < 5000 + 8 * tickMs, 'none was late');
  t.ok(first - startedMs > 5000 * 0.75, 'none was more than a fifth early');
  await Promise.all(wires.map((wire) => wire.close()));
});

t.test(
  'over the default of 45 s, ten thousand heartbeats are spread evenly over the last fifth',
  async (t) => {
    const clock = new Clock(45);
    clock.tick = 1000;
    const ticksPerSec = 1000 / tickMs;
    const dueAtTick = new Map<number, number>();
    for (let slot = 0; slot < 10_000; slot++) {
      const tick = clock.heartbeatDue(slot) - clock.tick;
      dueAtTick.set(tick, (dueAtTick.get(tick) ?? 0) + 1);
    }
    const ticks = [...dueAtTick.keys()];
    t.ok(Math.max(...ticks) <= 45 * ticksPerSec);
    t.ok(Math.min(...ticks) >= 45 * ticksPerSec * 0.8);
    const most = Math.max(...dueAtTick.values());
    const average = 10_000 / (45 * ticksPerSec * 0.2);
    t.ok(most < 1.5 * average, `at most ${most} in a tick, where ${average} would be even`);
  },
);

t.test(
  'heartbeats reach only who is still there: slots of streams that left are skipped',
  { buffered: true },
  async (t) => {
    const gateway = await startGateway({ flags: ['--heartbeat-sec', '1'] });
    t.teardown(() => gateway.kill());
    const crowd = new Crowd(gateway.port);
    await crowd.add(200, (n) => getRequest(`/test/${n}`));
    await crowd.clear();
    await until('all are logged out', async () => (await gateway.stats()).connections.open === 0);
    const before = (await gateway.stats()).messages.heartbeats;
    const one = await openStream(gateway.port, '/test/one');
    await until('it has had two', () => one.chunks.length >= 2);
    t.equal((await gateway.stats()).messages.heartbeats - before, one.chunks.length);
    await one.close();
    t.match((await gateway.stats()).connections.closed, { 'stalled-consumer': 0, 'slow-consumer': 0 });
  },
);

t.test('heartbeats to a reader that reads nothing are no reason to cut it', { buffered: true }, async (t) => {
  const gateway = await startGateway({ flags: ['--heartbeat-sec', '1'] });
  t.teardown(() => gateway.kill());
  const stalled = await openStream(gateway.port, '/test/asleep');
  stalled.stall();
  const { heartbeats } = (await gateway.stats()).messages;
  await until('several wait', async () => (await gateway.stats()).messages.heartbeats >= heartbeats + 4);
  t.equal(await gateway.send('asleep', 'wake up'), 1);
  stalled.resume();
  await stalled.saw("Recvd msg #1: 'wake up'");
  t.match(stalled.text, /^\n{4,}Recvd/, 'what had waited came first');
  await stalled.close();
});
