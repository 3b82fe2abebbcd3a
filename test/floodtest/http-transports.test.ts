import t, { type Test } from 'tap';
import type { TransportEvents } from '../../floodtest/transport/transport.js';
import { TRANSPORTS, type TransportName } from '../../floodtest/transport/transports.js';
import { share } from './share.js';

/** Responses of each HTTP transport, cut at every place. */

class Heard implements TransportEvents {
  readonly texts: string[] = [];
  chunks = 0;
  readonly said: string[] = [];
  readonly written: string[] = [];

  loggedIn(): void {
    this.said.push('logged in');
  }

  refused(_connection: number, reason: string): void {
    this.said.push(reason);
  }

  ended(_connection: number, reason = 'ended'): void {
    this.said.push(reason);
  }

  chunk(): void {
    this.chunks++;
  }

  message(_connection: number, bytes: Buffer, start: number, end: number): void {
    this.texts.push(bytes.toString('utf8', start, end));
  }

  recovered(_connection: number, recovered: boolean): void {
    this.said.push(recovered ? 'recovered' : 'not recovered');
  }

  resubscribing(): void {}

  resubscribed(): void {}

  write(_connection: number, bytes: Buffer): void {
    this.written.push(bytes.toString('latin1').split('\r\n')[0]!);
  }
}

/** `lateCrlf`: a chunk's closing CRLF goes with the next one, as uWebSockets.js does it. */
function responseOf(pieces: string[], lateCrlf: boolean): Buffer {
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n';
  const chunks = pieces.map((piece) => `${Buffer.byteLength(piece).toString(16)}\r\n${piece}`);
  return Buffer.from(head + chunks.join('\r\n') + (lateCrlf ? '' : '\r\n'));
}

const PAGE = [
  "<h1>'Hello'</h1>",
  '\n',
  "Recvd msg #1: 'ä&lt;b'<br/>",
  '\n',
  "\nRecvd msg #2: ''<br/>Recvd msg #3: 'c'<br/>\n",
];
const LINES = [
  '\n',
  '{"id":"1","data":"ä<b","time":1}\n',
  '\n{"id":"1","data":"',
  '","time":2}\n{"id":"1","data":"c","time":3}\n',
];

const EVENTS = [
  'retry: 1000\nevent: cursor\nid: e:0\ndata: {"cursor":"e:0"}\n\n',
  ':\n',
  'id: e:1\ndata: ä<b\n',
  '\n',
  '\nid: e:2\r\ndata: \r\n\r\n:\nid: e:3\ndata:c',
  '\ndata: d\n\nevent: lost\ndata: {"lost":3}\n\n',
];

