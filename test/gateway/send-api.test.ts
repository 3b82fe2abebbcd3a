import t from 'tap';
import { startGateway } from '../gateway-process.js';
import { oneProcess } from '../one-process.js';
import { until } from '../until.js';
import { type Ask, ask, batchOf, openStream, Wire } from './raw-wire.js';

const gateway = await startGateway({ flags: ['--heartbeat-sec', '0', '--log-level', 'warn'] });
t.teardown(() => gateway.kill());
const { port, apiPort } = gateway;

const pipelined = oneProcess(
  'behind a send that waits for the counts of other nodes, a second one closes the connection',
);
const ownStats = oneProcess('they are of one process');
const ownPage = oneProcess('what a page of the same process may do');

function post(path: string, body: string | Uint8Array, headers: Ask['headers'] = {}): Promise<Wire> {
  return ask(apiPort, path, { method: 'POST', body, headers });
}

/** Data of all lines of an NDJSON stream so far, once `last` has come. */
async function dataUpTo(wire: Wire, last: string): Promise<string[]> {
  await wire.saw(`"data":${JSON.stringify(last)}`);
  await until('the last line is closed', () => wire.text.endsWith('\n'));
  return wire.text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line).data);
}

t.test('POST /send/<id> answers how many it was delivered to', async (t) => {
  t.equal((await post('/send/count', 'x')).text, '{"delivered":0}');
  const wires = [await openStream(port, '/test/count'), await openStream(port, '/stream/count')];
  const answer = await post('/send/count', 'Hello World');
  t.equal(answer.status, 200);
  t.equal(answer.header('Content-Type'), 'application/json');
  t.equal(answer.text, '{"delivered":2}');
  for (const wire of wires) await wire.saw('Hello World');
  t.match((await ask(apiPort, '/ids/count')).json, { id: 'count', subscribers: 2 });
  for (const wire of wires) await wire.close();
  await until('all are gone', async () => (await ask(apiPort, '/ids/count')).json.subscribers === 0);
});

t.test(
  'the body is the message, whatever it is: empty, form, bytes, chunked or without a length',
  async (t) => {
    const wire = await openStream(port, '/stream/any');
    await post('/send/any', '');
    await post('/send/any', 'a=1&b=2', { 'Content-Type': 'application/x-www-form-urlencoded' });
    await post('/send/any', Buffer.from([0, 255, 1]));
    await ask(apiPort, '/send/any', { method: 'POST' });
    const raw = await Wire.open(apiPort);
    raw.socket.write('POST /send/any HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nin t\r\n');
    raw.socket.write('9\r\nwo chunks\r\n0\r\n\r\n');
    t.same(await dataUpTo(wire, 'in two chunks'), [
      '',
      'a=1&b=2',
      Buffer.from([0, 255, 1]).toString('base64'),
      '',
      'in two chunks',
    ]);
    await raw.close();
    await wire.close();
  },
);

t.test('a body that comes in many pieces is one message', async (t) => {
  const wire = await openStream(port, '/stream/pieces');
  const publisher = await Wire.open(apiPort);
  const body = 'abcdefghij'.repeat(6000);
  publisher.ask('/send/pieces', { method: 'POST', headers: { 'Content-Length': String(body.length) } });
  for (let at = 0; at < body.length; at += 12_000) {
    await new Promise((sent) => publisher.socket.write(body.slice(at, at + 12_000), sent));
  }
  await publisher.untilComplete();
  t.equal(publisher.text, '{"delivered":1}');
  t.same(await dataUpTo(wire, body), [body]);
  await publisher.close();
  await wire.close();
});

t.test('many requests on one connection, pipelined too, are answered in order', pipelined, async (t) => {
  const wire = await openStream(port, '/stream/pipeline');
  const publisher = await Wire.open(apiPort);
  publisher.stopReading();
  for (let n = 0; n < 200; n++) publisher.ask('/send/pipeline', { method: 'POST', body: `m${n}` });
  const answers = () => publisher.bytes.toString('latin1').match(/\{"delivered":1\}/g)?.length;
  await until('all are answered', () => answers() === 200);
  t.same(
    await dataUpTo(wire, 'm199'),
    Array.from({ length: 200 }, (_, n) => `m${n}`),
  );
  await publisher.close();
  await wire.close();
});

