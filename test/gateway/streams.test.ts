import t from 'tap';
import { startGateway } from '../gateway-process.js';
import { cursorAt, oneProcess } from '../one-process.js';
import { until } from '../until.js';
import { ask, batchOf, openStream, Wire } from './raw-wire.js';

// On a busy machine a batch of 20 may take longer than a turn's 5 ms: what comes in one turn is meant here.
const flags = ['--heartbeat-sec', '0', '--log-level', 'warn', '--turn-budget-ms', '1000'];
const gateway = await startGateway({ flags });
t.teardown(() => gateway.kill());
const { port, apiPort } = gateway;

/** Sends in one batch: all of it is there in one turn of the server's loop. */
async function sendBatch(messages: { id: string; data: string }[]): Promise<number> {
  const answer = await ask(apiPort, '/send', { method: 'POST', body: batchOf(messages) });
  return answer.json.delivered;
}

function recvd(count: number, text: string): string {
  return `Recvd msg #${count}: '${text}'<br/>\n`;
}

t.test(
  'a Comet page greets with its id, and its headers tell everybody in between to keep out',
  async (t) => {
    const wire = await Wire.open(port);
    wire.ask('/test/123');
    await wire.saw('logged in as 123');
    t.equal(wire.status, 200);
    t.equal(wire.header('Content-Type'), 'text/html; charset=utf-8');
    t.equal(wire.header('Transfer-Encoding'), 'chunked');
    t.equal(wire.header('Content-Length'), undefined);
    t.match(wire.header('Cache-Control'), /no-cache/);
    t.match(wire.header('Cache-Control'), /no-store/);
    t.match(wire.header('Cache-Control'), /no-transform/);
    t.equal(wire.header('X-Accel-Buffering'), 'no');
    t.equal(wire.header('X-Content-Type-Options'), 'nosniff');
    t.match(wire.header('Content-Security-Policy'), /default-src 'none'/);
    t.ok(wire.body.length > 1024, 'some browsers show nothing before the first kilobyte');
    await wire.close();
  },
);

t.test('each message is counted for its connection, whenever that came', async (t) => {
  const first = await openStream(port, '/test/count');
  t.equal(await gateway.send('count', 'one'), 1);
  const second = await openStream(port, '/test/count');
  t.equal(await gateway.send('count', 'two'), 2);
  t.equal(await gateway.send('count', 'three'), 2);
  await first.saw('three');
  await second.saw('three');
  await until('the last newlines are here', () => first.text.endsWith('\n') && second.text.endsWith('\n'));
  t.equal(first.text, recvd(1, 'one') + recvd(2, 'two') + recvd(3, 'three'));
  t.equal(second.text, recvd(1, 'two') + recvd(2, 'three'));
  await first.close();
  await until('it is logged out', async () => (await gateway.send('count', 'four')) === 1);
  await second.close();
});

t.test('counts go on over 9, 99 and 999', async (t) => {
  const wires = [await openStream(port, '/test/digits'), await openStream(port, '/test/digits')];
  await gateway.send('digits', 'x');
  wires.push(await openStream(port, '/test/digits')); // is one behind, so digits differ within one message
  const messages = Array.from({ length: 1100 }, (_, n) => ({ id: 'digits', data: `text ${n}` }));
  t.equal(await sendBatch(messages), 3300);
  const expected = (from: number) => messages.map(({ data }, n) => recvd(n + from, data)).join('');
  for (const [n, wire] of wires.entries()) {
    await wire.saw('text 1099');
    await until('the last newline is here', () => wire.text.endsWith('\n'));
    t.equal(wire.text, n < 2 ? recvd(1, 'x') + expected(2) : expected(1));
    await wire.close();
  }
});

t.test('a message to an id where nobody is logged in is delivered to 0 and never shown', async (t) => {
  t.equal(await gateway.send('nobody', 'early'), 0);
  const wire = await openStream(port, '/test/nobody');
  t.equal(await gateway.send('nobody', 'late'), 1);
  await wire.saw("#1: 'late'");
  await wire.close();
});

