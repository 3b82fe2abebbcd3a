/** Requests that no well-behaved client sends, each as bytes, and the status that says so. */

export interface BadRequest {
  what: string;
  to: 'gateway' | 'api';
  bytes: Buffer;
  /** Any of these; several where the HTTP parser under us may call it one thing or another. */
  statuses: number[];
}

const host = 'Host: localhost\r\n';
const anyOf = [400, 505];

function bad(
  to: BadRequest['to'],
  statuses: number | number[],
  requests: Record<string, string | Buffer>,
): BadRequest[] {
  return Object.entries(requests).map(([what, bytes]) => ({
    what: `${what} (${to})`,
    to,
    bytes: typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes,
    statuses: [statuses].flat(),
  }));
}

export function request(method: string, path: string, headers = '', body = ''): string {
  return `${method} ${path} HTTP/1.1\r\n${host}${headers}\r\n${body}`;
}

export function get(path: string): string {
  return request('GET', path);
}

export function post(path: string, body: string, announcedBytes = body.length): string {
  return request('POST', path, `Content-Length: ${announcedBytes}\r\n`, body);
}

export function postChunked(path: string, chunks: readonly string[], end = '0\r\n\r\n'): string {
  const framed = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`);
  return request('POST', path, 'Transfer-Encoding: chunked\r\n', framed.join('') + end);
}

const badIds: Record<string, string> = {
  'a percent sign alone': '%',
  'percent-encoding that is not hex': 'a%zzb',
  'percent-encoding cut short': 'a%e',
  'percent-encoded bytes that are not UTF-8': 'a%ffb',
  'a percent-encoded half of a surrogate pair': '%ed%a0%80',
  'an overlong form': '%c0%af',
  'UTF-8 cut short': '%e6%97',
  'a wildcard +': 'a/%2B/b',
  'a wildcard + as it is': 'a/+/b',
  'a wildcard #': 'a/%23',
  'a NUL': 'a%00b',
  'an id that is too long': 'x'.repeat(1025),
  'an id too long in bytes, not in characters': encodeURIComponent('日'.repeat(342)),
  'no id at all': '',
};

function withBadIds(requestOf: (id: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(badIds).map(([what, id]) => [what, requestOf(id)]));
}

const inPath = bad('gateway', 400, {
  ...withBadIds((id) => get(`/test/${id}`)),
});
const inStreamPath = bad(
  'gateway',
  400,
  withBadIds((id) => get(`/stream/${id}`)),
);
const inQuery = bad('gateway', 400, {
  'a bad id in the query': get('/stream?id=%zz'),
  'a bad id behind a good one': get('/stream?id=a&id=%e6%97'),
  'an empty id in the query': get('/stream?id='),
  'a query without an id': get('/stream?di=a'),
  'too many ids': get(`/stream?${Array.from({ length: 65 }, (_, n) => `id=${n}`).join('&')}`),
});
const toApi = bad('api', 400, {
  ...withBadIds((id) => post(`/send/${id}`, 'x')),
  ...Object.fromEntries(
    Object.entries(withBadIds((id) => get(`/ids/${id}`))).map(([what, bytes]) => [
      `${what}, asked for`,
      bytes,
    ]),
  ),
});

const tlsHello = Buffer.from(`16030100f8010000f40303${'5a'.repeat(32)}20${'a5'.repeat(180)}`, 'hex');

function broken(to: BadRequest['to'], path: string): BadRequest[] {
  return [
    ...bad(to, anyOf, {
      'a TLS hello on the plain port': tlsHello,
      'zero bytes': Buffer.alloc(64),
      'bytes of ones': Buffer.alloc(64, 0xff),
      'a line that is no request': 'hello there\r\n\r\n',
      'an HTTP/0.9 request': `GET ${path}\r\n\r\n`,
      'an HTTP/2 preface': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'lines that end in LF only': `GET ${path} HTTP/1.1\nHost: localhost\n\n`,
      'a NUL in the request line': `GET ${path}\0 HTTP/1.1\r\n${host}\r\n`,
      'a NUL in a header': request('GET', path, 'X: a\0b\r\n'),
      'a space in the name of a header': request('GET', path, 'X y: z\r\n'),
      'a header without a colon': request('GET', path, 'nonsense\r\n'),
      'no Host header': `GET ${path} HTTP/1.1\r\n\r\n`,
    }),
    ...bad(to, 505, { 'HTTP/1.0': `GET ${path} HTTP/1.0\r\n${host}\r\n` }),
    ...bad(to, 431, {
      'a request line beyond the limit': get(`/${'x'.repeat(20_000)}`),
      'headers beyond the limit': request('GET', path, 'X: y\r\n'.repeat(1500)),
      'a header beyond the limit, not ended': `GET ${path} HTTP/1.1\r\nX: ${'y'.repeat(100_000)}`,
    }),
    ...bad(to, 501, {
      'an unknown method': request('BREW', path),
      'an unknown method on an unknown path': request('BREW', '/nowhere'),
      'a method in small letters': request('brew', path),
    }),
    ...bad(to, 404, { 'an unknown path': get('/nowhere/to/be/found') }),
    ...bad(to, 405, {
      'a known method that is not for this path': request('PUT', path, 'Content-Length: 0\r\n'),
    }),
  ];
}

const brokenBodies = bad('api', 400, {
  'a negative Content-Length': request('POST', '/send/a', 'Content-Length: -3\r\n', 'abc'),
  'a Content-Length that is no number': request('POST', '/send/a', 'Content-Length: many\r\n', 'abc'),
  'a Content-Length beyond all numbers': request(
    'POST',
    '/send/a',
    `Content-Length: ${'9'.repeat(30)}\r\n`,
    'a',
  ),
  'both a Content-Length and chunks': request(
    'POST',
    '/send/a',
    'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n',
    '3\r\nabc\r\n0\r\n\r\n',
  ),
  'a chunk size that is no number': request(
    'POST',
    '/send/a',
    'Transfer-Encoding: chunked\r\n',
    'zz\r\nabc\r\n',
  ),
  'a chunk size beyond all numbers': request(
    'POST',
    '/send/a',
    'Transfer-Encoding: chunked\r\n',
    `${'f'.repeat(20)}\r\nabc\r\n`,
  ),
});

const tooLarge = bad('api', 413, {
  'a message over the limit, by its length': post('/send/a', 'x'.repeat(65_537)),
  'a message over the limit, in chunks': postChunked('/send/a', Array(17).fill('x'.repeat(4096))),
  'a message over the limit in one chunk': postChunked('/send/a', ['x'.repeat(65_537)]),
  'a batch over the limit': post('/send', '\n'.repeat(4 * 1024 * 1024 + 1)),
});

export const badRequests: readonly BadRequest[] = [
  ...inPath,
  ...inStreamPath,
  ...inQuery,
  ...toApi,
  ...broken('gateway', '/test/a'),
  ...broken('api', '/stats'),
  ...brokenBodies,
  ...tooLarge,
];