for (const [name, pieces, chunks, texts] of [
  ['http-chunked', PAGE, 3, ['ä&lt;b', '', 'c']],
  ['ndjson', LINES, 3, ['ä<b","time":1}', '","time":2}', 'c","time":3}']],
  ['sse', EVENTS, 3, ['ä<b', '', 'c\ndata: d']],
] as [TransportName, string[], number, string[]][]) {
  t.test(`${name} is read the same however the bytes are cut`, async (t) => {
    for (const lateCrlf of [false, true]) {
      const response = responseOf(pieces, lateCrlf);
      for (let size = 1; size <= response.length; size++) {
        const heard = new Heard();
        const transport = TRANSPORTS[name](heard, share({ connections: 2 }));
        // All reads share one buffer, as in the real thing: what a transport keeps it has to copy.
        const buffer = Buffer.alloc(response.length);
        for (let at = 0; at < response.length; at += size) {
          transport.receive(1, buffer, response.copy(buffer, 0, at, Math.min(at + size, response.length)));
        }
        if (heard.chunks !== chunks || heard.texts.join('|') !== texts.join('|') || heard.said.length !== 1) {
          t.same(
            heard,
            { chunks, texts, said: ['logged in'] },
            `cut every ${size} bytes, late CRLF ${lateCrlf}`,
          );
        }
      }
    }
  });

  t.test(`${name} hears the end of a stream, and refusals`, async (t) => {
    const heard = new Heard();
    const transport = TRANSPORTS[name](heard, share({ connections: 3 }));
    const receive = (connection: number, text: string) =>
      transport.receive(connection, Buffer.from(text), text.length);
    receive(0, 'HTTP/1.1 200 OK\r\ntransfer-encoding:chunked\r\n\r\n2\r\n\n\n\r\n0\r\n\r\n');
    receive(1, 'HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\nno');
    receive(2, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno');
    t.same(heard.said, ['logged in', 'ended', 'HTTP 429', 'HTTP 200 without chunks']);
  });
}

const NOTHING_YET = 'HTTP/1.1 204 No Content\r\nEncke-Cursor: e:7\r\nEncke-Recovered: true\r\n\r\n';
const POLL_BODY =
  '{"cursor":"e:9","recovered":true,"more":false,"messages":[{"id":"1","data":"ä\\"b\\\\","time":1},{"id":"1","data":"","time":2}]}';
const TWO_MESSAGES = `HTTP/1.1 200 OK\r\nencke-cursor: e:9\r\nencke-recovered: false\r\nContent-Length: ${Buffer.byteLength(POLL_BODY)}\r\n\r\n${POLL_BODY}`;

/** As a proxy makes of it that takes the Content-Length away. */
const IN_CHUNKS = (() => {
  const body = Buffer.from(POLL_BODY);
  const [first, rest] = [body.subarray(0, 50), body.subarray(50)].map((part) => part.toString('latin1'));
  const chunks = `32\r\n${first}\r\n${rest!.length.toString(16)};x="y"\r\n${rest}\r\n0\r\nTrailer: t\r\n\r\n`;
  const head =
    'HTTP/1.1 200 OK\r\nencke-cursor: e:9\r\nencke-recovered: false\r\nTransfer-Encoding: chunked\r\n\r\n';
  return Buffer.from(head + chunks, 'latin1');
})();

for (const [how, answer] of [
  ['', Buffer.from(TWO_MESSAGES)],
  [' in chunks', IN_CHUNKS],
] as const)
  t.test(`long-poll${how} is read the same however the bytes are cut, and polls on behind the cursor`, (t) =>
    readPolls(t, answer),
  );

async function readPolls(t: Test, answer: Buffer): Promise<void> {
  const answers = Buffer.concat([Buffer.from(NOTHING_YET), answer, Buffer.from(NOTHING_YET)]);
  for (let size = 1; size <= answers.length; size++) {
    const heard = new Heard();
    const transport = TRANSPORTS['long-poll'](heard, share({ connections: 2, idPrefix: 'a b/' }));
    if (size === 1) t.match(transport.opening(1), /^GET \/poll\/a%20b\/1\?timeout=0 HTTP\/1\.1\r\n/);
    const buffer = Buffer.alloc(answers.length);
    for (let at = 0; at < answers.length; at += size) {
      transport.receive(1, buffer, answers.copy(buffer, 0, at, Math.min(at + size, answers.length)));
    }
    const { texts, said, chunks, written } = heard;
    const expected = {
      texts: ['ä\\"b\\\\', ''],
      said: ['logged in', 'recovered', 'not recovered', 'recovered'],
      chunks: 1,
      written: ['7', '9', '7'].map((n) => `GET /poll/a%20b/1?cursor=e%3A${n}&timeout=25 HTTP/1.1`),
    };
    if (!t.same({ texts, said, chunks, written }, expected, `cut every ${size} bytes`)) break;
    transport.forget(1);
    if (size === 1) t.match(transport.opening(1), /^GET \/poll\/a%20b\/1\?cursor=e%3A7&timeout=0 /);
  }
}

t.test('long-poll hears refusals, and answers it cannot read', async (t) => {
  const heard = new Heard();
  const transport = TRANSPORTS['long-poll'](heard, share({ connections: 4 }));
  const receive = (connection: number, text: string) =>
    transport.receive(connection, Buffer.from(text), text.length);
  receive(0, 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno');
  receive(1, 'HTTP/1.1 200 OK\r\n\r\n');
  receive(2, NOTHING_YET);
  receive(2, 'HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno');
  receive(3, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n');
  t.same(heard.said, [
    'HTTP 503',
    'HTTP 200 without Content-Length',
    'logged in',
    'recovered',
    'HTTP 400',
    'broken chunks: the data of a chunk goes on behind its size',
  ]);
});

/** The body of a transport as one text, cut into chunks of a size, which need not be the server's. */
function chunksOf(body: string, sizeBytes: number): Buffer {
  const bytes = Buffer.from(body);
  const parts: Buffer[] = [
    Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: proxy\r\n\r\n'),
  ];
  for (let at = 0; at < bytes.length; at += sizeBytes) {
    const data = bytes.subarray(at, at + sizeBytes);
    parts.push(Buffer.from(`${data.length.toString(16)};x=1\r\n`), data, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

for (const [name, pieces, texts] of [
  ['http-chunked', PAGE, ['ä&lt;b', '', 'c']],
  ['ndjson', LINES, ['ä<b","time":1}', '","time":2}', 'c","time":3}']],
  ['sse', EVENTS, ['ä<b', '', 'c\ndata: d']],
] as [TransportName, string[], string[]][]) {
  t.test(`${name}: a proxy may cut chunks anew, and every message is still one message`, async (t) => {
    const body = pieces.join('');
    for (let chunkSize = 1; chunkSize <= Buffer.byteLength(body); chunkSize++) {
      const response = chunksOf(body, chunkSize);
      for (const readSize of [1, 7, 100, response.length]) {
        const heard = new Heard();
        const transport = TRANSPORTS[name](heard, share({ connections: 1 }));
        const buffer = Buffer.alloc(response.length);
        for (let at = 0; at < response.length; at += readSize) {
          transport.receive(
            0,
            buffer,
            response.copy(buffer, 0, at, Math.min(at + readSize, response.length)),
          );
        }
        if (heard.texts.join('|') !== texts.join('|') || heard.said.join() !== 'logged in') {
          t.same(heard, { texts, said: ['logged in'] }, `chunks of ${chunkSize}, reads of ${readSize}`);
        }
      }
    }
  });
}

t.test('http-chunked: a message is taken as soon as it is there, though its chunk goes on', async (t) => {
  const heard = new Heard();
  const transport = TRANSPORTS['http-chunked'](heard, share({ connections: 1 }));
  const receive = (text: string) => transport.receive(0, Buffer.from(text), text.length);
  receive(
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\nHello<br/>Recvd msg #1: 'a'<br/>Recvd",
  );
  t.same(heard.texts, ['a']);
  receive(" msg #2: '<span>b\nc</span>'<br/>");
  t.same(heard.texts, ['a', '<span>b\nc</span>']);
  t.equal(heard.chunks, 1);
});

t.test('http-chunked: what only looks like a message is none', async (t) => {
  const heard = new Heard();
  const transport = TRANSPORTS['http-chunked'](heard, share({ connections: 1 }));
  const body =
    "Recvd msg #x: 'no'<br/>Recvd msg #: 'no'<br/>Recvd msg #1 'no'<br/>Recvd msg #Recvd msg #2: 'yes'<br/>";
  const response = chunksOf(body, 5);
  transport.receive(0, response, response.length);
  t.same(heard.texts, ['yes']);
});

const EARLY_HINTS = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n';

for (const transportName of ['http-chunked', 'ndjson', 'sse', 'long-poll'] as const) {
  t.test(`${transportName} passes over 100 and 103 before the response`, async (t) => {
    const response =
      transportName === 'long-poll'
        ? NOTHING_YET
        : 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n';
    const bytes = Buffer.from(`HTTP/1.1 100 Continue\r\n\r\n${EARLY_HINTS}${response}`);
    for (let size = 1; size <= bytes.length; size++) {
      const heard = new Heard();
      const transport = TRANSPORTS[transportName](heard, share({ connections: 1 }));
      for (let at = 0; at < bytes.length; at += size) {
        const part = Buffer.from(bytes.subarray(at, at + size));
        transport.receive(0, part, part.length);
      }
      if (heard.said[0] !== 'logged in') t.equal(heard.said[0], 'logged in', `reads of ${size}`);
    }
  });

  t.test(`${transportName} refuses what is no HTTP, and heads without end`, async (t) => {
    for (const [bytes, reason] of [
      ['SSH-2.0-OpenSSH_9.2p1\r\n', 'no HTTP response'],
      ['HTTP/2 200\r\n\r\n', 'no HTTP response'],
      [`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}`, 'a head of more than 64 KB'],
      ['HTTP/1.1 101 Switching Protocols\r\n\r\n', transportName === 'long-poll' ? /101/ : 'HTTP 101'],
    ] as const) {
      const heard = new Heard();
      const transport = TRANSPORTS[transportName](heard, share({ connections: 1 }));
      transport.receive(0, Buffer.from(bytes), bytes.length);
      t.match(heard.said, [reason]);
    }
  });
}

t.test('chunks that are broken end the stream at once, with the name of what is broken', async (t) => {
  for (const [body, what] of [
    ['zz\r\n', 'no size where a chunk begins'],
    ['zz', 'no size where a chunk begins'],
    ['\r\n', 'no size where a chunk begins'],
    ['-5\r\nhello\r\n', 'no size where a chunk begins'],
    ['5x', 'no size where a chunk begins'],
    ['5\nhello\r\n', 'no size where a chunk begins'],
    ['5 \nhello\r\n', "a chunk's size line ends without CR"],
    ['fffffffff', 'a chunk of 4 GB or more'],
    [`5;${'x'.repeat(20_000)}`, "a chunk's size line of more than 16 KB"],
    ['2\r\nhello\r\n', 'the data of a chunk goes on behind its size'],
    ['5\r\nhello\rx', 'the data of a chunk goes on behind its size'],
    ['1\r\n\nX', 'the data of a chunk goes on behind its size'],
  ] as const) {
    for (const size of [1, 1000, 100_000]) {
      const heard = new Heard();
      const transport = TRANSPORTS['http-chunked'](heard, share({ connections: 1 }));
      const response = Buffer.from(
        `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}${'\r\nmore\r\n'.repeat(2)}`,
      );
      for (let at = 0; at < response.length; at += size) {
        const part = Buffer.from(response.subarray(at, at + size));
        transport.receive(0, part, part.length);
      }
      t.same(
        heard.said,
        ['logged in', `broken chunks: ${what}`],
        `${JSON.stringify(body.slice(0, 20))} in reads of ${size}`,
      );
    }
  }
});