t.test('message text never becomes markup', async (t) => {
  const wire = await openStream(port, '/test/markup');
  const shown: [sent: string | Buffer, shown: string][] = [
    ['<script>alert(1)</script>', '&lt;script&gt;alert(1)&lt;/script&gt;'],
    [`a & "b" 'c'`, 'a &amp; &quot;b&quot; &#39;c&#39;'],
    ["'<br/>", '&#39;&lt;br/&gt;'],
    ['two\nlines\r\n', '<span>two\nlines\r\n</span>'],
    ['<b>\r', '<span>&lt;b&gt;\r</span>'],
    ['Größe 日本 \u{1f600}', 'Größe 日本 \u{1f600}'],
    ['NUL\0NUL', 'NUL\ufffdNUL'],
    [Buffer.from([0x61, 0xff, 0xfe, 0x62]), 'a\ufffd\ufffdb'],
    [Buffer.from([0x3c, 0xff, 0x3e]), '&lt;\ufffd&gt;'],
    ['', ''],
  ];
  for (const [sent] of shown) t.equal(await gateway.send('markup', sent), 1);
  await wire.saw(`#${shown.length}: `);
  await until('the last newline is here', () => wire.text.endsWith('\n'));
  t.equal(wire.text, shown.map(([, text], n) => recvd(n + 1, text)).join(''));
  await wire.close();
});

t.test('an id never becomes markup either', async (t) => {
  const wire = await Wire.open(port);
  wire.ask(`/test/${encodeURIComponent(`<b>"&'`)}`);
  await wire.saw('</h1>');
  t.match(wire.text, '<h1>Hello, you are logged in as &lt;b&gt;&quot;&amp;&#39;</h1>');
  t.match(wire.text, '<title>&lt;b&gt;&quot;&amp;&#39; - Encke</title>');
  await wire.close();
});

t.test('the id is the rest of the path, percent-decoded, slashes and all', async (t) => {
  const ids = {
    'room/7/chat': 'room/7/chat',
    'room%2F8': 'room/8',
    'a%20b': 'a b',
    '%E6%97%A5%E6%9C%AC': '日本',
    'a%25b': 'a%b',
    '/leading': '/leading',
    'trailing/': 'trailing/',
    'double//slash': 'double//slash',
    '/': '/',
    'a%3Fb': 'a?b',
    'before?id=after': 'before',
    '..%2Fup': '../up',
    '.': '.',
  };
  for (const [path, id] of Object.entries(ids)) {
    const sendPath = id.split('/').map(encodeURIComponent).join('/');
    for (const flavour of ['test', 'stream']) {
      const wire = await openStream(port, `/${flavour}/${path}`);
      const answer = await ask(apiPort, `/send/${sendPath}`, { method: 'POST', body: 'found' });
      t.equal(answer.text, '{"delivered":1}', `/${flavour}/${path} is ${id}`);
      await wire.saw('found');
      await wire.close();
    }
    const left = async () => (await ask(apiPort, `/ids/${sendPath}`)).json.subscribers === 0;
    await until(`${id} is logged out`, left);
  }
});

t.test('a bad id is refused with 400 and a sentence, on every way to open a stream', async (t) => {
  const paths: [path: string, sentence: RegExp][] = [
    ['/test/', /at least one character/],
    ['/stream/', /at least one character/],
    ['/stream?id=', /at least one character/],
    ['/stream', /Say which/],
    ['/stream?di=1', /Say which/],
    ['/test/%', /percent-encoding/],
    ['/test/%zz', /percent-encoding/],
    ['/test/%ff', /percent-encoding/],
    ['/stream?id=a&id=%E6%97', /percent-encoding/],
    ['/test/a+b', /wildcards/],
    ['/test/a/%23', /wildcards/],
    ['/stream?id=a%2Bb', /wildcards/],
    ['/test/a%00b', /NUL/],
    ['/stream?id=ok&id=a%00b', /NUL/],
    [`/test/${'x'.repeat(1025)}`, /longer.*1024/],
  ];
  const before = (await gateway.stats()).connections.refused['bad-id'];
  for (const [path, sentence] of paths) {
    const answer = await ask(port, path);
    t.equal(answer.status, 400, path);
    t.match(answer.text, sentence, path);
    t.equal(answer.header('Content-Type'), 'text/plain; charset=utf-8');
  }
  const { connections, router } = await gateway.stats();
  t.equal(connections.refused['bad-id'] - before, paths.length);
  t.match(router, { ids: 0, logins: 0, subscribers: 0 });
});

t.test('NDJSON: one object a line, with id, data and the time it was sent', async (t) => {
  const wire = await openStream(port, '/stream/json');
  t.equal(wire.header('Content-Type'), 'application/x-ndjson');
  t.match(wire.header('Cache-Control'), /no-transform/);
  t.equal(wire.header('X-Accel-Buffering'), 'no');
  const before = Date.now();
  const texts = ['plain', '<script> & "quotes" \\ \'', 'two\nlines', 'NUL\0', '日本 \u{1f600}', ''];
  for (const text of texts) t.equal(await gateway.send('json', text), 1);
  await gateway.send('json', 'last');
  await wire.saw('last');
  await until('the last newline is here', () => wire.text.endsWith('\n'));
  const lines = wire.text.split('\n');
  t.equal(lines.pop(), '');
  const objects = lines.map((line) => JSON.parse(line));
  t.same(
    objects.map(({ data }) => data),
    [...texts, 'last'],
  );
  for (const object of objects) {
    t.same(Object.keys(object), ['id', 'data', 'time', 'cursor']);
    t.equal(object.id, 'json');
    t.ok(object.time >= before && object.time <= Date.now(), 'milliseconds since the epoch');
  }
  await wire.close();
});

t.test('NDJSON: what is not UTF-8 comes as base64, and says so', async (t) => {
  const wire = await openStream(port, '/stream/bytes');
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
  const half = Buffer.from('日').subarray(0, 2);
  await gateway.send('bytes', everyByte);
  await gateway.send('bytes', half);
  await gateway.send('bytes', 'text again');
  await wire.saw('text again');
  const [first, second, third] = wire.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.equal(first.encoding, 'base64');
  t.same(Buffer.from(first.data, 'base64'), everyByte);
  t.equal(second.encoding, 'base64');
  t.same(Buffer.from(second.data, 'base64'), half);
  t.notOk('encoding' in third);
  await wire.close();
});

t.test('NDJSON: one stream may be logged in as several ids', async (t) => {
  const wire = await openStream(port, '/stream?id=a&id=b/c&x=1&id=d%20e&id=f+g&id=a');
  t.match((await gateway.stats()).router, { ids: 4, logins: 4, subscribers: 1 });
  for (const id of ['a', 'b/c', 'd e', 'f g']) t.equal(await gateway.send(encodeURIComponent(id), 'x'), 1);
  t.equal(await gateway.send('x', 'x'), 0);
  await wire.saw('"f g"');
  t.same(
    wire.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).id),
    ['a', 'b/c', 'd e', 'f g'],
  );
  await wire.close();
  await until('all are logged out', async () => (await gateway.stats()).router.logins === 0);
  t.match((await gateway.stats()).router, { ids: 0, subscribers: 0 });
});