t.test('POST /send takes NDJSON: totals, and what is for whom arrives in order', async (t) => {
  const a = await openStream(port, '/stream/a');
  const both = await openStream(port, '/stream?id=a&id=b');
  const answer = await post(
    '/send',
    batchOf([
      { id: 'a', data: 'one' },
      { id: 'b', data: 'two' },
      { id: 'nobody', data: 'three' },
      { id: 'a', data: 'four' },
    ]),
  );
  t.equal(answer.status, 200);
  t.equal(answer.header('Content-Type'), 'application/json');
  t.same(answer.json, { messages: 4, delivered: 5, bad: 0, errors: [] });
  t.same(await dataUpTo(a, 'four'), ['one', 'four']);
  t.same(await dataUpTo(both, 'four'), ['one', 'two', 'four']);
  await a.close();
  await both.close();
});

t.test('bad lines of a batch are named by number, and the good ones are delivered', async (t) => {
  const wire = await openStream(port, '/stream/mixed');
  const lines = [
    '{"id":"mixed","data":"first"}',
    'not json',
    '',
    '{"id":"mixed"}',
    '{"id":7,"data":"x"}',
    '[]',
    'null',
    '{"id":"mixed","data":"second"}',
    '{"id":"","data":"x"}',
    '{"id":"a/+","data":"x"}',
    '{"id":"a\\u0000","data":"x"}',
    '{"id":"\\ud800","data":"x"}',
    `{"id":"${'x'.repeat(1025)}","data":"x"}`,
    '{"id":"mixed","data":"x","encoding":"hex"}',
    `{"id":"mixed","data":"${'x'.repeat(65_537)}"}`,
    '{"id":"mixed","data":"third"',
    '{"id":"mixed","data":"last"}',
  ];
  const { messages, delivered, bad, errors } = (await post('/send', lines.join('\n'))).json;
  t.same({ messages, delivered, bad }, { messages: 3, delivered: 3, bad: 13 });
  t.same(
    errors.map(({ line }: { line: number }) => line),
    [2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16],
    'counted from 1, empty lines too',
  );
  const sentences = new Map(errors.map(({ line, error }: { line: number; error: string }) => [line, error]));
  t.match(sentences.get(2), /not JSON/);
  t.match(sentences.get(4), /"id" and "data"/);
  t.match(sentences.get(9), /at least one character/);
  t.match(sentences.get(10), /wildcards/);
  t.match(sentences.get(11), /NUL/);
  t.match(sentences.get(12), /UTF-8/);
  t.match(sentences.get(13), /longer.*1024/);
  t.match(sentences.get(14), /"encoding"/);
  t.match(sentences.get(15), /larger than 65536/);
  t.same(await dataUpTo(wire, 'last'), ['first', 'second', 'last']);
  await wire.close();
});

t.test('of more than a hundred bad lines the first hundred are named and all are counted', async (t) => {
  const lines = Array.from({ length: 300 }, (_, n) => (n % 2 === 0 ? '{"id":"x","data":"y"}' : 'bad'));
  const { messages, bad, errors } = (await post('/send', lines.join('\n'))).json;
  t.same({ messages, bad, named: errors.length }, { messages: 150, bad: 150, named: 100 });
  t.equal(errors[0].line, 2);
  t.equal(errors[99].line, 200);
});

t.test('a batch carries bytes as base64, and they arrive as they were', async (t) => {
  const wire = await openStream(port, '/stream/base64');
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
  const text = Buffer.from('text after all: 日本').toString('base64');
  const lines = [
    { id: 'base64', data: bytes.toString('base64'), encoding: 'base64' },
    { id: 'base64', data: text, encoding: 'base64' },
    { id: 'base64', data: '', encoding: 'base64' },
    { id: 'base64', data: 'bGFzdA==' },
  ];
  t.match((await post('/send', batchOf(lines))).json, { messages: 4, delivered: 4, bad: 0 });
  t.same(await dataUpTo(wire, 'bGFzdA=='), [
    bytes.toString('base64'),
    'text after all: 日本',
    '',
    'bGFzdA==',
  ]);
  await wire.close();
});

