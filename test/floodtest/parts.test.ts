/** The parts of floodtest by themselves: accounts against a plain model, responses cut at every place, the plan. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import t from 'tap';
import { noTally } from '../../floodtest/counts.js';
import { FloodProcess } from '../../floodtest/flood-process.js';
import { lifeMs, type MqttPlan, QOS_0_ONLY, qosOf } from '../../floodtest/mqtt-plan.js';
import {
  CONNECTIONS_PER_ADDRESS,
  connectionsOf,
  type Gateway,
  placeOf,
  processesFor,
  type Share,
  SOURCE_PORT_FIRST,
  sourceAddresses,
  sourceAddressesFor,
  sourceOf,
} from '../../floodtest/plan.js';
import { PUBLISHERS_LIMIT, StampAccounts } from '../../floodtest/stamp-accounts.js';
import type { TransportEvents } from '../../floodtest/transport/transport.js';
import { TRANSPORTS, type TransportName } from '../../floodtest/transport/transports.js';
import { Random } from '../../msggen/random.js';
import { until } from '../until.js';
import { FaultyGateway } from './faulty-gateway.js';

/** Delivers 1..n with losses, doubles and reordering within 20, and counts what it does. */
function disturbed(random: Random, n: number) {
  const kept: number[] = [];
  for (let seq = 1; seq <= n; seq++) if (seq === 1 || seq === n || random.below(10) > 0) kept.push(seq);
  const order = kept
    .map((seq) => ({
      seq,
      place: seq + (seq > 1 && seq < n && random.below(5) === 0 ? random.below(20) : 0),
    }))
    .sort((a, b) => a.place - b.place || a.seq - b.seq)
    .map(({ seq }) => seq);
  let outOfOrder = 0;
  let highest = 0;
  const arrivals: number[] = [];
  for (const seq of order) {
    if (seq < highest) outOfOrder++;
    highest = Math.max(highest, seq);
    arrivals.push(seq);
    if (random.below(10) === 0) arrivals.push(seq);
  }
  return { arrivals, lost: n - kept.length, duplicated: arrivals.length - kept.length, outOfOrder };
}

t.test('losses, doubles and late messages come out exactly, whatever the order', async (t) => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed);
    const accounts = new StampAccounts(3);
    const tally = noTally();
    const { arrivals, lost, duplicated, outOfOrder } = disturbed(random, 200);
    for (const seq of arrivals) accounts.record(tally, 2, { publisher: 1, seq, sentAtUs: 0 }, false, 0, 0);
    const { lost: l, duplicated: d, outOfOrder: o } = tally;
    if (l !== lost || d !== duplicated || o !== outOfOrder) {
      t.same({ l, d, o }, { l: lost, d: duplicated, o: outOfOrder }, `seed ${seed}`);
    }
  }
});

t.test('gaps of any width around the window of 32', async (t) => {
  for (const gap of [1, 2, 31, 32, 33, 34, 64, 1000]) {
    const accounts = new StampAccounts(1);
    const tally = noTally();
    const see = (seq: number) => accounts.record(tally, 0, { publisher: 1, seq, sentAtUs: 0 }, false, 0, 0);
    see(100);
    see(100 + gap);
    t.equal(tally.lost, gap - 1, `${gap}`);
    see(100 + gap);
    t.equal(tally.duplicated, 1);
    if (gap <= 32) see(100);
    t.equal(tally.duplicated, gap <= 32 ? 2 : 1, `the one before a gap of ${gap} is known`);
    see(100 + gap - 1);
    const wasMissing = gap > 1;
    t.match(
      tally,
      { lost: wasMissing ? gap - 2 : 0, outOfOrder: wasMissing ? 1 : 0 },
      `${gap}, then a late one`,
    );
  }
});

t.test('a message older than the first one seen opens the account earlier', async (t) => {
  const accounts = new StampAccounts(1);
  const tally = noTally();
  for (const seq of [10, 7, 8]) accounts.record(tally, 0, { publisher: 1, seq, sentAtUs: 0 }, false, 0, 0);
  t.match(tally, { lost: 1, outOfOrder: 2, duplicated: 0 });
});

t.test(
  'what comes again with DUP is redelivered; what comes for the first time with DUP is not',
  async (t) => {
    const accounts = new StampAccounts(1);
    const tally = noTally();
    for (const [seq, dup] of [
      [1, false],
      [3, false],
      [2, true],
      [3, true],
      [3, false],
      [4, true],
    ] as const) {
      accounts.record(tally, 0, { publisher: 1, seq, sentAtUs: 0 }, dup, 0, 0);
    }
    t.match(tally, { lost: 0, outOfOrder: 1, redelivered: 1, duplicated: 1 });
  },
);

