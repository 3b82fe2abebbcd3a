import t from 'tap';
import { resetSocket } from '../../../floodtest/reset-socket.js';
import { cursorAt, oneProcess, onTwoNodes } from '../../one-process.js';
import { until } from '../../until.js';
import { ask, batchOf, Wire } from '../raw-wire.js';
import { cursorNow, numbered, poll, pollAll, polledOf, publish, startQuietly } from './ask-poll.js';

const rules = ['--history-rules', 'private/# 0 0;# 100 60'];
const gateway = await startQuietly(rules);
t.teardown(() => gateway.kill());
const { port, apiPort } = gateway;

const oneTurn = oneProcess(
  'messages of one batch come to another node in as many turns as Redis brings them in',
);
const moving = oneProcess('the cursor of a quiet id moves with what is sent to others');
const pipelined = oneProcess(
  'behind a request that waits for another node, a second one closes the connection',
);

/** A poll that waits. */
async function wait(path: string, headers: Record<string, string> = {}): Promise<Wire> {
  const { opened } = (await gateway.stats()).connections;
  const wire = await Wire.open(port);
  wire.ask(`/${path}`, { headers });
  await until('it waits', async () => (await gateway.stats()).connections.opened > opened);
  return wire;
}

for (const count of [0, 1, 99, 100, 101, 250]) {
  t.test(`${count} messages between two polls`, async (t) => {
    const id = `count-${count}`;
    const cursor = await cursorNow(port, `/${id}`);
    const texts = numbered(count);
    if (count > 0) await publish(gateway, id, texts);
    const answers = await pollAll(port, `/${id}`, `cursor=${cursor}`);
    if (count === 0) {
      t.equal(answers[0]!.status, 204);
      t.match(answers[0]!.cursor, onTwoNodes ? cursorAt(0) : cursor);
      return;
    }
    t.same(
      answers.flatMap(({ texts }) => texts),
      texts.slice(-100),
    );
    t.equal(answers[0]!.recovered, count <= 100, 'what is past the bound is said to be gone');
    const next = await poll(port, `poll/${id}?cursor=${answers.at(-1)!.cursor}&timeout=0`);
    t.equal(next.status, 204, 'and then there is nothing more');
  });
}

t.test(
  'a poll that waits is answered with all that the turn brings, and its cursor goes on from there',
  oneTurn,
  async (t) => {
    const wire = await wait('poll/turn');
    await publish(gateway, 'turn', numbered(3));
    await wire.untilComplete();
    const first = polledOf(wire);
    t.same(first.texts, numbered(3));
    t.equal(first.recovered, true);
    t.equal(first.more, false);
    t.equal(wire.header('Content-Type'), 'application/json');
    t.equal(wire.header('Encke-Cursor'), first.cursor);
    t.equal(wire.header('ETag'), `"${first.cursor}"`);
    t.equal(wire.header('Encke-Recovered'), 'true');
    t.equal(wire.header('Cache-Control'), 'no-cache');
    t.same(Object.keys(wire.json), ['cursor', 'recovered', 'more', 'messages']);
    t.match(wire.json.messages[0], { id: 'turn', data: 'm1', time: Number });
    wire.ask(`/poll/turn?cursor=${first.cursor}`);
    await until('it waits', async () => (await gateway.stats()).connections.open === 1);
    await gateway.send('turn', 'next');
    await wire.untilComplete();
    t.same(polledOf(wire).texts, ['next'], 'on the same connection');
    await wire.close();
  },
);

t.test('an answer has at most 100 messages; what is left comes with the next one', oneTurn, async (t) => {
  const wire = await wait('poll/hundred');
  await publish(gateway, 'hundred', numbered(130));
  await wire.untilComplete();
  const first = polledOf(wire);
  t.same(first.texts, numbered(100));
  t.equal(first.more, true);
  const rest = await pollAll(port, '/hundred', `cursor=${first.cursor}`);
  t.equal(rest[0]!.recovered, true);
  t.same(
    rest.flatMap(({ texts }) => texts),
    numbered(30, 101),
  );
  await wire.close();
});

t.test('an answer has at most 256 KB, and one message in any case', oneTurn, async (t) => {
  const texts = Array.from({ length: 10 }, (_, n) => `${n}`.repeat(60_000));
  const wire = await wait('poll/large');
  await publish(gateway, 'large', texts);
  await wire.untilComplete();
  const first = polledOf(wire);
  t.same(first.texts, texts.slice(0, 4));
  t.equal(first.more, true);
  const rest = await pollAll(port, '/large', `cursor=${first.cursor}`);
  t.same(
    rest.map(({ texts }) => texts.length),
    [4, 2],
  );
  t.same(
    rest.flatMap(({ texts }) => texts),
    texts.slice(4),
  );
  await wire.close();
});

