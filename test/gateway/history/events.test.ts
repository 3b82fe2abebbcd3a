import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import t from 'tap';
import { EventSource } from 'undici';
import { lastingPort } from '../../free-port.js';
import { startGateway } from '../../gateway-process.js';
import { cursorAt, oneProcess } from '../../one-process.js';
import { until } from '../../until.js';
import { ask, Wire } from '../raw-wire.js';
import { numbered, poll, publish, startQuietly } from './ask-poll.js';
import { readEventStream, type SentEvent } from './events.js';

const gateway = await startQuietly(['--history-rules', 'private/# 0 0;# 100 60']);
t.teardown(() => gateway.kill());
const { port } = gateway;

async function openEvents(path: string, lastEventId?: string): Promise<Wire> {
  const wire = await Wire.open(port);
  wire.ask(path, lastEventId === undefined ? {} : { headers: { 'Last-Event-ID': lastEventId } });
  await until(`${path} is open`, () => wire.chunks.length > 0);
  return wire;
}

/** But for those that only say where the stream stands, as most greetings do. */
function eventsIn(wire: Wire): SentEvent[] {
  return readEventStream(wire.body).events.filter(({ type }) => type !== 'cursor');
}

async function eventsOf(wire: Wire, count: number): Promise<SentEvent[]> {
  await until(`there are ${count} events`, () => eventsIn(wire).length >= count);
  return eventsIn(wire);
}

const dataOf = (event: Event) => (event as MessageEvent).data as string;

const textsOf = (events: SentEvent[]) =>
  events.filter(({ type }) => type === 'message').map(({ data }) => data);