t.test('a line whose data cannot be what was meant is a bad line, not another message', async (t) => {
  const wire = await openStream(port, '/stream/meant');
  const notBase64 = ['!!!', 'aGV*bG8=', 'a'].map((data) => ({ id: 'meant', data, encoding: 'base64' }));
  const { messages, bad } = (await post('/send', batchOf(notBase64))).json;
  t.same({ messages, bad }, { messages: 0, bad: 3 }, 'what is not base64');
  const notUtf8 = Buffer.from('{"id":"meant","data":"a\xffb"}\n{"id":"meant","data":"good"}', 'latin1');
  const answer = (await post('/send', notUtf8)).json;
  t.match(answer, { messages: 1, bad: 1, errors: [{ line: 1 }] }, 'what is not UTF-8');
  t.same(await dataUpTo(wire, 'good'), ['good']);
  await wire.close();
});

t.test('CRLF lines are lines, and an end without newline is a line too', async (t) => {
  const wire = await openStream(port, '/stream/crlf');
  const line = (data: string) => `{"id":"crlf","data":"${data}"}`;
  const body = `${line('one')}\r\n\r\n${line('two')}\r\n${line('last')}`;
  t.same((await post('/send', body)).json, { messages: 3, delivered: 3, bad: 0, errors: [] });
  t.same(await dataUpTo(wire, 'last'), ['one', 'two', 'last']);
  await wire.close();
});

t.test('a batch does not wait for its counts where that is not wanted', async (t) => {
  const stream = await openStream(port, '/stream/unwaited');
  const answer = await post('/send?wait=0', `${batchOf([{ id: 'unwaited', data: 'x' }])}no line`);
  t.equal(answer.status, 202);
  t.match(answer.json, { messages: 1, bad: 1, errors: [{ line: 2 }] });
  t.notOk('delivered' in answer.json);
  t.same(await dataUpTo(stream, 'x'), ['x']);
  const wrong = await post('/send?wait=no', batchOf([{ id: 'unwaited', data: 'x' }]));
  t.equal(wrong.status, 400);
  t.equal(wrong.text, 'wait is 0 or 1.\n');
  await stream.close();
});

t.test('of sends with the same Idempotency-Key one goes out, for each id', async (t) => {
  const wire = await openStream(port, '/stream?id=k1&id=k2');
  const post = (path: string, body: string, key: string) =>
    ask(apiPort, path, { method: 'POST', body, headers: { 'Idempotency-Key': key } });
  t.same((await post('/send/k1', '<one>', 'key')).json, { delivered: 1 });
  const again = await post('/send/k1', '<one>', 'key');
  t.equal(again.status, 200);
  t.match(again.json, { repeated: true });
  t.same((await post('/send/k2', '<two>', 'key')).json, { delivered: 1 }, 'another id is another message');
  const lines = batchOf([
    { id: 'k1', data: '<three>' },
    { id: 'k1', data: '<three>' },
  ]);
  t.match(
    (await post('/send', lines, 'batch')).json,
    { messages: 2, delivered: 2 },
    'two lines are two messages',
  );
  t.match((await post('/send?wait=0', lines, 'batch')).json, { messages: 2, repeated: 2 });
  for (const bad of ['two words', 'x'.repeat(65)]) t.equal((await post('/send/k1', 'x', bad)).status, 400);
  t.same((await post('/send/k1', '<end>', '')).json, { delivered: 1 });
  await wire.saw('<end>');
  t.equal([...wire.text.matchAll(/<\w+>/g)].join(''), '<one><two><three><three><end>');
  await wire.close();
});

t.test('an empty batch is no messages', async (t) => {
  for (const body of ['', '\n', '\r\n\n']) {
    t.same((await post('/send', body)).json, { messages: 0, delivered: 0, bad: 0, errors: [] });
  }
});

t.test('a batch of tens of thousands of lines arrives whole and in order', async (t) => {
  const wire = await openStream(port, '/stream/long');
  const texts = Array.from({ length: 40_000 }, (_, n) => `m${n}`);
  const answer = await post('/send', batchOf(texts.map((data) => ({ id: 'long', data }))));
  t.same(answer.json, { messages: 40_000, delivered: 40_000, bad: 0, errors: [] });
  t.ok((await dataUpTo(wire, 'm39999')).join() === texts.join(), 'every one, once, in order');
  await wire.close();
});

