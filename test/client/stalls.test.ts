import t from 'tap';
import { freePort } from '../free-port.js';
import { startGateway, startProcess } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';
import { listen, proxied } from './client-parts.js';
import { countedTo } from './listener.js';

oneProcessFile('what clients make of a server that stands still; nothing crosses');

t.setTimeout(240_000);
t.jobs = 6; // they mostly wait

const listeners = 50;

t.test(
  'a server that is killed, comes back and stands still for 7 s: none stays on long-poll',
  { buffered: true },
  async (t) => {
    const flags = ['--port', String(await freePort()), '--api-port', String(await freePort())];
    let gateway = await startProcess({ flags });
    t.teardown(() => gateway.kill());
    const all = Array.from({ length: listeners }, () => listen(t, gateway.url, 'all'));
    await Promise.all(all.map((listener) => listener.open()));
    await gateway.kill('SIGKILL');
    gateway = await startProcess({ flags });
    gateway.child.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 7_000)); // longer than a greeting may take
    const polling = () => all.filter(({ connection }) => connection.transport === 'long-poll').length;
    const polled = polling();
    t.ok(polled > 0, `${polled} have taken to long-poll`);
    gateway.child.kill('SIGCONT');
    const onSse = () =>
      all.every(({ connection }) => connection.transport === 'sse' && connection.state === 'open');
    await until('all are back on SSE', onSse, 15_000);
    await gateway.send('all', 'x');
    await Promise.all(all.map((listener) => listener.has(1)));
  },
);

for (const announced of [true, false]) {
  const name = announced
    ? 'the early heartbeat is missed'
    : 'without an early heartbeat it is found by its silence';
  t.test(`a proxy that buffers behind the greeting: ${name}`, { buffered: true }, async (t) => {
    // Where heartbeats are that frequent, there is no early one.
    const gateway = await startGateway({ flags: announced ? [] : ['--heartbeat-sec', '5'] });
    t.teardown(() => gateway.kill());
    const proxy = await proxied(t, gateway);
    proxy.holdsAfterGreeting = true;
    const listener = await listen(t, proxy.url, 'held').open();
    t.equal(listener.connection.transport, 'sse');
    const startedMs = performance.now();
    await gateway.send('held', '1');
    await listener.has(1, 15_000);
    t.ok(performance.now() - startedMs < 12_000, `after ${Math.round(performance.now() - startedMs)} ms`);
    t.equal(listener.connection.transport, 'long-poll');
    t.equal(listener.states.find(([, { error }]) => error)![1].error!.name, 'SilenceError');
    // For longer than the first tries of SSE, which find the same.
    for (let n = 2; n <= 60; n++) {
      await gateway.send('held', String(n));
      await listener.has(n, 2_000);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    t.same([listener.texts, listener.losses], [countedTo(60), []]);
    t.equal(listener.connection.transport, 'long-poll');
    proxy.holdsAfterGreeting = false;
    await until('SSE again', () => listener.connection.transport === 'sse', 40_000);
    await gateway.send('held', '61');
    await listener.has(61);
    t.same([listener.texts, listener.losses], [countedTo(61), []]);
  });
}

t.test(
  'a stream that is cut 200 ms after its beginning: ever longer waits, and polls',
  { buffered: true },
  async (t) => {
    const gateway = await startGateway();
    t.teardown(() => gateway.kill());
    const proxy = await proxied(t, gateway);
    const steadyProxy = await proxied(t, gateway);
    proxy.cutsStreamsAfterMs = steadyProxy.cutsStreamsAfterMs = 200;
    const steady = listen(t, steadyProxy.url, 'cut', { transport: 'sse' });
    const auto = listen(t, proxy.url, 'cut', {});
    await until('auto polls', () => auto.connection.transport === 'long-poll', 30_000);
    await auto.open();
    await gateway.send('cut', '1');
    await auto.has(1);
    const openings = auto.openings;
    const tries = () => proxy.asked.filter((path) => path.startsWith('/events')).length;
    const before = tries();
    await until('SSE is tried beside the polls', () => tries() >= before + 3, 60_000);
    await gateway.send('cut', '2');
    await auto.has(2);
    t.same([auto.openings, auto.connection.transport], [openings, 'long-poll'], 'and nobody is told');
    proxy.cutsStreamsAfterMs = undefined;
    for (let n = 3; auto.connection.transport !== 'sse'; n++) {
      await gateway.send('cut', String(n));
      await auto.has(n);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    t.same([auto.texts, auto.losses], [countedTo(auto.texts.length), []], 'SSE again, once it has lived');
    await until('four waits', () => steady.delaysMs.length >= 4, 60_000);
    const errors = steady.states.filter(([state]) => state === 'open').length;
    t.ok(errors >= 3, 'it was open each time');
  },
);

// 4 s: of the cut that the client measures it takes 0.8, in whole seconds, so it may be 1 s late before that is 4 again.
t.test('a proxy that ends polls after 4 s is adapted to', { buffered: true }, async (t) => {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  for (const cutsLate of [false, true]) {
    const proxy = await proxied(t, gateway);
    Object.assign(proxy, { answersWithinMs: 4_000, cutsLate });
    const listener = await listen(t, proxy.url, 'ended', { transport: 'long-poll' }).open();
    await until(
      'polls are short',
      () => proxy.asked.filter((path) => path.includes('timeout=3')).length >= 3,
      30_000,
    );
    await gateway.send('ended', 'x');
    await listener.has(1);
    t.equal(listener.openings, 1, 'and nobody is told');
    t.same([listener.delaysMs, listener.recoveries, listener.losses], [[], 0, []]);
    listener.connection.close();
  }
});