t.test('two pollers on one id each get everything', async (t) => {
  const start = await cursorNow(port, '/two');
  const seen: string[][] = [[], []];
  const poller = async (texts: string[]) => {
    for (let cursor = start; texts.length < 60; ) {
      const answer = await poll(port, `poll/two?cursor=${cursor}&timeout=5`);
      t.not(answer.recovered, false);
      texts.push(...answer.texts);
      cursor = answer.cursor;
    }
  };
  const pollers = Promise.all(seen.map(poller));
  for (let n = 1; n <= 60; n++) await gateway.send('two', `m${n}`);
  await pollers;
  t.same(seen, [numbered(60), numbered(60)]);
});

t.test('a poll of several ids gives the messages of all in the order in which they were sent', async (t) => {
  const ids = '?id=s1&id=s2&id=s/3';
  const cursor = await cursorNow(port, ids);
  t.match(cursor, cursorAt(0, 0, 0));
  const messages = Array.from({ length: 20 }, (_, n) => ({
    id: ['s1', 's2', 's/3'][(n * 7) % 3]!,
    data: `m${n}`,
  }));
  await ask(apiPort, '/send', { method: 'POST', body: batchOf(messages) });
  const answer = await poll(port, `poll${ids}&cursor=${cursor}`);
  t.same(
    answer.wire.json.messages.map(({ id, data }: { id: string; data: string }) => ({ id, data })),
    messages,
  );
  t.equal((await poll(port, `poll${ids}&cursor=${answer.cursor}&timeout=0`)).status, 204);
  const waiting = await wait(`poll${ids}&cursor=${answer.cursor}`);
  await gateway.send('s2', 'one');
  await waiting.untilComplete();
  t.match(waiting.json.messages, [{ id: 's2', data: 'one' }]);
  await waiting.close();
});

t.test('a message that arrives as the poll is closed is there with the old cursor', async (t) => {
  for (let round = 1; round <= 20; round++) {
    const cursor = await cursorNow(port, '/closed');
    const wire = await wait(`poll/closed?cursor=${cursor}`);
    if (round % 2 === 0) resetSocket(wire.socket);
    else wire.socket.destroy();
    await gateway.send('closed', `m${round}`);
    const again = await poll(port, `poll/closed?cursor=${cursor}`);
    t.same(again.texts, [`m${round}`]);
    t.equal(again.recovered, true);
  }
  await until('none waits', async () => (await gateway.stats()).connections.open === 0);
});

t.test(
  'a poll that is answered while its client is gone, its socket still open, loses nothing',
  async (t) => {
    const cursor = await cursorNow(port, '/gone');
    const wire = await wait(`poll/gone?cursor=${cursor}`);
    wire.stall();
    await publish(gateway, 'gone', numbered(5));
    await until('it is answered', async () => (await gateway.stats()).connections.open === 0);
    await wire.reset();
    t.same((await poll(port, `poll/gone?cursor=${cursor}`)).texts, numbered(5));
  },
);

t.test('timeout', async (t) => {
  const small = await startQuietly(['--poll-timeout-sec', '1', '--poll-timeout-sec-max', '2']);
  t.teardown(() => small.kill());
  for (const [query, fromMs, toMs] of [
    ['?timeout=0', 0, 900],
    ['', 700, 4000],
    ['?timeout=2', 1600, 6000],
  ] as const) {
    const startedMs = performance.now();
    const answer = await poll(small.port, `poll/quiet${query}`);
    const tookMs = performance.now() - startedMs;
    t.equal(answer.status, 204);
    t.match(answer.cursor, cursorAt(0));
    t.equal(answer.wire.header('Content-Length'), undefined);
    t.ok(tookMs >= fromMs && tookMs < toMs, `${query}: ${Math.round(tookMs)} ms`);
  }
  for (const bad of ['3', '-1', '1.5', '', 'x', '9999999', '1e1', '%00']) {
    const answer = await poll(small.port, `poll/quiet?timeout=${bad}`);
    t.equal(answer.status, 400, bad);
    t.equal(answer.wire.text, 'timeout is a whole number of seconds, at most 2.\n');
  }
});