t.test('on the wire, a message is a chunk, and its closing newline a chunk of its own', async (t) => {
  const page = await openStream(port, '/test/wire');
  const lines = await openStream(port, '/stream/wire');
  const [pageStart, linesStart] = [page.bytes.length, lines.bytes.length];
  await gateway.send('wire', 'Hello World');
  const hello = "\r\n20\r\nRecvd msg #1: 'Hello World'<br/>\r\n1\r\n\n";
  await until('the page has it', () => page.bytes.length >= pageStart + hello.length);
  t.equal(page.bytes.toString('latin1', pageStart), hello);
  await lines.saw('Hello World');
  await until('the line is closed', () => lines.text.endsWith('\n'));
  const { time, cursor } = JSON.parse(lines.text);
  t.match(cursor, cursorAt(1));
  const line = `{"id":"wire","data":"Hello World","time":${time},"cursor":"${cursor}"}`;
  const framed = `\r\n${line.length.toString(16)}\r\n${line}\r\n1\r\n\n`;
  t.equal(lines.bytes.toString('latin1', linesStart), framed);
  await page.close();
  await lines.close();
});

const oneTurn = oneProcess(
  'messages of one batch come to another node in as many turns as Redis brings them in',
);

t.test(
  'several messages of one batch arrive in one write, in order, each framed as a chunk',
  oneTurn,
  async (t) => {
    const page = await openStream(port, '/test/batch');
    const lines = await openStream(port, '/stream?id=batch&id=other');
    const [pageReads, linesReads] = [page.reads.length, lines.reads.length];
    const messages = Array.from({ length: 20 }, (_, n) => ({
      id: n % 3 === 2 ? 'other' : 'batch',
      data: `m${n}`,
    }));
    t.equal(await sendBatch(messages), 20 + messages.filter(({ id }) => id === 'batch').length);
    await page.saw('m19');
    await lines.saw('m19');
    await until('both are closed', () => page.text.endsWith('\n') && lines.text.endsWith('\n'));
    t.equal(page.reads.length - pageReads, 1, 'the page saw one read');
    t.equal(lines.reads.length - linesReads, 1, 'the NDJSON stream saw one read');
    const texts = messages.filter(({ id }) => id === 'batch').map(({ data }) => data);
    t.same(
      page.chunks.map(String),
      [...texts.map((text, n) => (n === 0 ? '' : '\n') + recvd(n + 1, text).trimEnd()), '\n'],
      'the newline that a message owes leads the next one, and the last is by itself',
    );
    t.same(
      lines.text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
        .map(({ id, data }) => ({ id, data })),
      messages,
    );
    await page.close();
    await lines.close();
  },
);