t.test('at the end what is missing of what was published is lost', async (t) => {
  const nowUs = 1_800_000_000_000_000;
  const publisher = ((Math.floor(nowUs / 1e6) % 65_536) << 16) >>> 0;
  const lostAfter = (seqs: number[], lastSeq: number, loggedInUs: number) => {
    const accounts = new StampAccounts(1);
    const tally = noTally();
    for (const seq of seqs)
      accounts.record(tally, 0, { publisher, seq, sentAtUs: 0 }, false, loggedInUs, nowUs);
    accounts.settle(tally, 0, publisher, lastSeq, loggedInUs, nowUs);
    return tally.lost;
  };
  const before = nowUs - 5e6;
  t.equal(lostAfter([1, 2, 3], 3, before), 0);
  t.equal(lostAfter([1, 2, 3], 5, before), 2, 'the last two');
  t.equal(lostAfter([], 5, before), 5, 'all of them');
  t.equal(lostAfter([], 5, nowUs), 0, 'unknown how many it should have had');
  t.equal(lostAfter([4], 5, nowUs), 1, 'what came after the first one it had');
});

t.test('who begins anew has lost nothing in between', async (t) => {
  const accounts = new StampAccounts(2);
  const tally = noTally();
  const see = (connection: number, seq: number) =>
    accounts.record(tally, connection, { publisher: 1, seq, sentAtUs: 0 }, false, 0, 0);
  for (const connection of [0, 1]) see(connection, 7);
  accounts.restart(0);
  see(0, 10);
  t.equal(tally.lost, 0);
  see(1, 10);
  t.equal(tally.lost, 2, 'the other one has');
});

