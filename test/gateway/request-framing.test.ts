import t from 'tap';
import { type GatewayProcess, startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';
import { openStream, Wire } from './raw-wire.js';

oneProcessFile('where a request ends on the connection that it comes by; nothing crosses');

/**
 * Where a request ends: the cases of uNetworking's h1spec, by RFC 9110 and 9112, and then those that a proxy in front and a
 * server behind may read in two ways (request smuggling).
 */

const gateway = await startGateway({ flags: ['--heartbeat-sec', '0'] });
t.teardown(() => gateway.kill());

const host = 'Host: localhost\r\n';

/** To a listener, on a connection of their own. */
async function send(bytes: string, port = gateway.apiPort): Promise<Wire> {
  const wire = await Wire.open(port);
  wire.socket.write(bytes);
  return wire;
}

t.test('h1spec: a request that has not come to its end is waited for', async (t) => {
  const whole = 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const cuts = [
    ...['G', 'GET ', 'GET /health', 'GET /health ', 'GET /health HTTP', 'GET /health HTTP/1.1'],
    ...['GET /health HTTP/1.1\r', 'GET /health HTTP/1.1\r\n', 'GET /health HTTP/1.1\r\nHos'],
    ...['GET /health HTTP/1.1\r\nHost:', 'GET /health HTTP/1.1\r\nHost: '],
    ...['localhost', 'localhost\r', 'localhost\r\n', 'localhost\r\n\r'].map(
      (end) => `GET /health HTTP/1.1\r\nHost: ${end}`,
    ),
  ];
  t.equal(cuts.length, 15);
  for (const port of [gateway.apiPort, gateway.port]) {
    const waiting = await Promise.all(cuts.map((cut) => send(cut, port)));
    await until('the server has them', async () => (await sockets(port)) >= cuts.length);
    for (const [n, wire] of waiting.entries()) {
      t.same([wire.closed, wire.bytes.length], [false, 0], JSON.stringify(cuts[n]));
      wire.socket.write(whole.slice(cuts[n]!.length));
      await wire.untilComplete();
      t.equal(wire.status, port === gateway.port ? 404 : 200);
    }
    await Promise.all(waiting.map((wire) => wire.close()));
  }
});

async function sockets(port: number): Promise<number> {
  const { sockets } = await gateway.stats();
  return port === gateway.port ? sockets.gateway : sockets.api;
}

const atLeast400 = (status: number) => status >= 400 && status < 600;
const only4xx = (status: number) => status >= 400 && status < 500;
const good = (status: number) => status === 200;
const get = 'GET /health HTTP/1.1\r\n';

const h1spec: [what: string, bytes: string, isRight: (status: number) => boolean][] = [
  ['no HTTP version', 'GET /health \r\n\r\n', atLeast400],
  ['Expect', `${get}${host}Expect: 100-continue\r\n\r\n`, (status) => status === 100 || good(status)],
  ['a good GET', `${get}${host}\r\n`, good],
  ['odd letters and an empty field', `${get}hoSt:\tlocalhost\r\nempty:\r\n\r\n`, good],
  ['a name that is no token', `${get}${host}X-Invalid[]: test\r\n\r\n`, only4xx],
  ['no Host', `${get}Content-Length: 5\r\n\r\n`, only4xx],
  ['two Hosts', `${get}${host}Host: 127.0.0.1\r\n\r\n`, only4xx],
  ['a length far below zero', `${get}${host}Content-Length: -123456789123456789123456789\r\n\r\n`, only4xx],
  ['a length below zero', `${get}${host}Content-Length: -1234\r\n\r\n`, only4xx],
  ['a length that is no number', `${get}${host}Content-Length: abc\r\n\r\n`, only4xx],
  ['a field that is empty', `${get}${host}X-Empty-Header: \r\n\r\n`, good],
  ['a control character', `${get}${host}X-Bad-Control-Char: test\x07\r\n\r\n`, only4xx],
  ['a version that there is not', `GET /health HTTP/9.9\r\n${host}\r\n`, atLeast400],
  ['something before the method', `Extra lineGET /health HTTP/1.1\r\n${host}\r\n`, atLeast400],
  ['CR without LF', `${get}${host}\rSome-Header: Test\r\n\r\n`, only4xx],
  ['a body with its length', `POST /send/a HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`, good],
  ['a body in a chunk', chunked('c\r\nHellO world1\r\n0\r\n\r\n'), good],
  [
    'a length beside chunks',
    chunked('c\r\nHellO world1\r\n0\r\n\r\n', 'content-LengtH: 5\r\nTransFer-Encoding: chunked\r\n'),
    only4xx,
  ],
];

function chunked(body: string, fields = 'Transfer-Encoding: chunked\r\n'): string {
  return `POST /send/a HTTP/1.1\r\n${host}${fields}\r\n${body}`;
}

t.test('h1spec: what is no request is refused, and what is one is not', async (t) => {
  t.equal(h1spec.length + 15, 33);
  for (const [what, bytes, isRight] of h1spec) {
    const wire = await send(bytes);
    await until('there is an answer', () => wire.head !== '');
    t.ok(isRight(Number(wire.head.split(' ')[1])), `${what}: ${wire.head.split('\r\n')[0]}`);
    await wire.close();
  }
});

const smuggled = `POST /send/victim HTTP/1.1\r\n${host}Content-Length: 8\r\n\r\nsmuggled`;
const smuggledGet = `GET /stream/smuggled HTTP/1.1\r\n${host}\r\n`;

const ambiguous: Record<string, string> = {
  'two lengths that differ': 'Content-Length: 5\r\nContent-Length: 6\r\n',
  'two lengths that differ, the second one empty': 'Content-Length: 5\r\nContent-Length:\r\n',
  'an empty length': 'Content-Length:\r\n',
  'an empty length before another': 'Content-Length: \r\nContent-Length: 5\r\n',
  'a length with a sign': 'Content-Length: +5\r\n',
  'a list of lengths': 'Content-Length: 5, 5\r\n',
  'a coding that is nearly chunked': 'Transfer-Encoding: xchunked\r\n',
  'a coding before chunked': 'Transfer-Encoding: gzip, chunked\r\n',
  'chunked before another': 'Transfer-Encoding: chunked, identity\r\n',
  'chunked twice': 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
  'chunked and then another field': 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n',
  'an empty coding': 'Transfer-Encoding:\r\n',
  'an empty field and then chunked': 'Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n',
  'an empty coding beside a length': 'Content-Length: 5\r\nTransfer-Encoding:\r\n',
  'a coding in quotes': 'Transfer-Encoding: "chunked"\r\n',
  'a vertical tab before the coding': 'Transfer-Encoding: \x0bchunked\r\n',
};

t.test('a request whose end is not clear is refused on every route, and ends its connection', async (t) => {
  const victim = await openStream(gateway.port, '/stream/victim');
  const routes: [port: number, requestLine: string][] = [
    ...[
      'POST /send/a',
      'POST /send',
      'GET /ids/a',
      'GET /stats',
      'GET /health',
      'DELETE /send/a',
      'PUT /no',
    ].map((line): [number, string] => [gateway.apiPort, line]),
    ...[
      'GET /stream/a',
      'GET /events/a',
      'GET /test/a',
      'GET /poll/a',
      'GET /',
      'GET /numbers',
      'POST /x',
    ].map((line): [number, string] => [gateway.port, line]),
    ...['GET /client.js', 'GET /mqtt', 'OPTIONS /poll/a', 'GET /demo/mqtt'].map((line): [number, string] => [
      gateway.port,
      line,
    ]),
  ];
  for (const [port, line] of routes) {
    for (const [what, fields] of Object.entries(ambiguous)) {
      const wire = await send(`${line} HTTP/1.1\r\n${host}${fields}\r\n`, port);
      await wire.untilClosed();
      t.match(wire.head, /^HTTP\/1\.1 (400|501) /, `${line}: ${what}`);
    }
  }
  for (const [what, fields] of Object.entries(ambiguous)) {
    for (const body of ['hello', '5\r\nhello\r\n0\r\n\r\n', '']) {
      const wire = await send(
        `POST /send/a HTTP/1.1\r\n${host}${fields}\r\n${body}${smuggled}${smuggledGet}`,
      );
      await wire.untilClosed();
      t.notMatch(wire.bytes.toString(), 'delivered', `${what}, and a request behind ${JSON.stringify(body)}`);
    }
  }
  const head = await send(`HEAD /stats HTTP/1.1\r\n${host}Content-Length:\r\n\r\n`);
  await head.untilClosed();
  t.match(head.bytes.toString(), /^HTTP\/1\.1 400 [\s\S]*\r\n\r\n$/, 'to HEAD without a body');
  await gateway.send('victim', 'the end');
  await victim.saw('the end');
  t.notMatch(victim.text, 'smuggled');
  await victim.close();
});

t.test('a WebSocket cannot hide one either', async (t) => {
  const upgrade = `GET /mqtt HTTP/1.1\r\n${host}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n`;
  const good = await send(`${upgrade}\r\n`, gateway.port);
  await until('it is open', () => good.head !== '');
  t.equal(good.status, 101);
  await good.close();
  const bad = await send(`${upgrade}Content-Length:\r\n\r\n`, gateway.port);
  await bad.untilClosed();
  t.equal(bad.status, 400);
});

t.test('the same length twice is one length, and chunked may be written in any letters', async (t) => {
  const twice = await send(
    `POST /send/a HTTP/1.1\r\n${host}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
  );
  t.equal((await twice.untilComplete()).text, '{"delivered":0}');
  await twice.close();
  const letters = await send(chunked('5\r\nhello\r\n0\r\n\r\n', 'transfer-encoding: Chunked\r\n'));
  t.equal((await letters.untilComplete()).text, '{"delivered":0}');
  await letters.untilClosed();
});

t.test('a connection ends behind the answer to a body in chunks', async (t) => {
  const listener = await openStream(gateway.port, '/stream/chunks');
  const batch = '{"id":"chunks","data":"of a batch"}\n';
  const requests: [bytes: string, status: number][] = [
    [chunked('5\r\nhello\r\n0\r\n\r\n').replace('/send/a', '/send/chunks'), 200],
    [chunked('5\r\nagain\r\n0\r\n\r\n').replace('/send/a', '/send/chunks?wait=0'), 202],
    [chunked(`${batch.length.toString(16)}\r\n${batch}\r\n0\r\n\r\n`).replace('/send/a', '/send'), 200],
    [chunked('0\r\n\r\n'), 200],
    [chunked('5\r\nhello\r\n0\r\n\r\n').replace('/send/a', '/send/%zz'), 400],
    [chunked('5\r\nhello\r\n0\r\n\r\n').replace('/send/a', '/nowhere'), 404],
    [chunked('5\r\nhello\r\n0\r\n\r\n').replace('/send/a', '/stats'), 405],
    [chunked('5\r\nhello\r\n0\r\n\r\n').replace('POST /send/a', 'GET /stats'), 400],
    [chunked(`${'11170\r\n'}${'x'.repeat(70_000)}\r\n0\r\n\r\n`), 413],
  ];
  for (const [bytes, status] of requests) {
    const wire = await send(bytes);
    await wire.untilComplete();
    t.equal(wire.status, status, bytes.split('\r\n')[0]!);
    t.equal(wire.header('Connection'), 'close');
    await wire.untilClosed();
  }
  await listener.saw('of a batch');
  t.equal(listener.text.match(/"data"/g)?.length, 3);
  await listener.close();
});

t.test('bytes behind a body in chunks are never read as a request', async (t) => {
  const victim = await openStream(gateway.port, '/stream/victim');
  const requestsBefore = await sends(gateway);
  for (const bytes of [
    `${chunked('5\r\nhello\r\n0\r\n\r\n')}${smuggled}`,
    `${chunked('0\r\n\r\n')}${smuggled}`,
    `${chunked('5\r\nhello\r\n0\r\n')}X: y\r\n\r\n${smuggled}`,
    `${chunked('5\r\nhello\r\n0\r\nX')}${smuggled}`,
    `${chunked('5\r\nhello\r\n0\r\n\r\n').replace('/send/a', '/nowhere')}${smuggled}`,
    `${chunked('5\r\nhello\r\n0\r\n\r\n').replace('/send/a', '/send/%zz')}${smuggled}`,
  ]) {
    const wire = await send(bytes);
    await wire.untilClosed();
    t.notMatch(wire.bytes.toString(), 'delivered', JSON.stringify(bytes.slice(-60)));
  }
  // In a read of its own it comes to a connection that is closed.
  const late = await send(chunked('5\r\nhello\r\n0\r\n\r\n'));
  await late.untilComplete();
  late.socket.write(smuggled);
  await late.untilClosed();
  t.equal(late.bytes.toString().match(/delivered/g)?.length, 1);
  t.equal((await sends(gateway)) - requestsBefore, 1, 'one message was published, that of the last');
  await gateway.send('victim', 'the end');
  await victim.saw('the end');
  t.notMatch(victim.text, 'smuggled');
  await victim.close();
});

async function sends(of: GatewayProcess): Promise<number> {
  return (await of.stats()).router.published;
}
