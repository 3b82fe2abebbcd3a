import t from 'tap';
import { type GatewayProcess, startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';
import { badRequests, get, post, postChunked, request } from './bad-requests.js';
import { ask, batchOf, openStream, Wire } from './raw-wire.js';

oneProcessFile('what bad bytes on a connection do to the process that reads them; nothing crosses');

const flags = ['--body-timeout-sec', '1', '--heartbeat-sec', '0', '--log-level', 'warn'];
const gateway = await startGateway({ flags });
const patient = await startGateway({ flags });
const flooded = await startGateway({ flags });
for (const each of [gateway, patient, flooded]) t.teardown(() => each.kill());

/** uWS cuts after 10 s, looks every 4 s, and this machine may be busy. */
const cutMs = 20_000;

/** Sends these bytes on a connection of their own and waits for the answer. */
async function answerTo(port: number, bytes: string | Buffer, timeoutMs?: number): Promise<Wire> {
  const wire = await Wire.open(port);
  wire.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  await wire.untilComplete(timeoutMs);
  return wire;
}

// By connections that end: those that fetch keeps alive would be counted as the server's for 4 s more.
async function statsOf(of: GatewayProcess) {
  return (await ask(of.apiPort, '/stats')).json;
}

async function send(of: GatewayProcess, id: string, body: string | Uint8Array): Promise<number> {
  return (await ask(of.apiPort, `/send/${id}`, { method: 'POST', body })).json.delivered;
}

async function noSockets(of: GatewayProcess): Promise<void> {
  await until('the sockets are gone', async () => {
    const { sockets, connections, router } = await statsOf(of);
    return sockets.gateway === 0 && sockets.api === 1 && connections.open === 0 && router.logins === 0;
  });
}

// Slow clients take their time: they start now, on servers of their own, and are looked at further down.
const slow = {
  silent: Wire.open(patient.port),
  'half a head': Wire.open(patient.port).then((wire) => {
    wire.socket.write('GET /test/slow HTTP/1.1\r\nHost: loc');
    return wire;
  }),
  'half a head to the API': Wire.open(patient.apiPort).then((wire) => {
    wire.socket.write('POST /send/slow HTTP/1.1\r\nHost: loc');
    return wire;
  }),
  'a head that drips': Wire.open(patient.port).then((wire) =>
    drip(wire, 'GET /test/slow HTTP/1.1\r\nX: ', 'y'),
  ),
};
const stalling = {
  'that is announced in chunks and does not begin': Wire.open(patient.apiPort).then((wire) => {
    wire.socket.write(postChunked('/send/slow', [], ''));
    return wire;
  }),
  'that drips, with a length': Wire.open(patient.apiPort).then((wire) =>
    drip(wire, post('/send/slow', '', 1000), 'y'),
  ),
  'that drips, in chunks': Wire.open(patient.apiPort).then((wire) =>
    drip(wire, postChunked('/send/slow', [], ''), '1\r\ny\r\n'),
  ),
};
const unread = pipelineUnread(flooded);
unread.catch(() => undefined); // whoever awaits it hears of it

/** A piece every 300 ms, which is well within every time-out for a stall. */
function drip(wire: Wire, start: string, piece: string): Wire {
  wire.socket.write(start);
  const timer = setInterval(() => wire.socket.write(piece), 300);
  wire.socket.once('close', () => clearInterval(timer));
  return wire;
}

/** 100,000 requests, not one answer read. @returns by how much the server grew until it was rid of them */
async function pipelineUnread(of: GatewayProcess): Promise<number> {
  const before = of.rssBytes;
  let peak = before;
  const wire = await Wire.open(of.port);
  wire.stall();
  wire.socket.write(get('/').repeat(100_000));
  const { cpuSec } = of;
  await until('it has begun to answer', () => of.cpuSec >= cpuSec + 0.02);
  await until(
    'it is rid of them',
    async () => {
      peak = Math.max(peak, of.rssBytes);
      const stats = await statsOf(of).catch(() => undefined); // it has much to do
      return stats?.sockets.gateway === 0;
    },
    2 * cutMs,
  );
  await wire.close();
  return peak - before;
}

t.test('each kind of bad request is answered with a status that says so', async (t) => {
  t.ok(badRequests.length > 80);
  for (const { what, to, bytes, statuses } of badRequests) {
    const wire = await answerTo(to === 'api' ? gateway.apiPort : gateway.port, bytes);
    t.ok(statuses.includes(wire.status), `${what}: ${wire.status} is ${statuses.join(' or ')}`);
    t.notMatch(wire.bytes.toString('latin1'), /\bat .*\.js:\d+|Error:/, 'and with no stack of calls');
    await wire.close();
  }
  await noSockets(gateway);
});

t.test(
  'raw bytes in a request line that are not UTF-8 are no id, as little as percent-encoded ones',
  async (t) => {
    // Read leniently, all of them would be the one id U+FFFD, and receive what is meant for each other.
    for (const [port, bytes] of [
      [gateway.port, get('/test/a\xffb')],
      [gateway.port, get('/stream/\xe6\x97')],
      [gateway.port, get('/stream?id=\xfe')],
      [gateway.apiPort, post('/send/\xff', 'x')],
      [gateway.apiPort, get('/ids/\xc0\xaf')],
    ] as const) {
      const wire = await Wire.open(port);
      wire.socket.write(Buffer.from(bytes, 'latin1'));
      await until('there is an answer', () => wire.head !== '');
      t.equal(wire.status, 400, JSON.stringify(bytes.split('\r\n')[0]));
      await wire.close();
    }
    const raw = await Wire.open(gateway.port);
    raw.socket.write(Buffer.from(get('/stream/日本'), 'utf8'));
    await until('it is open', () => raw.chunks.length > 0);
    t.equal(await send(gateway, encodeURIComponent('日本'), 'x'), 1, 'raw UTF-8 is the id that it says');
    await raw.close();
  },
);

t.test('a body that stops half-way is answered 408', async (t) => {
  const halves = {
    'nothing of its length': post('/send/a', '', 10),
    'half of its length': post('/send/a', 'hello', 10),
    'half of a batch': post('/send', '{"id":"a","data":"x"}\n{"id"', 100),
    'half of a chunk': postChunked('/send/a', [], '5\r\nhel'),
    'one of its chunks': postChunked('/send/a', ['hello'], ''),
  };
  const stops = Object.entries(halves).map(async ([what, bytes]) => {
    const startedMs = performance.now();
    const wire = await answerTo(gateway.apiPort, bytes);
    const tookMs = performance.now() - startedMs;
    t.equal(wire.status, 408, what);
    t.ok(tookMs > 700, `${what}: not before its time`);
    await wire.untilClosed();
  });
  await Promise.all(stops);
});

t.test('a body that goes on after its 408 is not read on, and harms nobody', async (t) => {
  const wire = await answerTo(gateway.apiPort, post('/send/a', 'hello', 100_000));
  t.equal(wire.status, 408);
  wire.socket.write('x'.repeat(99_995));
  wire.socket.write(post('/send/a', 'next'));
  await wire.untilClosed();
  t.notMatch(wire.bytes.toString(), 'delivered');
});

t.test('a message far over the limit is answered 413 so that an ordinary client hears it', async (t) => {
  const heard: Record<string, number> = {};
  for (let n = 0; n < 20; n++) {
    const body = Buffer.alloc(10_000_000, 'x');
    const outcome = await fetch(`${gateway.apiUrl}/send/a`, { method: 'POST', body }).then(
      async (response) => `${response.status} ${await response.text()}`,
      (error) => `no answer: ${error.cause?.code ?? error.message}`,
    );
    heard[outcome] = (heard[outcome] ?? 0) + 1;
  }
  t.same(heard, { '413 The body is larger than this server takes: 65536 bytes.\n': 20 });
});

t.test('100,000 requests in one go on one connection are all answered, in order', async (t) => {
  const pairs = 50_000;
  const stream = await openStream(gateway.port, '/test/pipelined');
  const publisher = await Wire.open(gateway.apiPort);
  publisher.stopReading();
  const pair = (_: unknown, n: number) => post('/send/pipelined', `m${n + 1}`) + get(`/ids/asked-${n + 1}`);
  publisher.socket.write(Array.from({ length: pairs }, pair).join(''));
  const last = `{"id":"asked-${pairs}","subscribers":0}`;
  const answered = () => Buffer.concat(publisher.reads.slice(-2)).includes(last);
  await until('the last one is answered', answered, 60_000);
  await stream.saw(`'m${pairs}'`, 60_000);
  const answers = publisher.bytes.toString('latin1').match(/\{"delivered":1\}|"asked-\d+"/g)!;
  t.equal(answers.length, 2 * pairs);
  const expected = (n: number) => (n % 2 === 0 ? '{"delivered":1}' : `"asked-${(n + 1) / 2}"`);
  t.ok(
    answers.every((answer, n) => answer === expected(n)),
    'every answer is at its place',
  );
  const messages = [...stream.text.matchAll(/Recvd msg #(\d+): 'm(\d+)'<br\/>\n/g)];
  t.equal(messages.length, pairs);
  t.ok(
    messages.every(([, received, sent], n) => Number(received) === n + 1 && Number(sent) === n + 1),
    'and every message arrived, in order',
  );
  await Promise.all([publisher.close(), stream.close()]);
});

t.test('a second request on a pending stream closes it, and 100,000 do no more than that', async (t) => {
  for (const path of ['/test/again', '/stream/again']) {
    for (const requests of [1, 100_000]) {
      const { opened } = (await statsOf(gateway)).connections;
      const wire = await openStream(gateway.port, path);
      wire.socket.write(get(path).repeat(requests));
      await wire.untilClosed();
      await until('it is logged out', async () => (await statsOf(gateway)).router.subscribers === 0);
      t.equal((await statsOf(gateway)).connections.opened - opened, 1, `${requests} more: none was opened`);
      t.equal(await send(gateway, 'again', 'x'), 0);
    }
    const wire = await Wire.open(gateway.port);
    wire.socket.write(get(path).repeat(100_000));
    await wire.untilClosed();
  }
  await until('all are logged out', async () => (await statsOf(gateway)).router.subscribers === 0);
});

t.test('a client may reset in the middle of anything', async (t) => {
  const { port, apiPort } = gateway;
  const batch = batchOf(Array.from({ length: 30_000 }, (_, n) => ({ id: 'reset', data: `m${n}` })));
  for (const [what, at, bytes] of [
    ['before the head', port, ''],
    ['in the request line', port, 'GET /te'],
    ['in a header', port, 'GET /test/reset HTTP/1.1\r\nHos'],
    ['right after the head', port, get('/test/reset')],
    ['before a body', apiPort, post('/send/reset', '', 1000)],
    ['in a body', apiPort, post('/send/reset', 'hello', 1000)],
    ['in a chunk', apiPort, postChunked('/send/reset', [], '5\r\nhel')],
    ['between chunks', apiPort, postChunked('/send/reset', ['hello'], '')],
    ['after a body', apiPort, post('/send/reset', 'hello')],
    ['in a batch', apiPort, post('/send', batch.slice(0, 500_000), batch.length)],
    ['after a batch', apiPort, post('/send', batch)],
    ['in garbage', port, '\0\xff\0\xff'],
  ] as const) {
    for (const delayed of [false, true]) {
      const wire = await Wire.open(at);
      await new Promise((sent) => wire.socket.write(Buffer.from(bytes, 'latin1'), sent));
      if (delayed) await ask(apiPort, '/health'); // the server has had a turn in between
      await wire.reset();
    }
    t.ok(gateway.alive, what);
  }
  for (const path of ['/test/reset', '/stream/reset', '/stream?id=reset&id=too']) {
    const wire = await openStream(port, path);
    await send(gateway, 'reset', 'x');
    await wire.reset();
  }
  await noSockets(gateway);
  t.ok(gateway.alive);
});

t.test('a client may reset in the middle of a pipeline', async (t) => {
  // uWS finds out while it writes an answer, and ends the process if that request has no abort handler.
  const tries = 40;
  let victim: GatewayProcess | undefined;
  t.teardown(() => victim?.kill());
  for (const [what, to, bytes] of [
    ['of landing pages', 'port', get('/')],
    ['of numbers', 'port', get('/numbers')],
    ['of bad ids', 'port', get('/test/%zz')],
    ['of unknown paths', 'port', get('/nowhere')],
    ['of streams', 'port', get('/test/reset')],
    ['of HEAD', 'port', request('HEAD', '/')],
    ['of stats', 'apiPort', get('/stats')],
    ['of sends', 'apiPort', post('/send/reset', 'x')],
    ['of refused sends', 'apiPort', post('/send/%zz', 'x')],
    ['of preflights', 'apiPort', request('OPTIONS', '/send/a')],
  ] as const) {
    victim ??= await startGateway({ flags });
    for (let n = 0; n < tries && victim.alive; n++) {
      const wire = await Wire.open(victim[to]).catch(() => undefined);
      if (wire === undefined) break;
      const written = new Promise((sent) => wire.socket.write(bytes.repeat([10, 100, 500][n % 3]!), sent));
      if (n % 2 === 0) await written;
      await wire.reset();
    }
    await noSockets(victim).catch((error) => t.fail(`${what}: ${error}`));
    t.equal(victim.log, '', `${what}: it said nothing`);
    if (!victim.alive) victim = undefined; // the next one gets a server of its own
  }
});

t.test('a client may reset with a backlog pending', async (t) => {
  const wire = await openStream(gateway.port, '/test/backlog');
  wire.stall();
  const slowConsumers = async () => (await statsOf(gateway)).slowConsumers;
  await until('it is behind', async () => {
    for (let n = 0; n < 8; n++) await send(gateway, 'backlog', 'x'.repeat(60_000));
    return (await slowConsumers()).now === 1;
  });
  await send(gateway, 'backlog', 'y'.repeat(60_000));
  t.ok((await slowConsumers()).pendingBytes > 0);
  await wire.reset();
  await noSockets(gateway);
  t.same(await slowConsumers(), { now: 0, pendingBytes: 0 });
});

t.test('markup, NUL and invalid UTF-8 in a message do no harm on any way in or out', async (t) => {
  const page = await openStream(gateway.port, '/test/text');
  const lines = await openStream(gateway.port, '/stream/text');
  const texts: [sent: Buffer, onPage: string, inLine: object][] = [
    [
      Buffer.from('<script>alert(1)</script>'),
      '&lt;script&gt;alert(1)&lt;/script&gt;',
      { data: '<script>alert(1)</script>' },
    ],
    [Buffer.from('</main>\'"&amp;'), '&lt;/main&gt;&#39;&quot;&amp;amp;', { data: '</main>\'"&amp;' }],
    [Buffer.from('a\0b'), 'a\ufffdb', { data: 'a\0b' }],
    [Buffer.from('a\xff\xfeb', 'latin1'), 'a\ufffd\ufffdb', { data: 'Yf/+Yg==', encoding: 'base64' }],
    [Buffer.from([0xed, 0xa0, 0x80]), '\ufffd\ufffd\ufffd', { data: '7aCA', encoding: 'base64' }],
    [
      Buffer.from('\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'),
      '<span>\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n</span>',
      { data: '\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n' },
    ],
    [
      Buffer.from('\u2028\u2029\ufeff\u202e'),
      '\u2028\u2029\ufeff\u202e',
      { data: '\u2028\u2029\ufeff\u202e' },
    ],
    [Buffer.alloc(0), '', { data: '' }],
  ];
  for (const [sent] of texts) {
    t.equal(await send(gateway, 'text', sent), 2);
    const line = JSON.stringify({ id: 'text', data: sent.toString('base64'), encoding: 'base64' });
    const batch = await ask(gateway.apiPort, '/send', { method: 'POST', body: line });
    t.match(batch.json, { messages: 1, delivered: 2, bad: 0 });
  }
  const shown = texts
    .flatMap(([, onPage]) => [onPage, onPage])
    .map((text, n) => `Recvd msg #${n + 1}: '${text}'<br/>\n`);
  await page.saw(`#${shown.length}:`);
  await until('the page is complete', () => page.text.endsWith('\n') && lines.text.endsWith('\n'));
  t.equal(page.problem, undefined);
  t.equal(page.text, shown.join(''));
  const objects = lines.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.match(
    objects,
    texts.flatMap(([, , inLine]) => [inLine, inLine]),
  );
  const surrogate = '{"id":"\\ud800","data":"x"}\n{"id":"text","data":"\\udfff\\ud800"}';
  const refused = await ask(gateway.apiPort, '/send', { method: 'POST', body: surrogate });
  t.equal(refused.status, 400);
  t.match(refused.json, { messages: 0, bad: 2 }, 'half a character is no id, and no text');
  await Promise.all([page.close(), lines.close()]);
});

t.test('a stream that is asked for with a body is a stream, and the body is nobody’s', async (t) => {
  const wire = await Wire.open(gateway.port);
  wire.socket.write(request('GET', '/stream/bodied', 'Content-Length: 50\r\n', get('/stream/smuggled')));
  await until('it is open', () => wire.chunks.length > 0);
  t.equal(await send(gateway, 'bodied', 'x'), 1);
  t.equal(await send(gateway, 'smuggled', 'x'), 0);
  await wire.close();
});

for (const [what, opening] of Object.entries(slow)) {
  t.test(`a slow client ends by itself and frees its socket: ${what}`, async (t) => {
    const wire = await opening;
    await wire.untilClosed(cutMs);
    t.pass('closed');
  });
}

for (const [what, opening] of Object.entries(stalling)) {
  t.test(`a body ${what} is answered before it is cut`, async (t) => {
    const wire = await opening;
    await until('there is an answer or an end', () => wire.complete || wire.closed, cutMs);
    t.equal(wire.status, 408, wire.closed ? 'it was cut' : wire.head);
  });
}

t.test('of slow clients nothing is left', async () => {
  await noSockets(patient);
});

t.test('100,000 requests whose answers nobody reads do not make it grow', async (t) => {
  const grownMiB = Math.round((await unread) / 1024 ** 2);
  t.ok(grownMiB < 64, `it grew by ${grownMiB} MiB for one connection`);
});

t.test('a body in the smallest of chunks costs about what it weighs', async (t) => {
  const of = await startGateway({ flags: ['--heartbeat-sec', '0', '--log-level', 'warn'] });
  t.teardown(() => of.kill());
  const before = of.rssBytes;
  const wire = await Wire.open(of.apiPort);
  wire.socket.write(postChunked('/send', [], ''));
  const piece = Buffer.from('1\r\nx\r\n'.repeat(100_000));
  for (let n = 0; n < 10; n++) await new Promise((sent) => wire.socket.write(piece, sent));
  await statsOf(of); // comes after what was sent before it
  const grownMiB = Math.round((of.rssBytes - before) / 1024 ** 2);
  t.ok(grownMiB < 48, `1 MB, not ended, takes ${grownMiB} MiB`);
  await wire.reset();
});

t.test('after all of this it is alive, has logged no exception, and serves', async (t) => {
  for (const each of [gateway, patient, flooded]) {
    t.ok(each.alive);
    t.equal(each.log, '');
    await noSockets(each);
    const wire = await openStream(each.port, '/test/still');
    t.equal(await send(each, 'still', 'here'), 1);
    await wire.saw("Recvd msg #1: 'here'");
    await wire.close();
  }
});