t.test('a batch that was accepted is sent even if its publisher has gone meanwhile', async (t) => {
  const wire = await openStream(port, '/stream/gone');
  const publisher = await Wire.open(apiPort);
  const texts = Array.from({ length: 40_000 }, (_, n) => `m${n}`);
  publisher.ask('/send', { method: 'POST', body: batchOf(texts.map((data) => ({ id: 'gone', data }))) });
  await wire.saw('"m0"');
  await publisher.reset();
  t.equal((await dataUpTo(wire, 'm39999')).length, 40_000);
  await wire.close();
});

t.test('GET /ids/<id> says how many are logged in, and 400 what is not an id', async (t) => {
  t.match((await ask(apiPort, '/ids/a/b%20c')).json, { id: 'a/b c', subscribers: 0 });
  const wire = await openStream(port, '/stream?id=a/b%20c&id=other');
  t.match((await ask(apiPort, '/ids/a/b%20c')).json, { id: 'a/b c', subscribers: 1 });
  for (const path of ['/ids/', '/ids/%zz', '/ids/a+b', `/ids/${'x'.repeat(1025)}`]) {
    const answer = await ask(apiPort, path);
    t.equal(answer.status, 400, path);
  }
  await wire.close();
});

t.test('a bad id in POST /send/<id> is 400 with a sentence, and the connection goes on', async (t) => {
  const publisher = await Wire.open(apiPort);
  const paths: [path: string, sentence: RegExp][] = [
    ['/send/', /at least one character/],
    ['/send/%zz', /percent-encoding/],
    ['/send/a/%2B', /wildcards/],
    ['/send/%00', /NUL/],
    [`/send/${'x'.repeat(1025)}`, /longer.*1024/],
  ];
  const before = (await gateway.stats()).apiErrors['400'] ?? 0;
  for (const [path, sentence] of paths) {
    publisher.ask(path, { method: 'POST', body: 'a body that nobody wants' });
    await publisher.untilComplete();
    t.equal(publisher.status, 400, path);
    t.match(publisher.text, sentence, path);
  }
  publisher.ask('/send/good', { method: 'POST', body: 'x' });
  await publisher.untilComplete();
  t.equal(publisher.text, '{"delivered":0}');
  t.equal((await gateway.stats()).apiErrors['400'] - before, paths.length, 'and each is counted');
  await publisher.close();
});

t.test('nobody but the server sends to $SYS', async (t) => {
  const stream = await openStream(port, '/stream/%24SYS%2Fbrokers%2Fx');
  for (const path of ['$SYS', '$SYS/brokers/x', '%24SYS/brokers/x', '%24SYS%2Fbrokers%2Fx']) {
    for (const query of ['', '?retain=1', '?wait=0']) {
      const answer = await post(`/send/${path}${query}`, 'forged');
      t.equal(answer.status, 400, path + query);
      t.match(answer.text, /\$SYS/);
    }
  }
  const lines = [
    { id: '$SYS/brokers/x', data: 'forged', retain: true },
    { id: '$SYSTEM/x', data: 'not under it' },
    { id: 'a/$SYS/x', data: 'nor this' },
  ];
  const { messages, bad, errors } = (await post('/send', batchOf(lines))).json;
  t.match({ messages, bad, errors }, { messages: 2, bad: 1, errors: [{ line: 1, error: /\$SYS/ }] });
  t.equal(stream.text.trim(), '', 'nothing came of it');
  t.equal((await ask(apiPort, '/ids/%24SYS/brokers/x')).json.subscribers, 1, 'who listens may be asked');
  await stream.close();
});

t.test('other paths are 404, other methods 405 with Allow, unknown methods 501', async (t) => {
  for (const path of ['/', '/nowhere', '/ids', '/test/1', '/stats/x']) {
    const answer = await ask(apiPort, path);
    t.equal(answer.status, 404, path);
    t.match(answer.text, 'POST /send/<id>', 'the answer says what there is');
  }
  for (const path of ['/test/1', '/events/1', '/stream?id=1', '/poll/1', '/mqtt']) {
    const { text } = await ask(apiPort, path);
    t.match(text, /at the gateway, port 8000 unless --port/, `${path}: the ports are mixed up`);
  }
  for (const [path, method, allow] of [
    ['/send/1', 'GET', /POST/],
    ['/send', 'PUT', /POST/],
    ['/ids/1', 'POST', /GET/],
    ['/stats', 'DELETE', /GET/],
    ['/health', 'POST', /GET/],
    ['/ready', 'POST', /GET/],
  ] as const) {
    const answer = await ask(apiPort, path, { method });
    t.equal(answer.status, 405, `${method} ${path}`);
    t.match(answer.header('Allow'), allow);
  }
  t.equal((await ask(apiPort, '/send/1', { method: 'BREW' })).status, 501);
});