t.test('publishers past the limit are counted, not accounted for', async (t) => {
  const accounts = new StampAccounts(1);
  const tally = noTally();
  for (let publisher = 0; publisher < PUBLISHERS_LIMIT + 3; publisher++) {
    accounts.record(tally, 0, { publisher, seq: 1, sentAtUs: 0 }, false, 0, 0);
  }
  t.equal(tally.unaccounted, 3);
  t.equal([...accounts.publishers].length, PUBLISHERS_LIMIT);
});

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

  ended(): void {
    this.said.push('ended');
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
  'retry: 1000\nid: e:0\n\n',
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

t.test('long-poll is read the same however the bytes are cut, and polls on behind the cursor', async (t) => {
  const answers = Buffer.from(NOTHING_YET + TWO_MESSAGES + NOTHING_YET);
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
});

t.test('long-poll hears refusals, and answers it cannot read', async (t) => {
  const heard = new Heard();
  const transport = TRANSPORTS['long-poll'](heard, share({ connections: 3 }));
  const receive = (connection: number, text: string) =>
    transport.receive(connection, Buffer.from(text), text.length);
  receive(0, 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno');
  receive(1, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n');
  receive(2, NOTHING_YET);
  receive(2, 'HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno');
  t.same(heard.said, ['HTTP 503', 'HTTP 200 without Content-Length', 'logged in', 'recovered', 'ended']);
});

t.test('what is no chunked body ends the stream instead of being guessed at', async (t) => {
  const heard = new Heard();
  const transport = TRANSPORTS['http-chunked'](heard, share({ connections: 1 }));
  const response = Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n');
  transport.receive(0, response, response.length);
  t.same(heard.said, ['logged in', 'ended']);
});

function share(over: Partial<Share>): Share {
  return {
    index: 0,
    processes: 1,
    connections: 10,
    ratePerSec: 1,
    gateways: [gatewayAt(1)],
    transport: 'ndjson',
    ids: 1,
    idPrefix: '',
    sourceAddresses: [],
    sourcePortOffset: 0,
    answerTimeoutMs: 30_000,
    cut: undefined,
    mqtt: MQTT,
    ...over,
  };
}

const MQTT: MqttPlan = {
  qosShares: QOS_0_ONLY,
  cleanSession: true,
  keepAliveSec: 300,
  clientIdPrefix: '',
  username: undefined,
  password: undefined,
  filter: '{n}',
  everything: undefined,
  lives: undefined,
  devices: undefined,
};

function gatewayAt(port: number): Gateway {
  return { address: '127.0.0.1', port, host: 'x', mqttPath: '/mqtt' };
}

t.test('the shares of the processes add up', async (t) => {
  for (const [connections, processes] of [
    [10, 3],
    [9, 3],
    [1, 1],
    [100_001, 6],
  ] as const) {
    let sum = 0;
    for (let index = 0; index < processes; index++)
      sum += connectionsOf(share({ index, processes, connections }));
    t.equal(sum, connections);
  }
});

t.test('a device and the subscriber to its topics are at the same gateway', async (t) => {
  const devices = { count: 5, ratePerSec: 1, topic: 'd{n}/{m}', topicsEach: 1, sizeBytes: 1 };
  const gateways = [gatewayAt(1), gatewayAt(2)];
  const plan = share({
    connections: 2 + 7 + 5,
    gateways,
    ids: 5,
    mqtt: { ...MQTT, everything: 0, devices },
  });
  const places = Array.from({ length: 14 }, (_, number) => {
    const place = placeOf(plan, number);
    return `${place.role} ${place.number} at ${place.gateway.port}`;
  });
  t.same(places.slice(0, 2), ['everything 0 at 1', 'everything 1 at 2']);
  t.same(places.slice(9), [
    'device 0 at 1',
    'device 1 at 2',
    'device 2 at 1',
    'device 3 at 2',
    'device 4 at 1',
  ]);
  t.same(
    places
      .slice(2, 9)
      .map((place) => place.slice(-1))
      .join(''),
    '1212112',
    'subscriber 5 is with device 0',
  );
});

t.test('shares of QoS come out exactly, over any row of numbers', async (t) => {
  for (const [shares, of100] of [
    [
      [1, 0, 0],
      [100, 0, 0],
    ],
    [
      [0, 0, 1],
      [0, 0, 100],
    ],
    [
      [0.8, 0.2, 0],
      [80, 20, 0],
    ],
    [
      [0.5, 0.3, 0.2],
      [50, 30, 20],
    ],
    [
      [0.33, 0.33, 0.34],
      [33, 33, 34],
    ],
  ] as [[number, number, number], number[]][]) {
    const counts = [0, 0, 0];
    for (let number = 0; number < 100; number++) counts[qosOf(shares, number)]!++;
    t.same(counts, of100);
  }
});

t.test('the share of the short-lived comes out exactly, spread over all', async (t) => {
  const lives = { share: 0.05, minMs: 10, maxMs: 20 };
  const chosen = Array.from({ length: 1000 }, (_, number) => lifeMs(lives, number, 1000));
  const ms = chosen.filter((life) => life !== undefined);
  t.equal(ms.length, 50);
  t.ok(ms.every((life) => life >= 10 && life <= 20));
  t.ok(new Set(ms).size > 40, 'each lives as long as it likes');
  const firstHalf = chosen.slice(0, 500).filter((life) => life !== undefined).length;
  t.ok(firstHalf > 10 && firstHalf < 40, `${firstHalf} in the first half`);
  t.equal(lifeMs(undefined, 1, 1000), undefined);
});

t.test('processes and source addresses grow with the connections', async (t) => {
  t.equal(processesFor(1), 1);
  t.ok(processesFor(1_000_000) >= 56, 'at most 18,000 each');
  t.equal(sourceAddressesFor(1000), 0, 'the kernel chooses');
  t.equal(sourceAddressesFor(10_000), 1);
  t.equal(sourceAddressesFor(1_000_000), 50);
  t.same(sourceAddresses(2), ['127.0.0.2', '127.0.0.3']);
  t.equal(sourceAddresses(300).at(-1), '127.0.1.45');
  t.equal(new Set(sourceAddresses(1000)).size, 1000);
});

t.test('no two connections have the same source, and ports stay below those of the kernel', async (t) => {
  const connections = 2 * CONNECTIONS_PER_ADDRESS;
  const spread = share({ connections, sourceAddresses: sourceAddresses(2), sourcePortOffset: 22_000 });
  const sources = new Set<string>();
  for (let number = 0; number < connections; number++) {
    const { localAddress, localPort } = sourceOf(spread, number, 0)!;
    if (localPort < 10_000 || localPort > 32_767) t.fail(`port ${localPort}`);
    sources.add(`${localAddress}:${localPort}`);
  }
  t.equal(sources.size, connections);
  t.not(
    sourceOf(spread, 5, 1)!.localPort,
    sourceOf(spread, 5, 0)!.localPort,
    'the next attempt takes another',
  );
  t.equal(sourceOf(share({}), 5, 0), undefined);
});

t.test('a source port that somebody else has is passed over', async (t) => {
  const gateway = await new FaultyGateway().listen();
  const other = createServer().listen(SOURCE_PORT_FIRST, '127.0.0.2');
  await once(other, 'listening');
  const port = Number(new URL(gateway.url).port);
  const process = new FloodProcess(
    share({
      connections: 2,
      gateways: [gatewayAt(port)],
      ratePerSec: 1000,
      sourceAddresses: ['127.0.0.2'],
    }),
  );
  t.teardown(() => {
    process.close();
    other.close();
    gateway.close();
  });
  process.start();
  await until('both are connected', () => process.report().counts.connected === 2);
  t.match(process.report(), { counts: { failed: 0, tried: 2 }, failures: {} });
});

t.test('a connection that is never answered has failed after a while', async (t) => {
  const gateway = await new FaultyGateway().listen();
  gateway.mute = true;
  const port = Number(new URL(gateway.url).port);
  const process = new FloodProcess(
    share({ connections: 3, gateways: [gatewayAt(port)], ratePerSec: 1000, answerTimeoutMs: 50 }),
  );
  t.teardown(() => gateway.close());
  process.start();
  await until('all have failed', () => process.report().counts.failed === 3);
  t.match(process.report(), {
    counts: { connected: 0, closed: 0, tried: 3 },
    failures: { 'no answer in 0.05 s': 3 },
  });
});