/** A port that leads to the gateway, until it is cut. */
async function cuttable(target: number) {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      sockets.push(from);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      for (const socket of sockets.splice(0)) socket.destroy();
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

t.test(
  'a stream of events says when to come back and where from, and lets nobody keep or buffer it',
  async (t) => {
    const wires = await Promise.all(Array.from({ length: 10 }, () => openEvents('/events/start')));
    const retries = wires.map((wire) => readEventStream(wire.body).retryMs!);
    t.ok(
      retries.every((retryMs) => retryMs >= 1000 && retryMs < 5000),
      `${retries}`,
    );
    t.ok(new Set(retries).size > 3, 'not all at once');
    const [wire] = wires as [Wire];
    t.equal(wire.header('Content-Type'), 'text/event-stream; charset=utf-8');
    t.match(wire.header('Cache-Control'), /no-cache, no-store, no-transform/);
    t.equal(wire.header('X-Accel-Buffering'), 'no');
    const { events, lastEventId } = readEventStream(wire.body);
    t.match(lastEventId, cursorAt(0));
    t.same(events, [{ type: 'cursor', data: JSON.stringify({ cursor: lastEventId }), lastEventId }]);
    await Promise.all(wires.map((wire) => wire.close()));
    const head = await Wire.open(port);
    head.ask('/events/start', { method: 'HEAD' });
    await until('its head is here', () => head.head !== '');
    t.equal(head.status, 200);
    t.equal(head.header('Content-Type'), 'text/event-stream; charset=utf-8');
    await head.close();
  },
);

t.test('data of all kinds arrive as they were sent, but for their line breaks', async (t) => {
  const wire = await openEvents('/events/data');
  const texts = [
    'plain', '', ' leading space', '  two', 'a\nb', 'a\rb', 'a\r\nb', 'a\n\nb', '\n', '\r\n\r\n', 'ends\n', '\nstarts',
    'NUL \0 in it', '\ufeffBOM', ':comment', 'data: x', 'id: 1\nevent: y\nretry: 1', '日本 \u{1f600}', '\u2028 \u0085 \v',
  ]; // biome-ignore format: a list
  for (const text of texts) t.equal(await gateway.send('data', text), 1);
  const events = await eventsOf(wire, texts.length);
  t.same(
    events.map(({ data }) => data),
    texts.map((text) => text.replace(/\r\n|\r/g, '\n')),
  );
  t.ok(events.every(({ type }) => type === 'message'));
  for (const [n, { lastEventId }] of events.entries()) t.match(lastEventId, cursorAt(n + 1));
  await wire.close();
});

t.test('data that is not UTF-8 is an event of its own type, in base64', async (t) => {
  const wire = await openEvents('/events/bytes');
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
  await gateway.send('bytes', bytes);
  const [event] = await eventsOf(wire, 1);
  t.equal(event!.type, 'base64');
  t.same(Buffer.from(event!.data, 'base64'), bytes);
  t.match(event!.lastEventId, cursorAt(1));
  await wire.close();
});

t.test('an idle stream gets comments', async (t) => {
  const beating = await startGateway({ flags: ['--heartbeat-sec', '1'] });
  t.teardown(() => beating.kill());
  const wire = await Wire.open(beating.port);
  wire.ask('/events/idle');
  await until('two heartbeats', () => readEventStream(wire.body).comments.length >= 2);
  t.same(eventsIn(wire), []);
  await beating.send('idle', 'm1');
  await until('the message', () => eventsIn(wire).length === 1);
  t.equal(eventsIn(wire)[0]!.data, 'm1');
  await wire.close();
});

const byOffset = oneProcess('it is given offsets that are places of one id, not in the stream of all ids');

t.test(
  'a client that resumes is first told the result, and then gets what it missed',
  byOffset,
  async (t) => {
    await publish(gateway, 'back', numbered(5));
    const all = await openEvents('/events/back?since=oldest');
    const first = await eventsOf(all, 6);
    t.match(first[0], { type: 'recovered', data: '{"recovered":true}' });
    t.same(textsOf(first), numbered(5));
    await all.close();
    const third = first[3]!.lastEventId;
    await publish(gateway, 'back', ['m6']);
    for (const [path, lastEventId] of [
      ['/events/back', third],
      [`/events/back?cursor=${third}`, undefined],
      [`/events/back?cursor=${first[1]!.lastEventId}`, third],
      ['/events/back?cursor=!!!', third],
      ['/events/back?since=oldest', third],
    ] as const) {
      const wire = await openEvents(path, lastEventId);
      const events = await eventsOf(wire, 4);
      t.match(events[0], { type: 'recovered', data: '{"recovered":true}' });
      t.same(textsOf(events), numbered(3, 4), `${path}: the header is the newest`);
      await wire.close();
    }
    for (const bad of [
      'nonsense',
      'x',
      ':',
      'aaaaaaaa:1',
      `${third},1`,
      '9'.repeat(500),
      'x\xffy',
      'Ünïcode',
    ]) {
      const wire = await openEvents('/events/back', bad);
      t.equal(wire.status, 200, `${bad}: after a 400 an EventSource never comes back`);
      const events = await eventsOf(wire, 7);
      t.match(events[0], { type: 'recovered', data: '{"recovered":false}' });
      t.same(textsOf(events), numbered(6));
      await wire.close();
    }
    const nothing = await openEvents('/events/back', `${third.split(':')[0]}:6`);
    t.match(await eventsOf(nothing, 1), [{ type: 'recovered', lastEventId: `${third.split(':')[0]}:6` }]);
    await nothing.close();
    t.equal((await ask(port, '/events/back?cursor=!!!')).status, 400);
  },
);

t.test('events of several ids are JSON with whose they are, and one cursor for all', async (t) => {
  const wire = await openEvents('/events?id=va&id=vb');
  await gateway.send('vb', 'one\ntwo');
  await gateway.send('va', 'three');
  const events = await eventsOf(wire, 2);
  t.match(events[0]!.lastEventId, cursorAt(0, 1));
  t.match(events[1]!.lastEventId, cursorAt(1, 1));
  t.match(JSON.parse(events[0]!.data), { id: 'vb', data: 'one\ntwo', time: Number });
  t.match(JSON.parse(events[1]!.data), { id: 'va', data: 'three' });
  await wire.close();
  await gateway.send('vb', 'four');
  const back = await openEvents('/events?id=va&id=vb', events[0]!.lastEventId);
  const missed = await eventsOf(back, 3);
  t.match(missed[0], { type: 'recovered', data: '{"recovered":true}' });
  t.same(
    missed.slice(1).map(({ data }) => JSON.parse(data).data),
    ['three', 'four'],
  );
  t.match(missed[1]!.lastEventId, cursorAt(1, 1));
  t.match(missed[2]!.lastEventId, cursorAt(1, 2));
  await back.close();
  t.same((await poll(port, `poll?id=va&id=vb&cursor=${events[0]!.lastEventId}`)).texts, ['three', 'four']);
});

t.test('ids without history have events without id, and no cursor', async (t) => {
  const wire = await openEvents('/events/private/x');
  await gateway.send('private/x', 'm1');
  const [event] = await eventsOf(wire, 1);
  t.match(event, { data: 'm1', lastEventId: '' });
  await wire.close();
});

t.test(
  "undici's EventSource goes on by itself where its connection was cut, without a gap or a double",
  async (t) => {
    const line = await cuttable(port);
    t.teardown(() => line.close());
    const source = new EventSource(`http://127.0.0.1:${line.port}/events/undici`);
    t.teardown(() => source.close());
    const seen: string[] = [];
    const recovered: string[] = [];
    source.addEventListener('message', (event) => seen.push(dataOf(event)));
    source.addEventListener('recovered', (event) => recovered.push(dataOf(event)));
    await until('it is open', () => source.readyState === 1);
    await publish(gateway, 'undici', numbered(3));
    await until('it has them', () => seen.length === 3);
    line.cut();
    await until('it knows', () => source.readyState === 0);
    await publish(gateway, 'undici', numbered(3, 4));
    await until('it is back', () => seen.length === 6, 20_000);
    await publish(gateway, 'undici', ['m7']);
    await until('it goes on', () => seen.length === 7);
    t.same(seen, numbered(7));
    t.same(recovered, ['{"recovered":true}']);
  },
);

t.test("undici's EventSource is told when the server it comes back to is another", async (t) => {
  const first = await startQuietly(['--drain-sec', '0', ...(await lastingPort())]);
  t.teardown(() => first.kill());
  const source = new EventSource(`${first.url}/events/restart`);
  t.teardown(() => source.close());
  const seen: string[] = [];
  source.addEventListener('message', (event) => seen.push(dataOf(event)));
  source.addEventListener('recovered', (event) => seen.push(dataOf(event)));
  await until('it is open', () => source.readyState === 1);
  await publish(first, 'restart', ['m1']);
  await until('it has the message', () => seen.length === 1);
  await first.kill('SIGTERM');
  const second = await startQuietly(['--port', String(first.port)]);
  t.teardown(() => second.kill());
  await publish(second, 'restart', ['m2']);
  await until('it is back', () => seen.length >= 3, 20_000);
  t.same(seen, ['m1', '{"recovered":false}', 'm2']);
});
