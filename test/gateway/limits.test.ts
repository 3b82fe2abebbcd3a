import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { plainNode } from '../child-processes.js';
import { freePort } from '../free-port.js';
import { GatewayProcess, startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';
import { ask, batchOf, openStream, Wire } from './raw-wire.js';

oneProcessFile('limits and descriptors of one process and of single requests; nothing crosses');

// Each test has a server of its own.
t.jobs = 3;

/** The answer to a request for a stream that is refused. */
async function refused(port: number, path: string, from?: string): Promise<Wire> {
  const wire = await Wire.open(port, from);
  wire.ask(path);
  await wire.untilComplete();
  return wire;
}

t.test(
  '--connections-max: past it 503 with Retry-After, and a place that is free again is given',
  { buffered: true },
  async (t) => {
    const gateway = await startGateway({ flags: ['--connections-max', '5'] });
    t.teardown(() => gateway.kill());
    t.equal((await gateway.stats()).connections.capacity, 5);
    const wires = [];
    for (let n = 0; n < 5; n++) wires.push(await openStream(gateway.port, `/test/${n}`));
    for (const path of ['/test/6', '/stream/6', '/stream?id=6']) {
      const answer = await refused(gateway.port, path);
      t.equal(answer.status, 503, path);
      t.match(answer.header('Retry-After'), /^\d+$/);
      t.match(answer.text, /try again/);
      t.equal((await ask(gateway.port, path, { method: 'HEAD' })).status, 503, `HEAD ${path}`);
      await answer.close();
    }
    t.match((await gateway.stats()).connections, {
      open: 5,
      opened: 5,
      refused: { 'too-many-connections': 6 },
    });
    t.match((await gateway.stats()).router, { logins: 5 });
    for (const path of ['/events/6', '/events?id=6']) {
      t.equal((await refused(gateway.port, path)).status, 503, path);
      const told = await Wire.open(gateway.port);
      told.ask(path, { headers: { Accept: 'text/event-stream' } });
      await told.untilClosed();
      t.same([told.status, told.header('Content-Type')], [200, 'text/event-stream; charset=utf-8']);
      t.match(
        told.text,
        /^retry: 1[0-2]\d{3}\n: All places are taken[^\n]*\n$/,
        'an EventSource survives this alone',
      );
    }
    t.equal((await gateway.stats()).connections.refused['too-many-connections'], 10);
    t.equal((await ask(gateway.port, '/')).status, 200, 'what is no stream is still answered');
    t.equal(await gateway.send('0', 'x'), 1);
    for (let round = 0; round < 3; round++) {
      await wires.pop()!.close();
      await until('its place is free', async () => (await gateway.stats()).connections.open === 4);
      wires.push(await openStream(gateway.port, '/test/again'));
      t.equal((await refused(gateway.port, '/test/6')).status, 503);
    }
    await Promise.all(wires.map((wire) => wire.close()));
  },
);

t.test(
  '--connections-max beyond the descriptor limit stops the start with a sentence',
  { buffered: true },
  async (t) => {
    await t.rejects(startGateway({ flags: ['--connections-max', '99000000'] }), {
      message:
        /ended with 2 .*--connections-max 99000000 needs a descriptor limit of \d+, and it is \d+: raise it/s,
    });
  },
);

t.test(
  '--connections-per-address-max: past it 429, and other addresses are still served',
  { buffered: true },
  async (t) => {
    const gateway = await startGateway({ flags: ['--connections-per-address-max', '3'] });
    t.teardown(() => gateway.kill());
    const wires = new Map<string, Wire[]>();
    for (const address of ['127.0.0.1', '127.0.0.2', '127.0.0.3']) {
      const own: Wire[] = [];
      wires.set(address, own);
      for (let n = 0; n < 3; n++) own.push(await openStream(gateway.port, `/test/${n}`, address));
      const answer = await refused(gateway.port, '/stream/4', address);
      t.equal(answer.status, 429, address);
      t.match(answer.header('Retry-After'), /^\d+$/);
      t.match(answer.text, /from your address/);
      answer.ask('/numbers'); // 429 is for streams only
      await answer.untilComplete();
      t.equal(answer.status, 200);
      await answer.close();
    }
    t.match((await gateway.stats()).connections, { open: 9, refused: { 'too-many-from-address': 3 } });
    await wires.get('127.0.0.2')!.pop()!.close();
    await until('one has left', async () => (await gateway.stats()).connections.open === 8);
    for (const address of ['127.0.0.1', '127.0.0.3']) {
      t.equal((await refused(gateway.port, '/test/1', address)).status, 429, `${address} is still full`);
    }
    wires.get('127.0.0.2')!.push(await openStream(gateway.port, '/test/1', '127.0.0.2'));
    t.equal((await refused(gateway.port, '/test/1', '127.0.0.2')).status, 429);
    for (const wire of [...wires.values()].flat()) await wire.reset();
    await until('all have left', async () => (await gateway.stats()).connections.open === 0);
    for (let n = 0; n < 3; n++) await openStream(gateway.port, `/test/${n}`, '127.0.0.1');
    t.equal(
      (await refused(gateway.port, '/test/1', '127.0.0.1')).status,
      429,
      'counted anew, not fewer, not more',
    );
  },
);

t.test(
  '--ids-per-connection-max: more ids than that are 400, each id counted once',
  { buffered: true },
  async (t) => {
    const gateway = await startGateway({ flags: ['--ids-per-connection-max', '3'] });
    t.teardown(() => gateway.kill());
    const answer = await refused(gateway.port, '/stream?id=a&id=b&id=c&id=d');
    t.equal(answer.status, 400);
    t.match(answer.text, /Too many ids/);
    t.match((await gateway.stats()).connections, { open: 0, refused: { 'too-many-ids': 1 } });
    t.match((await gateway.stats()).router, { logins: 0 });
    await openStream(gateway.port, '/stream?id=a&id=b&id=c&id=a&id=%61');
    t.match((await gateway.stats()).router, { logins: 3 });
  },
);

t.test(
  '--id-bytes-max: counts bytes of UTF-8, decoded, everywhere an id can be said',
  { buffered: true },
  async (t) => {
    const gateway = await startGateway({ flags: ['--id-bytes-max', '6'] });
    t.teardown(() => gateway.kill());
    const fits = ['123456', 'a/b/cd', '日本', '%20'];
    const tooLong = ['1234567', 'a/b/c/d', '日本x', '\u{1f600}abc'];
    for (const id of fits) {
      const path = encodeURIComponent(id);
      const wire = await openStream(gateway.port, `/test/${path}`);
      t.equal(await gateway.send(path, 'x'), 1, id);
      await wire.close();
    }
    for (const id of tooLong) {
      const path = encodeURIComponent(id);
      for (const [port, url, options] of [
        [gateway.port, `/test/${path}`, {}],
        [gateway.port, `/stream/${path}`, {}],
        [gateway.port, `/stream?id=a&id=${path}`, {}],
        [gateway.apiPort, `/ids/${path}`, {}],
        [gateway.apiPort, `/send/${path}`, { method: 'POST', body: 'x' }],
      ] as const) {
        const answer = await ask(port, url, options);
        t.equal(answer.status, 400, url);
        t.match(answer.text, /longer than this server accepts.*\(6 bytes\)/);
      }
      const batch = await ask(gateway.apiPort, '/send', {
        method: 'POST',
        body: batchOf([{ id, data: 'x' }]),
      });
      t.match(batch.json, { messages: 0, bad: 1, errors: [{ line: 1, error: /6 bytes/ }] });
    }
  },
);

t.test(
  '--message-bytes-max and --batch-bytes-max: larger is 413, up to it is not',
  { buffered: true },
  async (t) => {
    const flags = ['--message-bytes-max', '1000', '--batch-bytes-max', '5000', '--log-level', 'warn'];
    const gateway = await startGateway({ flags });
    t.teardown(() => gateway.kill());
    const { apiPort } = gateway;
    const wire = await openStream(gateway.port, '/stream/1');
    const post = (path: string, body: string) => ask(apiPort, path, { method: 'POST', body });
    t.equal((await post('/send/1', 'x'.repeat(1000))).text, '{"delivered":1}');
    for (const bytes of [1001, 100_000]) {
      const answer = await post('/send/1', 'x'.repeat(bytes));
      t.equal(answer.status, 413, `${bytes} bytes`);
      t.match(answer.text, /larger than this server takes: 1000 bytes/);
    }
    t.equal((await post('/send', '\n'.repeat(5000))).status, 200);
    for (const bytes of [5001, 100_000]) {
      const answer = await post('/send', '\n'.repeat(bytes));
      t.equal(answer.status, 413, `a batch of ${bytes} bytes`);
      t.match(answer.text, /5000 bytes/);
    }
    const huge = await Wire.open(apiPort);
    huge.ask('/send/1', { method: 'POST', body: Buffer.alloc(50_000_000) });
    await huge.untilComplete();
    t.equal(huge.status, 413, 'whoever is still sending can read it, too');
    await huge.close();
    const raw = await Wire.open(apiPort);
    raw.ask('/send/1', { method: 'POST', headers: { 'Transfer-Encoding': 'chunked' } });
    raw.socket.write(`64\r\n${'x'.repeat(100)}\r\n`.repeat(20));
    await raw.untilComplete();
    t.equal(raw.status, 413, 'without a length, too');
    await raw.close();
    const line = (bytes: number) => ({ id: '1', data: 'y'.repeat(bytes) });
    const batch = await post('/send', batchOf([line(1001), line(1000), line(1200)]));
    t.match(
      batch.json,
      { messages: 1, bad: 2, errors: [{ line: 1 }, { line: 3 }] },
      'for a message of a batch, too',
    );
    await wire.saw('yyy');
    t.equal((await gateway.stats()).apiErrors['413'], 6);
    t.equal((await gateway.stats()).messages.written, 2);
    t.equal(gateway.log, '');
  },
);

t.test('--body-timeout-sec: a body that stalls is answered 408', { buffered: true }, async (t) => {
  const gateway = await startGateway({ flags: ['--body-timeout-sec', '1'] });
  t.teardown(() => gateway.kill());
  for (const path of ['/send/1', '/send']) {
    const wire = await Wire.open(gateway.apiPort);
    wire.ask(path, { method: 'POST', headers: { 'Content-Length': '1000' }, body: 'only half' });
    await wire.untilComplete();
    t.equal(wire.status, 408);
    t.match(wire.text, /did not come in time/);
    await wire.untilClosed();
  }
  t.equal((await gateway.stats()).apiErrors['408'], 2);
});

t.test(
  '--request-head-bytes-max: a larger head is 431, one that fits is served',
  { buffered: true },
  async (t) => {
    const [usual, roomy] = await Promise.all([
      startGateway(),
      startGateway({ flags: ['--request-head-bytes-max', '32768'] }),
    ]);
    t.teardown(() => Promise.all([usual.kill(), roomy.kill()]));
    const withHead = (bytes: number) => ({ headers: { Cookie: 'x'.repeat(bytes) } });
    for (const [gateway, fits, tooLarge] of [
      [usual, 15_000, 17_000],
      [roomy, 31_000, 33_000],
    ] as const) {
      for (const [port, path] of [
        [gateway.port, '/numbers'],
        [gateway.apiPort, '/stats'],
      ] as const) {
        t.equal((await ask(port, path, withHead(fits))).status, 200, `${fits} bytes`);
        const wire = await Wire.open(port);
        wire.ask(path, withHead(tooLarge));
        await wire.untilClosed();
        t.match(wire.bytes.toString(), /^HTTP\/1\.1 431 /, `${tooLarge} bytes`);
      }
      t.ok(gateway.alive);
    }
  },
);

/** A gateway that may have this many descriptors and no more. */
async function startWithDescriptors(limit: number, flags: string[]): Promise<GatewayProcess> {
  const door = fileURLToPath(new URL('../../cli/encke.js', import.meta.url));
  const command = [...plainNode, door, 'start', ...flags];
  const child = spawn('sh', ['-c', `ulimit -n ${limit} && exec "$0" "$@"`, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: string[] = [];
  let said = '';
  child.stderr.on('data', (text) => log.push(String(text)));
  child.stdout.on('data', (text) => {
    said += text;
  });
  const listening = () => /router API +http\S+/.test(said) || child.exitCode !== null;
  await until('it listens', listening);
  const [url, apiUrl] = [/gateway +(http\S+)/.exec(said)?.[1], /router API +(http\S+)/.exec(said)?.[1]];
  if (url === undefined || apiUrl === undefined)
    throw new Error(`ended with ${child.exitCode}: ${log.join('')}`);
  return new GatewayProcess(child, url, apiUrl, log);
}

/** Opens sockets until `count` are open or the listener takes no more. */
async function openSockets(port: number, count: number): Promise<Wire[]> {
  const wires: Wire[] = [];
  try {
    while (wires.length < count) wires.push(await Wire.open(port));
  } catch {
    // refused: it is full
  }
  return wires;
}

async function fillAndEmpty(t: Test, flags: string[]): Promise<void> {
  const gateway = await startWithDescriptors(600, ['--api-sockets-max', '64', ...flags]);
  t.teardown(() => gateway.kill());
  const { capacity } = (await gateway.stats()).connections;
  t.ok(capacity >= 100 && capacity < 600, `${capacity} streams fit`);

  const streams = await openSockets(gateway.port, capacity);
  for (const [n, stream] of streams.entries()) stream.ask(`/test/${n}`);
  await until('all are open', async () => (await gateway.stats()).connections.open === capacity);
  t.equal((await refused(gateway.port, '/test/more')).status, 503, 'who comes then is told so');

  const more = await openSockets(gateway.port, 1000);
  t.ok(more.length < 600, `it took ${more.length} more sockets, and then no more`);
  const publishers = await openSockets(gateway.apiPort, 1000);
  t.ok(publishers.length > 64, 'on the API the oldest make room');
  t.ok(gateway.descriptors < 600, `${gateway.descriptors} descriptors are open`);
  t.ok(gateway.alive);

  const cpuSec = gateway.cpuSec;
  const startedMs = performance.now();
  await until('a second has gone by', () => performance.now() - startedMs > 1000);
  const usedSec = gateway.cpuSec - cpuSec;
  t.ok(usedSec < 0.3, `it used ${Math.round(usedSec * 1000)} ms of CPU in a second`);

  const publisher = publishers.reverse().find((wire) => !wire.closed)!; // the last ones may have been refused
  publisher.ask('/send/7', { method: 'POST', body: 'still there' });
  await publisher.untilComplete();
  t.equal(publisher.text, '{"delivered":1}');
  await streams[7]!.saw('still there');
  publisher.ask('/stats');
  await publisher.untilComplete();
  t.ok(publisher.json.sockets.gatewayPauses > 0, 'it says that it had to stop listening');
  t.match(gateway.log, /all sockets taken/);

  await Promise.all([...more, ...publishers, ...streams.slice(0, 10)].map((wire) => wire.close()));
  const serves = async () => {
    const wire = await Wire.open(gateway.port).catch(() => undefined);
    wire?.ask('/stream/after');
    return (
      wire?.untilComplete(500).then(
        () => false,
        () => wire.status === 200,
      ) ?? false
    );
  };
  await until('it serves again', serves);
  await until('the API does too', () =>
    gateway.send('after', 'x').then(
      (count) => count > 0,
      () => false,
    ),
  );
  t.equal(await gateway.send('20', 'x'), 1, 'those who stayed were kept');
  await Promise.all(streams.map((wire) => wire.close()));
}

t.test(
  'at the descriptor limit it neither dies nor spins, and serves again when there is room',
  { buffered: true },
  async (t) => {
    await fillAndEmpty(t, ['--port', `${await freePort()}`, '--api-port', `${await freePort()}`]);
  },
);

t.test('and just so when it was told to take any free port', { buffered: true }, async (t) => {
  await fillAndEmpty(t, ['--port', '0', '--api-port', '0']);
});

t.test('sockets that ask for nothing take no stream its place for long', { buffered: true }, async (t) => {
  const gateway = await startGateway({ flags: ['--connections-max', '20'] });
  t.teardown(() => gateway.kill());
  const silent = await openSockets(gateway.port, 100);
  t.equal(silent.length, 100);
  t.equal((await gateway.stats()).connections.open, 0);
  const stream = await openStream(gateway.port, '/test/1');
  await until('they are closed by themselves', () => silent.every((wire) => wire.closed), 20_000);
  t.notOk(stream.closed, 'and the stream, as idle as they are, is not');
  t.equal((await gateway.stats()).sockets.gateway, 1);
});

t.test(
  'fewer descriptors than its own reserve stop the start with a sentence',
  { buffered: true },
  async (t) => {
    await t.rejects(startWithDescriptors(300, ['--port', '0', '--api-port', '0']), {
      message: /ended with 2: .*descriptor limit is 300.*raise it/,
    });
  },
);