t.test('/stats has the shape that operators rely on, and its numbers agree', ownStats, async (t) => {
  const wire = await openStream(port, '/stream?id=s1&id=s2');
  const answer = await ask(apiPort, '/stats');
  t.equal(answer.header('Content-Type'), 'application/json');
  const stats = answer.json;
  t.match(stats, {
    version: /^\d+\.\d+\.\d+/,
    node: process.version,
    pid: gateway.pid,
    uptimeSec: Number,
    connections: {
      open: 1,
      capacity: Number,
      opened: Number,
      closed: {
        'peer-closed': Number,
        'slow-consumer': 0,
        'slow-consumers-total': 0,
        'stalled-consumer': 0,
        'server-stopping': 0,
      },
      refused: {
        'bad-id': Number,
        'too-many-ids': 0,
        'no-room-for-cursor': 0,
        'too-many-connections': 0,
        'too-many-from-address': 0,
        stopping: 0,
      },
    },
    sockets: { gateway: 1, api: Number, gatewayPauses: 0, apiPauses: 0, apiClosedIdle: 0 },
    router: { ids: 2, logins: 2, subscribers: 1, published: Number, delivered: Number, dropped: 0 },
    messages: { written: Number, bytesWritten: Number, lost: 0, heartbeats: 0 },
    slowConsumers: { now: 0, pendingBytes: 0 },
    apiErrors: {},
    memory: {
      rssBytes: Number,
      heapUsedBytes: Number,
      heapTotalBytes: Number,
      externalBytes: Number,
      bytesPerConnection: null,
    },
  });
  const { opened, closed, open } = stats.connections;
  const closedTotal = Object.values<number>(closed).reduce((sum, count) => sum + count, 0);
  t.equal(opened - closedTotal, open);
  t.equal(stats.messages.written, stats.router.delivered, 'nobody was slow here');
  await gateway.send('s1', '12345');
  const after = await gateway.stats();
  t.equal(after.messages.written - stats.messages.written, 1);
  t.ok(after.messages.bytesWritten - stats.messages.bytesWritten >= 5);
  await wire.close();
});

t.test('/health and /ready answer 200 to GET and HEAD', async (t) => {
  for (const [path, text] of [
    ['/health', 'alive\n'],
    ['/ready', 'ready\n'],
  ] as const) {
    const answer = await ask(apiPort, path);
    t.equal(answer.status, 200);
    t.equal(answer.text, text);
    t.equal((await ask(apiPort, path, { method: 'HEAD' })).status, 200);
  }
});

t.test('a page of the gateway itself may call the API, a page from elsewhere may not', ownPage, async (t) => {
  const wire = await openStream(port, '/stream/cors');
  for (const origin of [gateway.url, `http://localhost:${port}`]) {
    const answer = await post('/send/cors', 'from the page', { Origin: origin });
    t.equal(answer.status, 200);
    t.equal(answer.header('Access-Control-Allow-Origin'), origin);
    t.match(answer.header('Vary'), /Origin/);
    for (const path of ['/ids/cors', '/stats']) {
      const got = await ask(apiPort, path, { headers: { Origin: origin } });
      t.equal(got.header('Access-Control-Allow-Origin'), origin, path);
    }
    const batch = await post('/send', batchOf([{ id: 'nobody', data: 'x' }]), { Origin: origin });
    t.equal(batch.header('Access-Control-Allow-Origin'), origin);
    const refused = await post('/send/%zz', 'x', { Origin: origin });
    t.equal(refused.status, 400);
    t.equal(refused.header('Access-Control-Allow-Origin'), origin, 'or the page could not say why');
  }
  const foreign = [
    'https://elsewhere.example',
    'null',
    gateway.apiUrl,
    `${gateway.url}0`,
    `https://127.0.0.1:${port}`,
  ];
  for (const origin of foreign) {
    for (const path of ['/send/cors', '/send']) {
      const answer = await post(path, '{"id":"cors","data":"from elsewhere"}', { Origin: origin });
      t.equal(answer.status, 403, `${path} for ${origin}`);
      t.equal(answer.header('Access-Control-Allow-Origin'), undefined);
      t.match(answer.text, '--api-allow-origin', 'the answer says how to allow it');
    }
    t.equal((await ask(apiPort, '/stats', { headers: { Origin: origin } })).status, 403);
  }
  await gateway.send('cors', 'end');
  t.same(await dataUpTo(wire, 'end'), ['from the page', 'from the page', 'end']);
  await wire.close();
});

