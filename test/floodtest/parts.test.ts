/** The parts of floodtest by themselves: accounts against a plain model, responses cut at every place, the plan. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import t from 'tap';
import { FloodProcess } from '../../floodtest/flood-process.js';
import {
  CONNECTIONS_PER_ADDRESS,
  connectionsOf,
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
    const { arrivals, lost, duplicated, outOfOrder } = disturbed(random, 200);
    for (const seq of arrivals) accounts.record(2, { publisher: 1, seq, sentAtUs: 0 }, 0, 0);
    const { lost: l, duplicated: d, outOfOrder: o } = accounts;
    if (l !== lost || d !== duplicated || o !== outOfOrder) {
      t.same({ l, d, o }, { l: lost, d: duplicated, o: outOfOrder }, `seed ${seed}`);
    }
  }
});

t.test('gaps of any width around the window of 32', async (t) => {
  for (const gap of [1, 2, 31, 32, 33, 34, 64, 1000]) {
    const accounts = new StampAccounts(1);
    const see = (seq: number) => accounts.record(0, { publisher: 1, seq, sentAtUs: 0 }, 0, 0);
    see(100);
    see(100 + gap);
    t.equal(accounts.lost, gap - 1, `${gap}`);
    see(100 + gap);
    t.equal(accounts.duplicated, 1);
    if (gap <= 32) see(100);
    t.equal(accounts.duplicated, gap <= 32 ? 2 : 1, `the one before a gap of ${gap} is known`);
    see(100 + gap - 1);
    const wasMissing = gap > 1;
    t.match(
      accounts,
      { lost: wasMissing ? gap - 2 : 0, outOfOrder: wasMissing ? 1 : 0 },
      `${gap}, then a late one`,
    );
  }
});

t.test('a message older than the first one seen opens the account earlier', async (t) => {
  const accounts = new StampAccounts(1);
  for (const seq of [10, 7, 8]) accounts.record(0, { publisher: 1, seq, sentAtUs: 0 }, 0, 0);
  t.match(accounts, { lost: 1, outOfOrder: 2, duplicated: 0 });
});

t.test('publishers past the limit are counted, not accounted for', async (t) => {
  const accounts = new StampAccounts(1);
  for (let publisher = 0; publisher < PUBLISHERS_LIMIT + 3; publisher++) {
    accounts.record(0, { publisher, seq: 1, sentAtUs: 0 }, 0, 0);
  }
  t.equal(accounts.unaccounted, 3);
  t.equal([...accounts.publishers].length, PUBLISHERS_LIMIT);
});

class Heard implements TransportEvents {
  readonly texts: string[] = [];
  chunks = 0;
  readonly said: string[] = [];

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

for (const [name, pieces, chunks, texts] of [
  ['http-chunked', PAGE, 3, ['ä&lt;b', '', 'c']],
  ['ndjson', LINES, 3, ['ä<b","time":1}', '","time":2}', 'c","time":3}']],
] as [TransportName, string[], number, string[]][]) {
  t.test(`${name} is read the same however the bytes are cut`, async (t) => {
    for (const lateCrlf of [false, true]) {
      const response = responseOf(pieces, lateCrlf);
      for (let size = 1; size <= response.length; size++) {
        const heard = new Heard();
        const transport = TRANSPORTS[name](heard, 'x', 2);
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
    const transport = TRANSPORTS[name](heard, 'x', 3);
    const receive = (connection: number, text: string) =>
      transport.receive(connection, Buffer.from(text), text.length);
    receive(0, 'HTTP/1.1 200 OK\r\ntransfer-encoding:chunked\r\n\r\n2\r\n\n\n\r\n0\r\n\r\n');
    receive(1, 'HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\nno');
    receive(2, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno');
    t.same(heard.said, ['logged in', 'ended', 'HTTP 429', 'HTTP 200 without chunks']);
  });
}

t.test('what is no chunked body ends the stream instead of being guessed at', async (t) => {
  const heard = new Heard();
  const transport = TRANSPORTS['http-chunked'](heard, 'x', 1);
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
    address: '127.0.0.1',
    port: 1,
    host: 'x',
    transport: 'ndjson',
    ids: 1,
    idPrefix: '',
    sourceAddresses: [],
    sourcePortOffset: 0,
    answerTimeoutMs: 30_000,
    ...over,
  };
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
    share({ connections: 2, port, ratePerSec: 1000, sourceAddresses: ['127.0.0.2'] }),
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
  const process = new FloodProcess(share({ connections: 3, port, ratePerSec: 1000, answerTimeoutMs: 50 }));
  t.teardown(() => gateway.close());
  process.start();
  await until('all have failed', () => process.report().counts.failed === 3);
  t.match(process.report(), {
    counts: { connected: 0, closed: 0, tried: 3 },
    failures: { 'no answer in 0.05 s': 3 },
  });
});