t.test('the ETag does what the cursor does', moving, async (t) => {
  const cursor = await cursorNow(port, '/etag');
  for (const validator of [`"${cursor}"`, `W/"${cursor}"`, cursor]) {
    const same = await poll(port, 'poll/etag?timeout=0', { headers: { 'If-None-Match': validator } });
    t.equal(same.status, 304, validator);
    t.equal(same.wire.header('ETag'), `"${cursor}"`);
    t.equal(same.cursor, cursor);
  }
  const waiting = await wait('poll/etag', { 'If-None-Match': `"${cursor}"` });
  await gateway.send('etag', 'm1');
  await waiting.untilComplete();
  t.same(polledOf(waiting).texts, ['m1']);
  await waiting.close();
  const next = await poll(port, 'poll/etag', { headers: { 'If-None-Match': `W/"${cursor}"` } });
  t.equal(next.status, 200);
  t.same(next.texts, ['m1']);
  t.equal(next.wire.header('ETag'), `"${next.cursor}"`);
  const expired = await poll(port, 'poll/etag?timeout=1', {
    headers: { 'If-None-Match': next.wire.header('ETag')! },
  });
  t.equal(expired.status, 304, 'after its time, too');
  const others = [
    '*',
    '"a", "b"',
    '""',
    '"',
    '"abc"',
    'W/"abc"',
    `"${cursor}-gzip"`,
    `"${cursor}", "x"`,
    `"${cursor},1"`,
  ];
  for (const other of others) {
    const headers = { 'If-None-Match': other };
    t.equal(
      (await poll(port, 'poll/etag?timeout=0', { headers })).status,
      204,
      `${other} is as good as none`,
    );
    const asked = await poll(port, 'poll/etag?timeout=0&since=oldest', { headers });
    t.equal(asked.status, 200, 'and ?since= holds beside it');
  }
});

t.test('a polyfill that can set no header says its last event id in the query', async (t) => {
  await gateway.send('polyfill', '1');
  const { cursor } = await poll(port, 'poll/polyfill?since=oldest');
  await gateway.send('polyfill', '2');
  for (const name of ['lastEventId', 'last-event-id']) {
    const path = `poll/polyfill?timeout=0&${name}=${encodeURIComponent(cursor!)}`;
    const answer = await poll(port, path, { headers: { 'If-None-Match': '"abc"' } });
    t.match([answer.status, answer.texts], [200, ['2']], name);
    const stream = await Wire.open(port);
    stream.ask(`/events/polyfill?${name}=${encodeURIComponent(cursor!)}`);
    await stream.saw('data: 2');
    t.match(stream.text, '"recovered":true');
    await stream.close();
    const unknown = await poll(port, `poll/polyfill?timeout=0&${name}=what`);
    t.equal(unknown.status, 200, 'one that is unreadable is no error');
  }
});

t.test(
  'a cursor in the query is stronger than the ETag that a browser adds of what another tab has got',
  async (t) => {
    const cursor = await cursorNow(port, '/tabs');
    await publish(gateway, 'tabs', numbered(2));
    const { cursor: newest } = await poll(port, `poll/tabs?cursor=${cursor}`);
    const headers = { 'If-None-Match': `"${newest}"` };
    const answer = await poll(port, `poll/tabs?cursor=${cursor}`, { headers });
    t.same(answer.texts, numbered(2));
    t.equal((await poll(port, `poll/tabs?cursor=${newest}&timeout=0`, { headers })).status, 204);
  },
);

t.test('since', async (t) => {
  await publish(gateway, 'since', numbered(10));
  const textsOf = async (since: string) => (await poll(port, `poll/since?since=${since}&timeout=0`)).texts;
  t.same(await textsOf('oldest'), numbered(10));
  t.same(await textsOf('3'), numbered(3, 8));
  t.same(await textsOf('999'), numbered(10));
  t.same(await textsOf('now'), []);
  for (const bad of ['0', '-1', 'x', '', '1000000', '1.0']) {
    const answer = await poll(port, `poll/since?since=${bad}`);
    t.equal(answer.status, 400, bad);
    t.match(answer.wire.text, /since is oldest, now, or/);
  }
});

