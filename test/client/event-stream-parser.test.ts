import t from 'tap';
import { EventStreamParser, type ServerSentEvent } from '../../client/event-stream-parser.js';

interface Read {
  readonly events: ServerSentEvent[];
  readonly retries: number[];
  readonly lastEventId: string;
}

/** @param cuts where the bytes are split */
function read(bytes: Uint8Array, cuts: readonly number[] = []): Read {
  const events: ServerSentEvent[] = [];
  const retries: number[] = [];
  const parser = new EventStreamParser({
    onEvent: (event) => events.push(event),
    onRetry: (delayMs) => retries.push(delayMs),
  });
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    parser.push(bytes.subarray(from, cut));
    from = cut;
  }
  return { events, retries, lastEventId: parser.lastEventId };
}

function readText(text: string): Read {
  return read(new TextEncoder().encode(text));
}

const message = (data: string, lastEventId = '', type = 'message') => ({ type, data, lastEventId });

t.test('the examples of the standard', async (t) => {
  t.same(readText('data: YHOO\ndata: +2\ndata: 10\n\n').events, [message('YHOO\n+2\n10')]);
  const four = readText(
    ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third\n\n',
  );
  t.same(four.events, [message('first event', '1'), message('second event'), message(' third')]);
  t.same(readText('data\n\ndata\ndata\n\ndata:').events, [message(''), message('\n')]);
  t.same(readText('data:test\n\ndata: test\n\n').events, [message('test'), message('test')]);
  t.same(readText('event: add\ndata: 7\n\nevent: remove\ndata: 8\n\ndata: 9\n\n').events, [
    message('7', '', 'add'),
    message('8', '', 'remove'),
    message('9'),
  ]);
});

const whole =
  '\ufeff: hello\r\nretry: 1500\rid: é:1\n\nevent: lost\r\ndata: {"lost":3}\r\n\r\ndata: Grüße 🚀\rdata:\rdata: \n\r\n' +
  'id: 2\rdata: x\r\r\n\nid: bad\0\ndata: y\n\nretry: 1x\nretry:\nretry: 20\n\ndata: never ended\n';

t.test('wherever the bytes are split, the same comes of them', async (t) => {
  const bytes = new TextEncoder().encode(whole);
  const expected: Read = {
    events: [
      message('{"lost":3}', 'é:1', 'lost'),
      message('Grüße 🚀\n\n', 'é:1'),
      message('x', '2'),
      message('y', '2'),
    ],
    retries: [1500, 20],
    lastEventId: '2',
  };
  t.same(read(bytes), expected, 'in one piece');
  t.same(read(bytes, [...bytes.keys()]), expected, 'byte by byte');
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second += 7) {
      const got = read(bytes, [first, second]);
      if (JSON.stringify(got) !== JSON.stringify(expected))
        t.same(got, expected, `split at ${first}, ${second}`);
    }
  }
});

t.test('CR, LF and CRLF end a line, and any two of them end an event', async (t) => {
  for (const end of ['\n', '\r', '\r\n'])
    t.same(
      readText(`id: 1${end}data: a${end}data: b${end}${end}`).events,
      [message('a\nb', '1')],
      JSON.stringify(end),
    );
  t.same(readText('data: a\n\r\n').events.length, 1);
  t.same(readText('data: a\r\n\n').events.length, 1);
  t.same(readText('data: a\r\n').events.length, 0, 'CRLF is one end, not two');
});

t.test('an event is given as soon as its last line end has begun', async (t) => {
  t.same(readText('data: a\r\r').events, [message('a')], 'without a wait for what could be an LF');
});

t.test('only the first byte order mark is none of the stream', async (t) => {
  t.same(readText('\ufeffdata: \ufeffa\n\n').events, [message('\ufeffa')]);
  t.same(readText('\ufeff\ufeffdata: a\n\n').events, [], 'the second is part of an unknown field name');
});

t.test(
  'ids: kept without data and over events, replaced, ignored with a NULL, dropped by an empty one',
  async (t) => {
    t.same(readText('id: 7\n\n'), { events: [], retries: [], lastEventId: '7' });
    t.same(readText('id: 7\n\ndata: a\n\n').events, [message('a', '7')]);
    t.equal(readText('id: 7\n\nid: 8\n').lastEventId, '7', 'not before its event is complete');
    t.same(readText('id: 7\n\nid: 8\0\ndata: a\n\n').events, [message('a', '7')]);
    t.same(readText('id: 7\n\nid\ndata: a\n\n').events, [message('a')]);
  },
);

t.test('retry is digits alone; unknown fields and names in other cases are ignored', async (t) => {
  t.same(readText('retry: 10\nretry: -1\nretry: 1.5\nretry: 1e3\nretry:  5\nretry:0\n').retries, [10, 0]);
  t.same(readText('Data: a\nEVENT: b\n data: c\nfoo: d\n\n').events, []);
});

t.test('a type without data is no event, and does not stay for the next one', async (t) => {
  t.same(readText('event: a\n\ndata: b\n\n').events, [message('b')]);
});

t.test('bytes that are not UTF-8 become U+FFFD and end nothing', async (t) => {
  const bytes = new Uint8Array([...Buffer.from('data: '), 0xff, 0xc3, ...Buffer.from('\n\n')]);
  t.same(read(bytes, [...bytes.keys()]).events, [message('\ufffd\ufffd')]);
});