t.test(
  'messages of all sizes around the 16 KB of a cork, one by one and together, arrive byte-exact',
  async (t) => {
    const page = await openStream(port, '/test/sizes');
    const lines = await openStream(port, '/stream/sizes');
    const sizes = [
      1, 5_000, 15_300, 15_310, 15_320, 15_351, 15_360, 15_361, 16_000, 16_300, 16_383, 16_384, 16_385,
      17_000, 32_768, 40_000, 65_535, 65_536,
    ];
    const texts = sizes.map((size, n) => `${n} `.padEnd(size, `abcdefghij${n}`).slice(0, size));
    for (const text of texts) t.equal(await gateway.send('sizes', text), 2);
    const together = [
      ...texts,
      ...Array.from({ length: 10 }, (_, n) => `four ${n} `.padEnd(4096, 'y')),
      ...texts,
    ];
    const batches = [together.slice(0, 30), together.slice(30)];
    for (const batch of batches) await sendBatch(batch.map((data) => ({ id: 'sizes', data })));
    await sendBatch([{ id: 'sizes', data: 'the end' }]);
    await page.saw('the end');
    await lines.saw('the end');
    await until('both are closed', () => page.text.endsWith('\n') && lines.text.endsWith('\n'));
    const expected = [...texts, ...together, 'the end'];
    t.equal(page.problem, undefined);
    t.ok(page.text === expected.map((text, n) => recvd(n + 1, text)).join(''), 'the page is byte-exact');
    const received = lines.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).data);
    t.equal(lines.problem, undefined);
    t.ok(received.join('|') === expected.join('|'), 'the lines are byte-exact');
    await page.close();
    await lines.close();
  },
);

t.test('a batch of megabytes for one stream arrives byte-exact and in order', async (t) => {
  const page = await openStream(port, '/test/megabytes');
  const texts = Array.from({ length: 1500 }, (_, n) => `${n} `.padEnd(100 + ((n * 37) % 4000), 'z'));
  t.equal(await sendBatch(texts.map((data) => ({ id: 'megabytes', data }))), 1500);
  await page.saw("'1499 ");
  await until('the last newline is here', () => page.text.endsWith('\n'));
  t.equal(page.problem, undefined);
  t.ok(page.text === texts.map((text, n) => recvd(n + 1, text)).join(''));
  t.equal((await gateway.stats()).messages.lost, 0);
  await page.close();
});

