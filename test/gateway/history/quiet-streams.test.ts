import t from 'tap';
import { connect } from '../../../client/index.js';
import { HttpProxy } from '../../client/http-proxy.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { openStream, type Wire } from '../raw-wire.js';
import { cursorNow, poll, publish } from './ask-poll.js';
import { littleHistory, raiseFloors } from './raised-floors.js';

oneProcessFile('what a history in memory forgets; the one of several nodes remembers no floors');

/** Streams of ids to which nothing is sent for so long that they are forgotten, while others raise what is remembered of them. */

t.setTimeout(240_000);

const quietIds = Array.from({ length: 8 }, (_, n) => `q${n}`);

async function start(more: string[] = []): Promise<GatewayProcess> {
  const flags = ['--heartbeat-sec', '1', '--log-level', 'warn', ...littleHistory, ...more];
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  return gateway;
}

async function heartbeats(wires: readonly Wire[], count: number): Promise<void> {
  const next = wires.map(({ chunks }) => chunks.length + count);
  await until(
    'each had a sign of life',
    () => wires.every(({ chunks }, n) => chunks.length >= next[n]!),
    30_000,
  );
}

const textSince = (wire: Wire, chunk: number) => Buffer.concat(wire.chunks.slice(chunk)).toString();

t.test('a quiet stream is told where it stands when that has moved, and once', async (t) => {
  const gateway = await start();
  const { port } = gateway;
  const epoch = (await cursorNow(port, '/q0')).split(':')[0]!;
  const wires: { id: string; kind: string; wire: Wire }[] = [];
  for (const id of quietIds) {
    for (const [kind, path] of [
      ['page', `/test/${id}`],
      ['ndjson', `/stream/${id}`],
      ['resumed', `/stream/${id}?cursor=${epoch}:0`],
      ['sse', `/events/${id}`],
      ['several', `/events?id=${id}&id=busy`],
    ] as const)
      wires.push({ id, kind, wire: await openStream(port, path) });
  }
  const all = wires.map(({ wire }) => wire);
  await heartbeats(all, 2);
  for (const { kind, wire } of wires)
    t.match(
      wire.text,
      kind === 'sse' || kind === 'several' ? /^(:\n)+$/ : /^\n+$/,
      `${kind}: nothing to say`,
    );
  const before = all.map(({ chunks }) => chunks.length);
  await raiseFloors(gateway);
  const floors = new Map<string, string>();
  for (const id of quietIds) floors.set(id, await cursorNow(port, `/${id}`));
  const moved = wires.filter(({ id }) => floors.get(id) !== `${epoch}:0`);
  t.comment(`${new Set(moved.map(({ id }) => id)).size} of ${quietIds.length} ids were raised`);
  t.ok(moved.length > 0);
  await heartbeats(all, 4);
  for (const [n, { id, kind, wire }] of wires.entries()) {
    const said = textSince(wire, before[n]!).replace(/^:\n/gm, '');
    const line =
      kind === 'sse' || kind === 'several'
        ? /^event: cursor\nid: (.*)\ndata: \{"cursor":"\1"\}\n\n/gm
        : /^(?:\{"cursor":"(.*)"\})?\n/gm;
    t.equal(said.replace(line, ''), '', `${kind} ${id}: nothing else`);
    const cursors = [...said.matchAll(line)].flatMap(([, cursor]) => cursor ?? []);
    t.same(cursors, [...new Set(cursors)], 'each once');
    if (kind === 'page') t.same(cursors, []);
    else if (floors.get(id) !== `${epoch}:0`)
      t.equal(cursors.at(-1)?.split(',')[0], floors.get(id), `${kind} ${id}: where it stands`);
    else if (kind !== 'several') t.same(cursors, [], `${kind} ${id} has not moved`);
  }
  const { id } = moved[0]!;
  t.equal((await poll(port, `poll/${id}?cursor=${epoch}:0&timeout=0`)).recovered, false, 'what it spares');
  t.equal((await poll(port, `poll/${id}?cursor=${floors.get(id)}&timeout=0`)).status, 204);
  await publish(gateway, id, ['m1']);
  for (const { kind, wire } of moved.filter((each) => each.id === id))
    await until(`${kind} has the message`, () => wire.text.includes('m1'));
  t.match(
    moved[0]!.wire.text.replace(/^\n/gm, ''),
    /^Recvd msg #1: 'm1'/,
    'and the page counts from 1, as it did',
  );
  await Promise.all(all.map((wire) => wire.close()));
});

t.test('a stream that has a backlog is told nothing that is ahead of what it got', async (t) => {
  const gateway = await start(['--pending-bytes-max', '100000000', '--batch-bytes-max', '16777216']);
  const wire = await openStream(gateway.port, '/stream/slow');
  const beating = await openStream(gateway.port, '/stream/beating');
  const floods = 250;
  wire.stall();
  // In one piece, as who reads nothing for some 10 s is cut.
  await publish(
    gateway,
    'slow',
    Array.from({ length: floods }, (_, n) => `${n + 1} ${'x'.repeat(60_000)}`),
  );
  t.equal((await gateway.stats()).slowConsumers.now, 1);
  for (let n = 1; n <= 3; n++) await gateway.send('other', 'x'.repeat(60_000));
  t.equal((await gateway.stats()).router.history.ids, 1, 'it is forgotten');
  await heartbeats([beating], 2);
  wire.resume();
  await until('it is through', () => wire.text.includes(`"${floods} x`), 30_000);
  await heartbeats([wire], 2);
  let last = 0;
  for (const line of wire.text.split('\n')) {
    const offset = Number(/"cursor":"\w+:(\d+)"\}$/.exec(line)?.[1] ?? 0);
    if (offset === 0) continue;
    if (line.startsWith('{"cursor"')) t.fail(`is told ${offset}, and has ${last}`);
    else if (offset !== last + 1) t.fail(`${offset} after ${last}`);
    last = offset;
  }
  t.equal(last, floods);
  await Promise.all([wire, beating].map((wire) => wire.close()));
});

t.test('the client takes it over, and is not told of a loss when it comes back', async (t) => {
  const gateway = await start();
  const proxy = await HttpProxy.to(gateway.url);
  t.teardown(() => proxy.close());
  const said: string[] = [];
  const connections = quietIds.map((id) =>
    connect(proxy.url, id, {
      transport: 'sse',
      onMessage: ({ data }) => said.push(String(data)),
      onRecovered: () => said.push(`${id} recovered`),
      onLost: () => said.push(`${id} lost`),
    }),
  );
  t.teardown(() => {
    for (const connection of connections) connection.close();
  });
  await until('all are open', () => connections.every(({ state }) => state === 'open'));
  await until('all have a cursor', () => connections.every(({ cursor }) => cursor?.endsWith(':0')));
  await raiseFloors(gateway);
  const floors = await Promise.all(quietIds.map((id) => cursorNow(gateway.port, `/${id}`)));
  t.ok(
    floors.some((floor) => !floor.endsWith(':0')),
    'some were raised',
  );
  await until('each knows', () => connections.every(({ cursor }, n) => cursor === floors[n]), 30_000);
  proxy.cut();
  await until('all are back', () => said.length >= quietIds.length, 30_000);
  t.same([...said].sort(), quietIds.map((id) => `${id} recovered`).sort());
});
