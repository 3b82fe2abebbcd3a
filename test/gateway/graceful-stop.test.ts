import { once } from 'node:events';
import t from 'tap';
import { type GatewayProcess, startGateway } from '../gateway-process.js';
import { oneProcess } from '../one-process.js';
import { until } from '../until.js';
import { ask, batchOf, openStream, Wire } from './raw-wire.js';

// Each test has a server of its own and mostly waits for its clock.
t.jobs = 4;

const itsOwnApi = oneProcess('it is the API of the node that stops that says so');
const accepted = oneProcess('a send that another node has accepted may come to a node when that has gone');

async function openMany(gateway: GatewayProcess, count: number): Promise<Wire[]> {
  const wires: Wire[] = [];
  while (wires.length < count) {
    const next = Math.min(50, count - wires.length);
    const opening = Array.from({ length: next }, (_, n) =>
      openStream(gateway.port, `/stream/${wires.length + n}`),
    );
    wires.push(...(await Promise.all(opening)));
  }
  return wires;
}

/** When each of these streams was ended, in milliseconds from now. */
function timesOfEnds(wires: Wire[]): number[] {
  const startedMs = performance.now();
  const endsMs: number[] = [];
  for (const wire of wires) {
    wire.socket.on('data', () => {
      if (wire.complete) endsMs.push(performance.now() - startedMs);
    });
  }
  return endsMs;
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} ends every stream as a complete response, and exits 0`, { buffered: true }, async (t) => {
    const gateway = await startGateway({ flags: ['--drain-sec', '1'] });
    t.teardown(() => gateway.kill());
    const wires = [
      await openStream(gateway.port, '/test/page'),
      await openStream(gateway.port, '/stream/lines'),
      await openStream(gateway.port, '/stream?id=a&id=b'),
    ];
    await gateway.send('page', 'before');
    t.equal(await gateway.kill(signal), 0);
    for (const wire of wires) {
      await wire.untilClosed();
      t.equal(wire.problem, undefined);
      t.ok(wire.complete, 'its last chunk came');
      t.equal(wire.bytes.toString('latin1').slice(-7), '\r\n0\r\n\r\n');
    }
    // The second newline asked whether the first was taken.
    t.equal(wires[0]!.text, "Recvd msg #1: 'before'<br/>\n\n");
    t.match(gateway.log, '"msg":"stopping"');
    t.match(gateway.log, `"signal":"${signal}"`);
    t.match(gateway.log, '"msg":"stopped"');
  });

  t.test(`a second ${signal} exits at once`, { buffered: true }, async (t) => {
    const gateway = await startGateway({ flags: ['--drain-sec', '600'] });
    t.teardown(() => gateway.kill());
    const wires = await openMany(gateway, 300);
    gateway.child.kill(signal);
    await until('it is stopping', () => gateway.log.includes('stopping'));
    t.ok(gateway.alive);
    const askedMs = performance.now();
    t.equal(await gateway.kill(signal), signal === 'SIGINT' ? 130 : 143);
    t.ok(performance.now() - askedMs < 60_000, 'long before --drain-sec is over');
    await Promise.all(wires.map((wire) => wire.untilClosed()));
    t.ok(
      wires.some((wire) => !wire.complete),
      'it did not wait for all of them',
    );
  });
}

t.test('streams are ended spread over --drain-sec', { buffered: true }, async (t) => {
  const gateway = await startGateway({ flags: ['--drain-sec', '3'] });
  t.teardown(() => gateway.kill());
  const wires = await openMany(gateway, 400);
  const endsMs = timesOfEnds(wires);
  const startedMs = performance.now();
  t.equal(await gateway.kill('SIGTERM'), 0);
  const tookMs = performance.now() - startedMs;
  t.ok(tookMs > 2_000 && tookMs < 60_000, `it took ${Math.round(tookMs)} ms`);
  await Promise.all(wires.map((wire) => wire.untilClosed()));
  t.ok(wires.every((wire) => wire.complete));
  endsMs.sort((a, b) => a - b);
  t.equal(endsMs.length, 400);
  const [first, middle, last] = [endsMs[0]!, endsMs[200]!, endsMs[399]!];
  t.ok(last - first > 2_000, `from ${Math.round(first)} to ${Math.round(last)} ms`);
  const share = (middle - first) / (last - first);
  t.ok(share > 0.3 && share < 0.7, `half of them after ${Math.round(100 * share)} % of the time`);
});

t.test(
  'it is the streams there are that are spread, not those there have been',
  { buffered: true },
  async (t) => {
    const gateway = await startGateway({ flags: ['--drain-sec', '2'] });
    t.teardown(() => gateway.kill());
    const wires = await openMany(gateway, 1000);
    const [staying, leaving] = [wires.slice(0, 40), wires.slice(40)];
    await Promise.all(leaving.map((wire) => wire.close()));
    await until('most have left', async () => (await gateway.stats()).connections.open === staying.length);
    const endsMs = timesOfEnds(staying);
    t.equal(await gateway.kill('SIGTERM'), 0);
    await Promise.all(staying.map((wire) => wire.untilClosed()));
    t.equal(endsMs.length, staying.length);
    const spreadMs = Math.max(...endsMs) - Math.min(...endsMs);
    t.ok(spreadMs > 1_000, `all came back within ${Math.round(spreadMs)} ms`);
  },
);

t.test('--drain-sec 0 ends all at once', { buffered: true }, async (t) => {
  const gateway = await startGateway({ flags: ['--drain-sec', '0'] });
  t.teardown(() => gateway.kill());
  const wires = await openMany(gateway, 200);
  const startedMs = performance.now();
  t.equal(await gateway.kill('SIGTERM'), 0);
  t.ok(performance.now() - startedMs < 60_000, 'long before the drain would be over');
  await Promise.all(wires.map((wire) => wire.untilClosed()));
  t.ok(wires.every((wire) => wire.complete));
});

t.test('without streams it stops at once, whatever --drain-sec is', { buffered: true }, async (t) => {
  const gateway = await startGateway({ flags: ['--drain-sec', '600'] });
  t.teardown(() => gateway.kill());
  await gateway.stats(); // it answers, and so it heeds signals
  const startedMs = performance.now();
  t.equal(await gateway.kill('SIGTERM'), 0);
  t.ok(performance.now() - startedMs < 60_000, 'long before the drain would be over');
});

t.test('while it stops', { buffered: true, ...itsOwnApi }, async (t) => {
  const gateway = await startGateway({ flags: ['--drain-sec', '5'] });
  t.teardown(() => gateway.kill());
  const wires = await openMany(gateway, 200);
  const subscribing = ['/test/late', '/stream/late', '/stream?id=late', '/events/late', '/poll/late'];
  const keptAlive = async () => {
    const wire = await Wire.open(gateway.port);
    wire.ask('/numbers');
    return wire.untilComplete();
  };
  const kept = await Promise.all(subscribing.map(keptAlive));
  const reader = await keptAlive();
  const poll = await Wire.open(gateway.port);
  poll.ask('/poll/ended');
  const fetched = await fetch(`${gateway.url}/events/fetched`);
  t.equal((await ask(gateway.apiPort, '/ready')).status, 200);
  gateway.child.kill('SIGTERM');
  await until('it is stopping', () => gateway.log.includes('stopping'));

  t.test('/ready says 503 and /health 200', async (t) => {
    const ready = await ask(gateway.apiPort, '/ready');
    t.equal(ready.status, 503);
    t.equal(ready.text, 'stopping\n');
    t.equal((await ask(gateway.apiPort, '/health')).status, 200);
  });

  t.test('/ready says so to HEAD, too', async (t) => {
    t.equal((await ask(gateway.apiPort, '/ready', { method: 'HEAD' })).status, 503);
  });

  t.test('nobody can connect to the gateway any more', async (t) => {
    await t.rejects(Wire.open(gateway.port), { code: 'ECONNREFUSED' });
  });

  t.test('no stream and no poll is answered 5xx on a connection from before: it is closed', async (t) => {
    for (const [n, path] of subscribing.entries()) {
      const wire = kept[n]!;
      wire.ask(path);
      await wire.untilClosed();
      t.equal(wire.head, '', `${path} is not answered`);
    }
    t.equal((await gateway.stats()).connections.refused.stopping, subscribing.length);
  });

  t.test('other requests are answered, and then the connection ends', async (t) => {
    reader.ask('/numbers');
    await reader.untilComplete();
    t.equal(reader.status, 200);
    t.equal(reader.header('Connection'), 'close');
    await reader.untilClosed();
  });

  t.test('a publisher is answered, and reconnects over a new connection', async (t) => {
    const sent = await Wire.open(gateway.apiPort);
    sent.ask('/send/nobody', { method: 'POST', body: 'x' });
    await sent.untilComplete();
    t.same([sent.text, sent.header('Connection')], ['{"delivered":0}', 'close']);
    await sent.untilClosed();
  });

  t.test('streams that are still open still receive', async (t) => {
    const last = wires.findLast((wire) => !wire.complete)!;
    const id = wires.indexOf(last);
    t.equal(await gateway.send(String(id), 'goodbye'), 1);
    await last.saw('goodbye');
  });

  t.test('and then it is gone, having counted why', async (t) => {
    await until(
      'some are ended',
      async () => (await gateway.stats()).connections.closed['server-stopping'] > 10,
    );
    t.equal(await gateway.ended(), 0);
    await Promise.all(wires.map((wire) => wire.untilClosed()));
    t.ok(wires.every((wire) => wire.complete));
    t.ok(
      wires.every((wire) => wire.header('Connection') === 'close'),
      'each was told to end its connection',
    );
    t.same([poll.status, poll.header('Connection')], [204, 'close'], 'and so was the poll that waited');
    t.match(await fetched.text(), /^retry: /, 'the response of fetch is complete');
  });
});

t.test(
  'a client ends its connection with its stream, while others still have theirs',
  { buffered: true },
  async (t) => {
    const gateway = await startGateway({ flags: ['--drain-sec', '60'] });
    t.teardown(() => gateway.kill());
    const first = await fetch(`${gateway.url}/events/first`);
    const others = await openMany(gateway, 100); // they leave theirs open, which uWS then closes after 8 s
    gateway.child.kill('SIGTERM');
    await first.text();
    const sockets = async () => (await gateway.stats()).sockets.gateway;
    await until('one connection is gone', async () => (await sockets()) === others.length, 5_000);
    t.notOk(others.at(-1)!.closed);
  },
);

t.test(
  'a message that was accepted before the stop arrives before the end',
  { buffered: true, ...accepted },
  async (t) => {
    let accepted = 0;
    for (let round = 0; round < 6 && accepted < 3; round++) {
      const gateway = await startGateway({ flags: ['--drain-sec', '0'] });
      t.teardown(() => gateway.kill());
      const page = await openStream(gateway.port, '/test/last');
      const publisher = await Wire.open(gateway.apiPort);
      // While it is frozen, the send and the signal both arrive; which it then finds first is a race.
      gateway.child.kill('SIGSTOP');
      publisher.ask('/send/last', { method: 'POST', body: 'just in time' });
      const { socket } = publisher;
      await until('the kernel has it', () => socket.bytesWritten > 0 && socket.writableLength === 0);
      gateway.child.kill('SIGTERM');
      gateway.child.kill('SIGCONT');
      t.equal(await gateway.ended(), 0);
      await Promise.all([page.untilClosed(), publisher.untilClosed()]);
      t.ok(page.complete);
      if (publisher.text !== '{"delivered":1}') continue;
      accepted++;
      t.equal(page.text, "Recvd msg #1: 'just in time'<br/>\n\n");
    }
    t.ok(accepted > 0, `it was accepted ${accepted} times`);
  },
);

t.test('a signal is heeded from the moment it says where it listens', { buffered: true }, async (t) => {
  for (let round = 0; round < 5; round++) {
    const gateway = await startGateway({ flags: ['--drain-sec', '0'] });
    t.equal(await gateway.kill('SIGTERM'), 0);
  }
});

t.test(
  'a reader that is behind gets all of what was accepted for it, if it reads on in time',
  { buffered: true },
  async (t) => {
    const gateway = await startGateway({ flags: ['--drain-sec', '3', '--pending-bytes-max', '33554432'] });
    t.teardown(() => gateway.kill());
    const wire = await openStream(gateway.port, '/stream/behind'); // the first, so that its turn comes at once
    const others = await openMany(gateway, 40);
    wire.stall();
    const texts: string[] = [];
    await until('it is behind', async () => {
      const batch = Array.from({ length: 16 }, () => `${texts.push('') - 1} `.padEnd(60_000, 'x'));
      await ask(gateway.apiPort, '/send', {
        method: 'POST',
        body: batchOf(batch.map((data) => ({ id: 'behind', data }))),
      });
      return (await gateway.stats()).slowConsumers.now === 1;
    });
    gateway.child.kill('SIGTERM');
    await until('it is stopping', () => gateway.log.includes('stopping'));
    wire.resume();
    t.equal(await gateway.ended(), 0);
    await wire.untilClosed();
    await Promise.all(others.map((other) => other.untilClosed()));
    t.equal(wire.problem, undefined);
    t.ok(wire.complete, 'the response is complete');
    const received = wire.text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
    const lost = received.reduce((sum, line) => sum + (line.lost ?? 0), 0);
    const arrived = received.filter((line) => 'data' in line).length;
    t.equal(arrived + lost, texts.length, `${arrived} arrived and ${lost} were announced as lost`);
  },
);

t.test('bodies that are still coming in do not hold up the stop', { buffered: true }, async (t) => {
  const gateway = await startGateway({ flags: ['--drain-sec', '0'] });
  t.teardown(() => gateway.kill());
  const publisher = await Wire.open(gateway.apiPort);
  publisher.ask('/send/half', { method: 'POST', headers: { 'Content-Length': '1000' }, body: 'only half' });
  await until('it is under way', async () => (await gateway.stats()).sockets.api > 0);
  const [code] = await Promise.all([once(gateway.child, 'exit'), gateway.kill('SIGTERM')]);
  t.equal(code[0], 0);
  await publisher.untilClosed();
});