t.test(
  'ids without history: a poll has no cursor, and beside others it is told that something may be missing',
  async (t) => {
    t.equal((await poll(port, 'poll/private/a?timeout=0')).cursor, '');
    const alone = await wait('poll/private/a');
    await gateway.send('private/a', 'secret');
    await alone.untilComplete();
    t.same(Object.keys(alone.json), ['recovered', 'more', 'messages']);
    t.equal(alone.header('ETag'), undefined);
    await alone.close();
    const ids = '?id=open&id=private/b';
    const cursor = await cursorNow(port, ids);
    const both = await wait(`poll${ids}&cursor=${cursor}`);
    t.notOk(both.complete, 'it waits, where an answer at once would make the client ask again for ever');
    await gateway.send('private/b', 'live');
    await both.untilComplete();
    t.match(both.json, { recovered: false, messages: [{ id: 'private/b', data: 'live' }] });
    await both.close();
    const empty = await poll(port, `poll${ids}&cursor=${both.json.cursor}&timeout=0`);
    t.equal(empty.status, 204);
    t.equal(empty.wire.header('Encke-Recovered'), 'false', 'nor does an empty answer claim more');
    await empty.wire.close();
  },
);

t.test(
  'ids without history: what does not fit into the answer of a poll is lost, and it says so',
  oneTurn,
  async (t) => {
    const many = await wait('poll/private/c');
    const { lost } = (await gateway.stats()).messages;
    await publish(gateway, 'private/c', numbered(130));
    await many.untilComplete();
    t.match(many.json, { recovered: false, more: true }, 'what did not fit is gone, and it says so');
    t.equal((await gateway.stats()).messages.lost, lost + 30);
    await many.close();
  },
);

t.test(
  'polls one after the other on one connection; one behind a poll that waits closes it',
  pipelined,
  async (t) => {
    await publish(gateway, 'pipe', numbered(3));
    const wire = await Wire.open(port);
    wire.stopReading();
    const head = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    wire.socket.write(head('/poll/pipe?since=1') + head('/poll/pipe?timeout=0') + head('/poll/pipe?since=2'));
    await until(
      'all are answered',
      () => wire.bytes.includes('"m2"') && wire.bytes.toString().endsWith(']}'),
    );
    // With their quotes, as one epoch in eighteen has an m and a digit of its own.
    t.same(wire.bytes.toString().match(/HTTP\/1.1 \d+|"m\d"/g), [
      'HTTP/1.1 200',
      '"m3"',
      'HTTP/1.1 204',
      'HTTP/1.1 200',
      '"m2"',
      '"m3"',
    ]);
    wire.socket.write(head('/poll/pipe') + head('/poll/pipe?since=1'));
    await wire.untilClosed();
    await until('none waits', async () => (await gateway.stats()).connections.open === 0);
  },
);