t.test('HEAD gets the headers and nothing else, and logs nobody in', async (t) => {
  const opened = (await gateway.stats()).connections.opened;
  for (const path of ['/test/head', '/stream/head', '/stream?id=head', '/']) {
    const wire = await Wire.open(port);
    wire.stopReading();
    wire.ask(path, { method: 'HEAD' });
    wire.ask('/numbers'); // on the same connection: what comes between the two heads would be a body
    await until('both answers are here', () => wire.bytes.includes('"messages"'));
    const [head, next] = wire.bytes.toString('latin1').split('\r\n\r\n');
    t.match(head, /^HTTP\/1\.1 200 OK\r\n/, path);
    t.match(head, /^Content-Type: (text\/html; charset=utf-8|application\/x-ndjson)\r$/m);
    t.match(next, /^HTTP\/1\.1 200 OK\r\n/, `${path}: no body`);
    await wire.close();
  }
  t.equal((await gateway.stats()).connections.opened, opened);
});

t.test('HEAD that is refused gets no body either: it would be read as the next answer', async (t) => {
  for (const [listener, path, status] of [
    [port, '/test/%zz', 400],
    [port, '/stream', 400],
    [port, '/nowhere', 404],
    [apiPort, '/nowhere', 404],
    [apiPort, '/send/x', 405],
  ] as const) {
    const wire = await Wire.open(listener);
    wire.stopReading();
    wire.ask(path, { method: 'HEAD' });
    wire.ask('/nowhere');
    await until('both answers are here', () => wire.bytes.includes('Not here'));
    const [head, next] = wire.bytes.toString('latin1').split('\r\n\r\n');
    t.match(head, new RegExp(`^HTTP/1\\.1 ${status} `), `HEAD ${path}`);
    t.match(next, /^HTTP\/1\.1 404 /, `HEAD ${path}: the next answer follows at once`);
    await wire.close();
  }
});

t.test('other paths are 404, other methods 405 with Allow, unknown methods 501', async (t) => {
  for (const path of ['/nowhere', '/test', '/tests/1', '/favicon.ico', '/test?id=1', '/send/1']) {
    const answer = await ask(port, path);
    t.equal(answer.status, 404, path);
    t.match(answer.text, '/test/<id>', 'the answer says what there is');
  }
  for (const path of ['/test/1', '/stream/1', '/stream?id=1', '/', '/numbers']) {
    const others = /test|stream/.test(path) ? [] : ['OPTIONS']; // a stream answers what a browser asks first
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE', ...others]) {
      const answer = await ask(port, path, { method });
      t.equal(answer.status, 405, `${method} ${path}`);
      t.equal(answer.header('Allow'), others.length === 0 ? 'GET, HEAD, OPTIONS' : 'GET, HEAD');
    }
  }
  for (const path of ['/test/1', '/stream', '/', '/nowhere']) {
    const answer = await ask(port, path, { method: 'BREW' });
    t.equal(answer.status, 501, `BREW ${path}`);
  }
  for (const method of ['POST', 'DELETE']) t.equal((await ask(port, '/nowhere', { method })).status, 404);
  for (const [path, method] of [
    ['/send/1', 'GET'],
    ['/send', 'POST'],
    ['/nowhere', 'POST'],
  ] as const) {
    const { text } = await ask(port, path, { method });
    t.match(
      text,
      /at the router API, port 8001 unless --api-port/,
      `${method} ${path}: the ports are mixed up`,
    );
  }
});

t.test('a stream is logged out when its peer closes, resets, half-closes or asks again', async (t) => {
  const goodbyes: Record<string, (wire: Wire) => unknown> = {
    closes: (wire) => wire.close(),
    resets: (wire) => wire.reset(),
    'half-closes': (wire) => wire.socket.end(),
    'asks again': (wire) => wire.socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
  };
  const before = (await gateway.stats()).connections.closed['peer-closed'];
  for (const [name, goodbye] of Object.entries(goodbyes)) {
    const wire = await openStream(port, '/stream?id=leaving&id=too');
    t.equal(await gateway.send('leaving', 'still here'), 1);
    await goodbye(wire);
    const gone = async () => (await gateway.stats()).router.subscribers === 0;
    await until(`who ${name} is logged out`, gone);
    t.equal(await gateway.send('too', 'x'), 0, name);
    await wire.close();
  }
  const { connections, router } = await gateway.stats();
  t.match(connections, { open: 0 });
  t.equal(connections.closed['peer-closed'] - before, 4);
  t.match(router, { ids: 0, logins: 0, subscribers: 0 });
});

t.test('nothing of all this was logged', async (t) => {
  t.equal(gateway.log, '');
});