t.test('a page is told also when its message is too large', ownPage, async (t) => {
  const answer = await post('/send/large', 'x'.repeat(65_537), { Origin: gateway.url });
  t.equal(answer.status, 413);
  const allowed = answer.header('Access-Control-Allow-Origin');
  t.equal(allowed, gateway.url, 'without it a browser shows the page nothing but "failed"');
});

t.test(
  'the preflight allows the methods and headers there are, and only to whom it may',
  ownPage,
  async (t) => {
    const asks = {
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization',
    };
    for (const path of ['/send/1', '/send', '/ids/1', '/stats']) {
      const answer = await ask(apiPort, path, {
        method: 'OPTIONS',
        headers: { Origin: gateway.url, ...asks },
      });
      t.equal(answer.status, 204, path);
      t.equal(answer.header('Access-Control-Allow-Origin'), gateway.url);
      t.match(answer.header('Access-Control-Allow-Methods'), /GET, POST/);
      t.match(answer.header('Access-Control-Allow-Headers'), /Authorization/i);
      const headers = { Origin: 'https://elsewhere.example', ...asks };
      const foreign = await ask(apiPort, path, { method: 'OPTIONS', headers });
      t.equal(foreign.status, 403, path);
      t.equal(foreign.header('Access-Control-Allow-Origin'), undefined);
    }
  },
);