t.test(
  'HEAD says where the id stands, OPTIONS what there is, and other methods are 405',
  pipelined,
  async (t) => {
    await publish(gateway, 'head', numbered(3));
    for (const path of ['/poll/head?since=oldest', '/poll/head', '/poll?id=head']) {
      const wire = await Wire.open(port);
      wire.socket.write(
        `HEAD ${path} HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      );
      await until('both answers are here', () => wire.bytes.includes('Not here'));
      const [head, next] = wire.bytes.toString().split('\r\n\r\n');
      t.match(head, /^HTTP\/1\.1 204 /);
      t.match(head, /ETag: "\w+:3"/);
      t.match(next, /^HTTP\/1\.1 404 /, 'without a body that would be read as the next answer');
      await wire.close();
      for (const method of ['POST', 'PUT', 'DELETE']) {
        const answer = await ask(port, path, { method });
        t.equal(answer.status, 405);
        t.equal(answer.header('Allow'), 'GET, HEAD, OPTIONS');
      }
      t.equal((await ask(port, path, { method: 'OPTIONS' })).status, 204);
    }
    t.equal((await ask(port, '/poll/a%00', { method: 'HEAD' })).status, 400);
  },
);

t.test('HEAD says of a cursor what GET would say of it', moving, async (t) => {
  const start = await cursorNow(port, '/headed');
  await publish(gateway, 'headed', numbered(130));
  const middle = `${start.split(':')[0]}:100`;
  for (const query of ['', '?since=oldest', `?cursor=${start}`, `?cursor=${middle}`, '?cursor=AAAAAAAA:1']) {
    const wire = await Wire.open(port);
    wire.socket.write(`HEAD /poll/headed${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await until('it is answered', () => wire.bytes.includes('\r\n\r\n'));
    const head = wire.bytes.toString();
    const got = await poll(port, `poll/headed${query}${query === '' ? '?' : '&'}timeout=0`);
    t.match(head, `Encke-Recovered: ${got.wire.header('Encke-Recovered')}`, query);
    t.match(head, `${start.split(':')[0]}:130`);
    await wire.close();
  }
  const none = await ask(port, `/poll?id=headed&id=private/h&cursor=${start},0&timeout=0`, {
    method: 'HEAD',
  });
  t.equal(none.header('Encke-Recovered'), 'false');
});

t.test('a graceful stop answers the polls that wait', async (t) => {
  const stopping = await startQuietly(['--drain-sec', '1']);
  t.teardown(() => stopping.kill());
  const wires = await Promise.all(Array.from({ length: 20 }, () => Wire.open(stopping.port)));
  for (const [n, wire] of wires.entries()) wire.ask(`/poll/${n}`);
  await until('all wait', async () => (await stopping.stats()).connections.open === 20);
  t.equal(await stopping.kill('SIGTERM'), 0);
  for (const wire of wires) {
    await wire.untilComplete();
    t.equal(wire.status, 204);
    t.match(wire.header('Encke-Cursor'), cursorAt(0));
  }
});

t.test('limits: connections, and ids of one poll', async (t) => {
  const small = await startQuietly(['--connections-max', '2', '--ids-per-connection-max', '2']);
  t.teardown(() => small.kill());
  const wires = [await Wire.open(small.port), await Wire.open(small.port)];
  for (const wire of wires) wire.ask('/poll/a');
  await until('both wait', async () => (await small.stats()).connections.open === 2);
  const refused = await poll(small.port, 'poll/a');
  t.equal(refused.status, 503);
  t.ok(Number(refused.wire.header('Retry-After')) > 0);
  t.equal((await poll(small.port, 'poll/a?timeout=0')).status, 204, 'who does not wait takes no place');
  t.equal((await poll(small.port, 'poll?id=a&id=b&id=c&timeout=0')).status, 400);
  await Promise.all(wires.map((wire) => wire.close()));
  await until('none is open', async () => (await small.stats()).connections.open === 0);
});

const largest = oneProcess('messages of 12 MB take seconds through Redis on a busy machine');

t.test(
  'a client that asks for large answers and reads none is held to a limit, closed and counted',
  largest,
  async (t) => {
    // Far more than the kernel takes for a peer that reads nothing.
    const messageBytes = 12 * 1024 * 1024;
    const pendingMax = 40 * 1024 * 1024;
    const small = await startQuietly([
      ...['--message-bytes-max', String(messageBytes)],
      ...['--pending-bytes-total-max', String(pendingMax)],
    ]);
    t.teardown(() => small.kill());
    const wires = await Promise.all(Array.from({ length: 12 }, () => Wire.open(small.port)));
    const [now, waiting] = [wires.slice(0, 6), wires.slice(6)];
    for (const wire of wires) wire.stall();
    for (const wire of waiting) wire.ask('/poll/big');
    await until('they wait', async () => (await small.stats()).connections.open === waiting.length);
    await small.send('big', Buffer.alloc(messageBytes, 'x'));
    await until('all are answered', async () => (await small.stats()).connections.open === 0);
    const answered = (await small.stats()).polls;
    t.equal(answered.closedUnread, 3, 'three answers of 12 MB fit 40 MB, and three do not');
    t.ok(answered.unsentBytes > 3 * messageBytes && answered.unsentBytes <= pendingMax);
    for (const wire of now) wire.ask('/poll/big?since=oldest');
    await until(
      'none of these fits',
      async () => (await small.stats()).polls.closedUnread === 3 + now.length,
    );
    const reader = waiting[0]!;
    reader.resume();
    await Promise.all(wires.filter((wire) => wire !== reader).map((wire) => wire.reset()));
    t.equal(
      (await reader.untilComplete()).json.messages[0].data.length,
      messageBytes,
      'who reads gets it all',
    );
    await reader.close();
    await until('nothing is kept', async () => (await small.stats()).polls.unsentBytes === 0);
    const { connections, router } = await small.stats();
    t.match(router, { ids: 0, logins: 0, subscribers: 0 });
    t.equal(connections.opened, waiting.length);
    t.match(connections.closed, { answered: waiting.length, 'peer-closed': 0 }, 'each has left once');
    t.equal(connections.open, 0);
    t.equal(small.log, '');
  },
);

t.test('and nothing is left of any poll', async (t) => {
  await until('none waits', async () => (await gateway.stats()).connections.open === 0);
  t.match((await gateway.stats()).router, { ids: 0, logins: 0, subscribers: 0 });
  t.equal(gateway.log, '');
});
