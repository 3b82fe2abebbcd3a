import { readFileSync } from 'node:fs';
import { connectAsync } from 'mqtt';
import t from 'tap';
import { start } from '../../cli/encke.js';
import { startGateway } from '../../gateway-process.js';
import { oneProcess, onTwoNodes } from '../../one-process.js';
import { until } from '../../until.js';
import { ask, openStream } from '../raw-wire.js';

const directory = t.testdir();
const gateway = await startGateway({
  flags: [
    ...(onTwoNodes ? [] : ['--data', directory]),
    '--log-level',
    'warn',
    '--id-bytes-max',
    '100',
    '--send-to-followers',
    'all/+',
  ],
});
t.teardown(() => gateway.kill());
const { port, apiPort } = gateway;

const post = (path: string, body: string | Uint8Array, headers = {}) =>
  ask(apiPort, path, { method: 'POST', body, headers });

function line(subscriber: string, subscribee: string, more: object = {}): string {
  return `${JSON.stringify({ subscriber, subscribee, ...more })}\n`;
}

t.test('POST /graph adds and removes edges, and names bad lines while good ones are done', async (t) => {
  const added = await post('/graph', line('a', 'star') + line('b', 'star') + line('a', 'star'));
  t.equal(added.status, 200);
  t.same(added.json, { added: 2, removed: 0, unchanged: 1, bad: 0, errors: [] });
  const mixed = await post(
    '/graph',
    `${line('b', 'star', { remove: true })}no json\n\n7\n${line('c', 'c')}${line('c', 'x'.repeat(101))}${line('+', 'c')}{"subscriber":"c"}\n${line('c', 'd', { remove: 1 })}${line('c', 'star')}`,
  );
  t.equal(mixed.status, 200);
  t.match(mixed.json, { added: 1, removed: 1, unchanged: 0, bad: 7 });
  t.same(
    mixed.json.errors.map((error: { line: number }) => error.line),
    [2, 4, 5, 6, 7, 8, 9],
  );
  const texts = mixed.json.errors.map((error: { error: string }) => error.error).join(' ');
  for (const part of [
    'not JSON',
    'is an object',
    'cannot follow itself',
    'longer',
    '(100 bytes)',
    'wildcards',
    'are strings',
    'true or false',
  ])
    t.match(texts, part);
  t.match((await ask(apiPort, '/graph/star/subscribers')).json, { id: 'star', count: 2 });
  const none = await post('/graph', 'nothing\n');
  t.equal(none.status, 400);
  t.match(none.json, { added: 0, bad: 1, error: /No line is an edge/ });
  const cut = await post('/graph', Buffer.from([0xff, 0x0a]));
  t.match(cut.json.errors[0], { line: 1, error: 'This line is not UTF-8.' });
  t.match((await post('/graph', line('user/7', 'photo/Größe 1').trim())).json, { added: 1 }, 'no line end');
});

t.test('GET /graph/<id>/subscribers and /subscriptions, in pages', async (t) => {
  const ids = Array.from({ length: 700 }, (_, n) => `fan/${n}`);
  const large = await post('/graph', ids.map((id) => line(id, 'room/7/chat') + line('room/7', id)).join(''));
  t.match(large.json, { added: 1400 });
  for (const [path, name] of [
    ['/graph/room/7/chat/subscribers', 'subscribers'],
    ['/graph/room%2F7/subscriptions', 'subscriptions'],
  ] as const) {
    const seen: string[] = [];
    let next: string | undefined = '';
    let pages = 0;
    while (next !== undefined) {
      const page = await ask(apiPort, `${path}?limit=100${next === '' ? '' : `&after=${next}`}`);
      t.equal(page.json.count, 700);
      seen.push(...page.json[name]);
      next = page.json.next;
      pages++;
    }
    t.same(seen.sort(), [...ids].sort(), path);
    t.ok(pages >= 7 && pages <= 8, `${pages} pages`);
  }
  t.same((await ask(apiPort, '/graph/nobody/subscribers')).json, { id: 'nobody', count: 0, subscribers: [] });
  for (const path of [
    '/graph/a',
    '/graph/a/followers',
    '/graph/+/subscribers',
    '/graph/a/subscribers?limit=0',
    '/graph/a/subscribers?limit=10001',
    '/graph/a/subscribers?after=!',
    '/graph/%ff/subscribers',
  ])
    t.equal((await ask(apiPort, path)).status, 400, path);
  const all = await ask(apiPort, '/graph?limit=10000');
  t.equal(all.json.edges.length, all.json.count);
  t.match(all.json.edges, [['a', 'star']]);
});

