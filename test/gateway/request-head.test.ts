import t from 'tap';
import { startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';
import { readEventStream } from './history/events.js';
import { ask, Wire } from './raw-wire.js';

oneProcessFile('the sizes of single requests; nothing crosses');

/** Of 50 bytes each. */
const ids = Array.from({ length: 64 }, (_, n) => `device-${n}-`.padEnd(50, 'x'));
const query = ids.map((id) => `id=${id}`).join('&');
const browser = { 'User-Agent': 'a'.repeat(150), Accept: '*/*', Cookie: 'c'.repeat(500) };

t.test('64 ids of 50 bytes connect, and come back with their cursor, on every transport', async (t) => {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  const { port } = gateway;

  const polled = await ask(port, `/poll?${query}&timeout=0`, { headers: browser });
  t.equal(polled.status, 204);
  await gateway.send(ids[63]!, 'one');
  const cursor = polled.header('Encke-Cursor')!;
  for (const [path, headers] of [
    [`/poll?${query}&cursor=${encodeURIComponent(cursor)}`, {}],
    [`/poll?${query}`, { 'If-None-Match': `"${cursor}"` }],
    [`/poll?${query}`, { 'Last-Event-ID': cursor }],
  ] as const) {
    const again = await ask(port, path, { headers: { ...browser, ...headers } });
    t.equal(again.status, 200);
    t.match(again.json, { recovered: true, messages: [{ id: ids[63], data: 'one' }] });
  }

  const events = await opened(port, `/events?${query}&since=oldest`);
  await events.saw('"one"');
  const { lastEventId } = readEventStream(events.body);
  await events.close();
  const lines = await opened(port, `/stream?${query}&since=oldest`);
  await lines.saw('"one"');
  const ofLines = JSON.parse(lines.text.split('\n').find((line) => line.includes('"one"'))!).cursor;
  await lines.close();
  t.match(lastEventId, /^\w+:\d+(,\d+){63}$/);
  t.equal(ofLines, lastEventId);
  await gateway.send(ids[0]!, 'two');
  for (const [path, headers] of [
    [`/events?${query}`, { 'Last-Event-ID': lastEventId }],
    [`/events?${query}&cursor=${encodeURIComponent(lastEventId)}`, {}],
    [`/stream?${query}&cursor=${encodeURIComponent(lastEventId)}`, {}],
  ] as const) {
    const again = await opened(port, path, headers);
    await again.saw('"two"');
    t.match(again.text, /"recovered":true/);
    t.notMatch(again.text, /"one"/);
    await again.close();
  }
});

t.test(
  'a request that could not come back with its cursor is refused before it opens anything',
  async (t) => {
    const gateway = await startGateway({
      flags: ['--request-head-bytes-max', '4096', '--id-bytes-max', '100'],
    });
    t.teardown(() => gateway.kill());
    const { port } = gateway;
    const paths = [`/events?${query}`, `/stream?${query}`, `/poll?${query}`, `/poll?${query}&timeout=0`];
    for (const path of paths) {
      for (const headers of [{}, { Accept: 'text/event-stream' }] as const) {
        const answer = await ask(port, path, { headers });
        t.equal(answer.status, 431, path.slice(0, 10));
        t.match(answer.text, /With a cursor.* fewer ids.* --request-head-bytes-max is 4096\./);
      }
      t.equal((await ask(port, path, { method: 'HEAD' })).status, 431, 'HEAD');
    }
    const { refused, open } = (await gateway.stats()).connections;
    t.equal(refused['no-room-for-cursor'], paths.length * 3);
    t.equal(open, 0);
  },
);

t.test('up to the byte: what fits once fits with any cursor', async (t) => {
  const gateway = await startGateway({ flags: ['--request-head-bytes-max', '4145'] });
  t.teardown(() => gateway.kill());
  const { port } = gateway;
  // Eight ids, and a header that takes what is left.
  const few = ids.slice(0, 8).map((id) => `id=${id}`);
  const path = `/poll?${few.join('&')}`;
  const ofStatus = async (bytes: number) =>
    (await ask(port, `${path}&timeout=0`, { headers: { Cookie: 'x'.repeat(bytes) } })).status;
  let [fits, tooLarge] = [1000, 4000];
  t.same([await ofStatus(fits), await ofStatus(tooLarge)], [204, 431]);
  while (tooLarge - fits > 1) {
    const middle = (fits + tooLarge) >> 1;
    if ((await ofStatus(middle)) === 204) fits = middle;
    else tooLarge = middle;
  }
  const headers = { Cookie: 'x'.repeat(fits) };
  const longest = `${'e'.repeat(32)}:${few.map(() => '9007199254740991').join(',')}`;
  for (const [name, ...given] of [
    ['query', `${path}&cursor=${encodeURIComponent(longest)}&timeout=0`, {}],
    ['header', `${path}&timeout=0`, { 'Last-Event-ID': longest }],
    ['validator', `${path}&timeout=0`, { 'If-None-Match': `"${longest}"` }],
  ] as const) {
    const again = await ask(port, given[0], { headers: { ...headers, ...given[1] } });
    t.match(String(again.status), /^(200|204|304)$/, name);
  }
});

async function opened(port: number, path: string, headers: Record<string, string> = {}): Promise<Wire> {
  const wire = await Wire.open(port);
  wire.ask(path, { headers: { ...browser, ...headers } });
  await until('it is open', () => wire.chunks.length > 0);
  return wire;
}