t.test('with a token', async (t) => {
  const token = 'correct-horse-battery';
  const guarded = await startGateway({
    flags: ['--api-token', token, '--api-allow-origin', 'https://app.example', '--log-level', 'debug'],
  });
  t.teardown(() => guarded.kill());
  const authorized = { Authorization: `Bearer ${token}` };

  t.test('it opens every door', async (t) => {
    const wire = await openStream(guarded.port, '/stream/1');
    for (const [path, options] of [
      ['/send/1', { method: 'POST', body: 'hello' }],
      ['/send', { method: 'POST', body: '{"id":"1","data":"again"}' }],
      ['/ids/1', {}],
      ['/stats', {}],
    ] as const) {
      const answer = await ask(guarded.apiPort, path, { ...options, headers: authorized });
      t.equal(answer.status, 200, path);
    }
    t.same(await dataUpTo(wire, 'again'), ['hello', 'again']);
    await wire.close();
  });

  t.test('its scheme may be written in any case (RFC 9110 11.1)', async (t) => {
    for (const scheme of ['bearer', 'BEARER', 'bEaReR', 'Bearer ', 'bearer  ']) {
      const headers = { Authorization: `${scheme} ${token}` };
      t.equal((await ask(guarded.apiPort, '/ids/1', { headers })).status, 200, scheme);
    }
  });

  t.test('for every fault of a token, the answer is the same 401', async (t) => {
    const wire = await openStream(guarded.port, '/stream/1');
    const wrong: Ask['headers'][] = [
      {},
      { Authorization: '' },
      { Authorization: 'Bearer' },
      { Authorization: 'Bearer ' },
      { Authorization: token },
      { Authorization: `Basic ${token}` },
      { Authorization: `Bearer ${token.slice(0, -1)}` },
      { Authorization: `Bearer ${token}x` },
      { Authorization: `Bearer ${token.slice(0, -1)}x` },
      { Authorization: `Bearer x${token.slice(1)}` },
      { Authorization: `Bearer ${token.toUpperCase()}` },
      { Authorization: `Bearer\t${token}` },
      { Authorization: `Bearers ${token}` },
      { Authorization: `Bearer ${'日'.repeat(7)}` },
      { Authorization: `Bearer ${'x'.repeat(2000)}` },
    ];
    const withoutDate = (wire: Wire) => wire.head.replace(/^Date: .*\r\n/m, '');
    const seen = new Set<string>();
    for (const headers of wrong) {
      for (const [path, method] of [
        ['/send/1', 'POST'],
        ['/send', 'POST'],
        ['/send/%zz', 'POST'],
        ['/ids/1', 'GET'],
        ['/ids/%zz', 'GET'],
        ['/stats', 'GET'],
      ] as const) {
        const body = method === 'POST' ? '{"id":"1","data":"not for you"}' : '';
        const answer = await ask(guarded.apiPort, path, { method, body, headers: headers! });
        seen.add(withoutDate(answer) + answer.text);
        t.equal(answer.status, 401, `${path} ${JSON.stringify(headers).slice(0, 60)}`);
      }
    }
    t.equal(seen.size, 1, 'not a byte differs');
    t.match([...seen][0], /^WWW-Authenticate: Bearer/m);
    t.match([...seen][0], 'Authorization: Bearer <token>', 'and it says what is wanted');
    await ask(guarded.apiPort, '/send/1', { method: 'POST', body: 'end', headers: authorized });
    t.same(await dataUpTo(wire, 'end'), ['end']);
    await wire.close();
  });

  t.test('a refusal does not end the connection, and the body with it is no request', async (t) => {
    const wire = await Wire.open(guarded.apiPort);
    for (let n = 0; n < 3; n++) {
      wire.ask('/send/1', { method: 'POST', body: 'GET /stats HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(100) });
      await wire.untilComplete();
      t.equal(wire.status, 401);
    }
    wire.ask('/stats', { headers: authorized });
    await wire.untilComplete();
    t.equal(wire.status, 200);
    t.equal(wire.json.version.length > 0, true);
    await wire.close();
  });

  t.test('refusals are counted by status', async (t) => {
    const counted = async () =>
      (await ask(guarded.apiPort, '/stats', { headers: authorized })).json.apiErrors;
    const before = await counted();
    await ask(guarded.apiPort, '/stats');
    await ask(guarded.apiPort, '/send/1', { method: 'POST', body: 'x' });
    await ask(guarded.apiPort, '/stats', { headers: { Origin: 'https://elsewhere.example' } });
    const after = await counted();
    t.equal(after['401'] - (before['401'] ?? 0), 2, '401: somebody may be guessing');
    t.equal(after['403'] - (before['403'] ?? 0), 1);
  });

  t.test('HEAD needs it as GET does', async (t) => {
    for (const path of ['/stats', '/ids/1']) {
      t.equal((await ask(guarded.apiPort, path, { method: 'HEAD' })).status, 401, path);
      t.equal((await ask(guarded.apiPort, path, { method: 'HEAD', headers: authorized })).status, 200, path);
    }
  });

  t.test('probes, the preflight and the public listener need none', async (t) => {
    for (const path of ['/health', '/ready']) t.equal((await ask(guarded.apiPort, path)).status, 200, path);
    const headers = { Origin: 'https://app.example', 'Access-Control-Request-Method': 'POST' };
    const preflight = await ask(guarded.apiPort, '/send/1', { method: 'OPTIONS', headers });
    t.equal(preflight.status, 204);
    t.equal(preflight.header('Access-Control-Allow-Origin'), 'https://app.example');
    t.equal((await ask(guarded.port, '/numbers')).status, 200);
  });

  t.test('an allowed page needs it too, and can read that it does', async (t) => {
    const headers = { Origin: 'https://app.example' };
    const refused = await ask(guarded.apiPort, '/send/1', { method: 'POST', body: 'x', headers });
    t.equal(refused.status, 401);
    t.equal(refused.header('Access-Control-Allow-Origin'), 'https://app.example');
    const options = { method: 'POST', body: 'x', headers: { ...headers, ...authorized } };
    t.equal((await ask(guarded.apiPort, '/send/1', options)).status, 200);
  });

  t.test('it is in no log line and in no answer', async (t) => {
    t.notMatch(guarded.log, token);
    for (const path of ['/', '/numbers']) t.notMatch((await ask(guarded.port, path)).text, token);
    const stats = await ask(guarded.apiPort, '/stats', { headers: authorized });
    t.notMatch(stats.text, token);
  });
});

t.test('nothing of all this was logged', async (t) => {
  t.equal(gateway.log, '');
});