t.test('POST /send/<id>?to=followers reaches all open pages of its followers', async (t) => {
  await post('/graph', line('f1', 'celebrity') + line('f2', 'celebrity') + line('f3', 'celebrity'));
  const page = await openStream(port, '/test/f1');
  const ndjson = await openStream(port, '/stream?id=f2&id=f3&id=celebrity');
  const events = await openStream(port, '/events?id=f3&id=other');
  const own = await openStream(port, '/stream/celebrity');
  const answer = await post('/send/celebrity?to=followers', 'Hello all');
  t.same(answer.json, { delivered: 4 });
  await page.saw("Recvd msg #1: 'Hello all'<br/>");
  await ndjson.saw('"id":"celebrity","data":"Hello all"');
  await events.saw('"id":"f3","about":"celebrity","data":"Hello all"');
  await own.saw('"id":"celebrity","data":"Hello all"');
  t.same((await post('/send/celebrity', 'alone')).json, { delivered: 2 });
  t.same((await post('/send/celebrity?to=id', 'alone')).json, { delivered: 2 });
  t.equal((await post('/send/celebrity?to=friends', 'x')).status, 400);
  t.equal((await post('/send/celebrity?to=followers&wait=0', 'uncounted')).status, 202);
  await page.saw("Recvd msg #2: 'uncounted'<br/>");
  const once = { 'Idempotency-Key': 'k1' };
  t.same((await post('/send/celebrity?to=followers', 'once', once)).json, { delivered: 4 });
  t.match((await post('/send/celebrity?to=followers', 'once', once)).json, {
    ...(onTwoNodes ? {} : { delivered: 4 }),
    repeated: true,
  });
  const batch = await post(
    '/send',
    '{"id":"celebrity","data":"in a batch","to":"followers"}\n{"id":"celebrity","data":"y","to":"id"}\n{"id":"celebrity","data":"z","to":"all"}\n',
  );
  t.match(batch.json, { messages: 2, delivered: 6, bad: 1, errors: [{ line: 3, error: /"to" is/ }] });
  await page.saw("Recvd msg #4: 'in a batch'<br/>");
  t.notMatch(events.text, /"lost"/);
  const polled = ask(port, '/poll/f1?timeout=30');
  await until('the poll waits', async () => (await ask(apiPort, '/ids/f1')).json.subscribers === 2);
  await post('/send/celebrity?to=followers', 'to a poll');
  t.match((await polled).json.messages, [{ id: 'f1', about: 'celebrity', data: 'to a poll' }]);
  for (const wire of [page, ndjson, events, own]) await wire.close();
});

t.test('a cursor of a follower stays right when messages come that are not its own', async (t) => {
  const stream = await openStream(port, '/stream/f1');
  await post('/send/f1', 'own');
  await stream.saw('"data":"own"');
  await post('/send/celebrity?to=followers', 'of another');
  await stream.saw('"data":"of another"');
  const cursors = [...stream.text.matchAll(/"data":"own".*"cursor":"([^"]+)"/g)].map(([, cursor]) => cursor);
  t.equal(cursors.length, 1);
  t.notMatch(stream.text, /"data":"of another"[^\n]*"cursor"/);
  await stream.close();
  const resumed = await ask(port, `/poll/f1?timeout=0&cursor=${cursors[0]}`);
  t.equal(resumed.status, 204);
  t.equal(resumed.header('Encke-Recovered'), 'true');
});

t.test('--send-to-followers: for some ids it is the default', async (t) => {
  await post('/graph', line('f1', 'all/1') + line('f1', 'some/1'));
  const stream = await openStream(port, '/stream/f1');
  t.same((await post('/send/all/1', 'by rule')).json, { delivered: 1 });
  t.same((await post('/send/some/1', 'no rule')).json, { delivered: 0 });
  t.same((await post('/send/all/1?to=id', 'said otherwise')).json, { delivered: 0 });
  await stream.saw('"about":"all/1","data":"by rule"');
  const device = await connectAsync(`ws://127.0.0.1:${port}/mqtt`);
  await device.publishAsync('all/1', 'by MQTT', { qos: 1 });
  await stream.saw('"about":"all/1","data":"by MQTT"');
  await device.endAsync();
  await stream.close();
});

t.test(
  'a restart, and a kill, forget no edge that was acknowledged',
  oneProcess('a directory is for one process'),
  async (t) => {
    const kept = t.testdir();
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const first = await startGateway({
        flags: ['--data', kept, '--log-level', 'warn', '--drain-sec', '0'],
      });
      t.teardown(() => first.kill());
      await ask(first.apiPort, '/graph', { method: 'POST', body: line(signal, 'star') });
      await first.kill(signal);
    }
    const again = await startGateway({ flags: ['--data', kept, '--log-level', 'warn'] });
    t.teardown(() => again.kill());
    const { subscribers } = (await ask(again.apiPort, '/graph/star/subscribers')).json;
    t.same(subscribers.sort(), ['SIGKILL', 'SIGTERM']);
    t.match((await again.stats()).router.graph, { ids: 3, edges: 2 });
  },
);

t.test(
  'a directory is for one process, and not with --engine redis',
  oneProcess('a directory is for one process'),
  async (t) => {
    const second = await start(['--data', directory], { timeoutMs: 60_000 });
    t.equal(second.code, 1);
    t.match(second.stderr, /^encke start: Another process \(\d+\) uses .*: stop it first/);
    const refused = await start(['--engine', 'redis', '--data', directory], { timeoutMs: 60_000 });
    t.equal(refused.code, 2);
    t.match(refused.stderr, 'encke start: --data is for one process');
  },
);

t.test(
  'without --data the store is not even loaded',
  oneProcess('a directory is for one process'),
  async (t) => {
    const plain = await startGateway({ flags: ['--log-level', 'warn'] });
    t.teardown(() => plain.kill());
    const body = line('a', 'b');
    t.match((await ask(plain.apiPort, '/graph', { method: 'POST', body })).json, { added: 1 });
    t.notMatch(readFileSync(`/proc/${plain.pid}/maps`, 'utf8'), 'lmdb');
    t.match(readFileSync(`/proc/${gateway.pid}/maps`, 'utf8'), 'lmdb');
  },
);
